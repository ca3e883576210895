"""The verbs of `freehold bundle`."""

from collections.abc import Callable

from .conftest import Ran


def test_every_verb_is_there_and_says_what_it_does(freehold: Callable[..., Ran]) -> None:
    """In the list of verbs, each with its own help."""
    listed = freehold("bundle", "--help").out
    for verb in ("create", "verify", "load", "plugin", "check-plugin"):
        assert f"  {verb} " in listed
        assert freehold("bundle", verb, "--help").code == 0
