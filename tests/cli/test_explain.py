"""`freehold explain`."""

from collections.abc import Callable
from typing import Any

import pytest

from freehold.cli.explain import with_brackets
from freehold.errors import CATALOG

Freehold = Callable[..., Any]


def test_a_code_is_explained(freehold: Freehold) -> None:
    """Kind, cause and fix, with what an error fills in as <name>."""
    ran = freehold("explain", "config_key_twice")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "config_key_twice",
        "kind: invalid",
        "cause: <where>: the key `<key>` is already set in line <first>.",
        "fix: Keep one of the two.",
    ]


def test_a_code_is_explained_in_chinese(freehold: Freehold) -> None:
    """The same row's other texts, for people and for programs."""
    assert "解决办法: 请只保留其中一处。" in freehold("explain", "config_key_twice", "--lang", "zh").out
    data = freehold("explain", "--lang", "zh", "config_key_twice", "--json").data
    assert data == {
        "code": "config_key_twice",
        "kind": "invalid",
        "cause": "<where>：键 `<key>` 已在第 <first> 行设置。",
        "fix": "请只保留其中一处。",
    }


def test_an_unknown_code_gets_the_nearest(freehold: Freehold) -> None:
    """Wrong usage, with a guess."""
    ran = freehold("explain", "Config-Key-Twise")
    assert ran.code == 2
    assert "config_key_twice" in ran.err


def test_without_a_code_all_are_listed(freehold: Freehold) -> None:
    """One line each, in order."""
    lines = freehold("explain").out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(CATALOG)
    assert [row["code"] for row in freehold("explain", "--json").data["errors"]] == sorted(CATALOG)


@pytest.mark.parametrize(
    ("template", "shown"),
    [("{a} of {b:.2f} and {c[0]}", "<a> of <b> and <c[0]>"), ("${{env:NAME}}", "${env:NAME}"), ("plain", "plain")],
)
def test_placeholders_are_shown_in_brackets(template: str, shown: str) -> None:
    """Whatever their format; doubled braces are single ones."""
    assert with_brackets(template) == shown
