"""`freehold dify connect`, before anybody is asked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (
            "models: [{id: a, source: 'https://h/v1', abilities: [chat]}]\n",
            ("--models-url", "http://m/v1"),
            "dify_unconfigured",
        ),
        (
            "models: [{id: a, source: 'https://h/v1'}]\ndify: {url: http://d, models_url: 'http://m/v1'}\n",
            ("--print",),
            "dify_nothing_to_connect",
        ),
        (
            "models: [{id: a, source: 'https://h/v1', abilities: [chat]}]\naccess: {auth: none}\n"
            "dify: {url: http://d, models_url: 'http://m/v1'}\n",
            (),
            "dify_account_wanted",
        ),
        (
            "models: [{id: a, source: 'https://h/v1', abilities: [chat]}]\n"
            "dify: {url: http://d, models_url: 'http://m/v1'}\n",
            (),
            "dify_key_wanted",
        ),
    ],
)
def test_what_is_missing_is_said(
    freehold: Callable[..., Ran], folder: Path, text: str, words: tuple[str, ...], code: str
) -> None:
    """Before anybody is asked."""
    (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    ran = freehold("dify", "connect", "--json", *words)
    assert (ran.code, ran.error["code"]) == (1, code)


def test_a_package_that_cannot_be_read_is_said(freehold: Callable[..., Ran], folder: Path) -> None:
    """By its path."""
    text = "models: [{id: a, source: 'https://h/v1', abilities: [chat]}]\naccess: {auth: none}\n"
    text += "dify: {url: http://d, models_url: 'http://m/v1', email: a@b.c, password: '${env:P}'}\n"
    (folder / "freehold.yaml").write_text(text, encoding="utf-8")
    ran = freehold("dify", "connect", "--json", "--plugin", "absent.difypkg")
    assert (ran.code, ran.error["code"]) == (1, "dify_plugin_unreadable")
