"""The generated reference pages."""

from pathlib import Path

import pytest

from freehold.cli.docs import PAGES, cli_page, config_page, errors_page, write_pages
from freehold.cli.main import VERBS
from freehold.errors import CATALOG

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_says_what_the_code_says(name: str) -> None:
    """Change the code, run `make docs`, and commit both."""
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), f"{name} is out of date: run `make docs`"


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    """A second run touches nothing."""
    assert len(write_pages(tmp_path)) == len(PAGES)
    assert write_pages(tmp_path) == []


def test_the_pages_are_whole() -> None:
    """Every key, code and verb has its place, and no cell breaks its table."""
    config, errors, cli = config_page(), errors_page(), cli_page()
    assert all(f"| `{key}` |" in config for key in ("input_shape", "deadline_s", "pull_secrets", "log_level"))
    assert all(f"| `{code}` |" in errors for code in CATALOG)
    assert all(f"## freehold {verb}" in cli for verb in VERBS)
    for line in errors.splitlines():
        assert not line.startswith("| `") or line.replace("\\|", "").count("|") == 5, line
