"""The error table: complete in both languages, and true to what the code raises."""

import ast
import re
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from freehold.errors import CATALOG, Entry, Kind, explain
from freehold.errors.catalog import _merge

SRC = Path(__file__).parents[2] / "src" / "freehold"
TEXTS = SRC / "errors" / "texts"


def placeholders(template: str) -> set[str]:
    return {field.split(".")[0].split("[")[0] for _, field, _, _ in Formatter().parse(template) if field is not None}


@cache
def raised() -> list[tuple[str, ast.Call, str]]:
    """(place, call, code) for each FreeholdError that is made with codes written where it is made."""
    found = []
    for path in sorted(SRC.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
            if name == "FreeholdError" and call.args:
                first = call.args[0]
                codes = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                for code in codes:
                    if isinstance(code, ast.Constant):
                        found.append((f"{path.relative_to(SRC)}:{call.lineno}", call, str(code.value)))
    return found


def test_every_code_that_is_raised_has_its_row() -> None:
    """No FreeholdError in the source has a code that the table lacks."""
    assert [(where, code) for where, _, code in raised() if code not in CATALOG] == []


def test_every_raise_gives_what_its_texts_show() -> None:
    """A row's placeholders are among the details wherever the code is raised."""
    lacking = []
    for where, call, code in raised():
        given = {keyword.arg for keyword in call.keywords}
        if None not in given and code in CATALOG:
            lacking += [(where, code, name) for name in placeholders("".join(CATALOG[code][1:])) - given]
    assert lacking == []


def test_every_row_is_used() -> None:
    """A code that no line of the source mentions is no longer an error of this house."""
    source = "".join(path.read_text(encoding="utf-8") for path in SRC.rglob("*.py") if path.parent != TEXTS)
    assert [code for code in CATALOG if f'"{code}"' not in source] == []


@pytest.mark.parametrize("code", sorted(CATALOG))
def test_a_row_says_the_same_in_both_languages(code: str) -> None:
    """Cause and fix are there in English and Chinese, with the same placeholders, in whole sentences."""
    row = CATALOG[code]
    assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", code)
    assert isinstance(row.kind, Kind)
    assert all(text.strip() == text and text for text in row[1:])
    assert placeholders(row.cause) == placeholders(row.cause_zh)
    assert placeholders(row.fix) == placeholders(row.fix_zh)
    assert not re.search(r"[一-鿿]", row.cause + row.fix)
    assert all(re.search(r"[一-鿿]", text) or not re.sub(r"{.*?}", "", text) for text in (row.cause_zh, row.fix_zh))


def test_no_code_is_declared_twice() -> None:
    """Two areas cannot both own a code, and one area cannot write it twice."""
    written = [
        str(key.value)
        for path in TEXTS.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    ]
    assert sorted(written) == sorted(CATALOG)
    row = Entry(Kind.INVALID, "a", "b", "c", "d")
    with pytest.raises(RuntimeError, match=r"declared twice: .*'same'"):
        _merge({"same": row}, {"same": row})


def test_explain_finds_a_row_by_its_code() -> None:
    """A known code has its row, an unknown one None."""
    assert explain("config_no_model") is CATALOG["config_no_model"]
    assert explain("no_such_code") is None
