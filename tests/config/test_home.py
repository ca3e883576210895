"""Where state lies."""

from pathlib import Path

from freehold.config import home


def test_state_lies_where_the_environment_says() -> None:
    """FREEHOLD_HOME, else a folder of the user's."""
    assert home({"FREEHOLD_HOME": "/app/data"}) == Path("/app/data")
    assert home({"FREEHOLD_HOME": "~/x"}) == Path.home() / "x"
    assert home({"FREEHOLD_HOME": ""}) == home({}) == Path.home() / ".freehold"
