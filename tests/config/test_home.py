"""Where state lies."""

from pathlib import Path

from freehold.config.home import expanded, home


def test_state_lies_where_the_environment_says() -> None:
    """FREEHOLD_HOME, else a folder of the user's."""
    assert home({"FREEHOLD_HOME": "/app/data"}) == Path("/app/data")
    assert home({"FREEHOLD_HOME": "~/x"}) == Path.home() / "x"
    assert home({"FREEHOLD_HOME": ""}) == home({}) == Path.home() / ".freehold"


def test_a_home_that_does_not_exist_stays_as_it_is_written() -> None:
    """A folder may be called `~nobody-here`."""
    assert expanded("~/x") == Path.home() / "x"
    assert expanded("~no-such-user/x") == Path("~no-such-user/x")
