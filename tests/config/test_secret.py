"""Secrets by reference."""

from pathlib import Path

import pytest

from freehold.config.secret import is_reference, resolve
from freehold.errors import FreeholdError


def test_a_variable_is_read_when_it_is_needed() -> None:
    """The value without the white space around it."""
    assert resolve("${env:KEY}", {"KEY": " abc\n"}) == "abc"


def test_a_file_is_read_when_it_is_needed(tmp_path: Path) -> None:
    """Secrets mounted as files end with a line break."""
    (tmp_path / "key").write_text("abc\n")
    assert resolve(f"${{file:{tmp_path}/key}}", {}) == "abc"


def test_other_texts_are_themselves() -> None:
    """An address of a proxy without a password needs no reference."""
    assert resolve("http://proxy:3128", {}) == "http://proxy:3128"
    assert not is_reference("${env:KEY} ")
    assert not is_reference("${other:KEY}")


@pytest.mark.parametrize("environ", [{}, {"KEY": " "}])
def test_a_missing_or_empty_variable_is_named(environ: dict[str, str]) -> None:
    """The message says which one."""
    with pytest.raises(FreeholdError, match=r"\$\{env:KEY\}.*KEY is not set"):
        resolve("${env:KEY}", environ)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    """Not there, a folder, not a text."""
    with pytest.raises(FreeholdError, match="secret_missing"):
        resolve(f"${{file:{tmp_path}/key}}", {})
    with pytest.raises(FreeholdError, match="secret_unreadable"):
        resolve(f"${{file:{tmp_path}}}", {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(FreeholdError, match="not UTF-8"):
        resolve(f"${{file:{tmp_path}/binary}}", {})


@pytest.mark.parametrize("text", ["key\nHost: elsewhere", "key\r", "a\x00b"])
def test_a_secret_is_one_line(tmp_path: Path, text: str) -> None:
    """It is sent as a header; the message names the reference and not what it stands for."""
    (tmp_path / "key").write_text(f"{text}x")
    with pytest.raises(FreeholdError, match="secret_malformed") as caught:
        resolve(f"${{file:{tmp_path}/key}}", {})
    assert "elsewhere" not in caught.value.cause
