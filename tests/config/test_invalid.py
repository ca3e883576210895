"""Several problems as one error."""

from freehold.config import ConfigInvalidError
from freehold.errors import FreeholdError


def test_all_problems_are_listed_in_the_readers_language() -> None:
    """Count, causes and fixes, translated as a whole."""
    problems = [FreeholdError("config_not_found", path=name) for name in ("a.yaml", "b.yaml")]
    error = ConfigInvalidError("freehold.yaml", problems)
    assert error.cause.startswith("freehold.yaml has 2 problems:\n  - There is no configuration file a.yaml.")
    cause, fix = error.in_language("zh")
    assert "2 处问题" in cause
    assert "b.yaml 不存在" in cause
    assert "config check" in fix
    assert error.in_language("en") == (error.cause, error.fix)
