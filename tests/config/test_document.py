"""YAML and JSON as trees that know their lines."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import document
from freehold.config.document import MAX_BYTES, Node, parse_document, read_file
from freehold.errors import FreeholdError


def tree(text: str, file: str = "f.yaml") -> Node:
    return parse_document(text, file)[0]


def refusal(text: str, file: str = "f.yaml") -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        parse_document(text, file)
    assert caught.value.code == "config_syntax"
    return caught.value


def test_every_value_knows_its_line_and_key() -> None:
    """A value stands in the line of its key, an entry of a list in its own, both under a readable path."""
    root = tree("a: 1\nlist:\n  - x\n  - b:\n      c: 2\n")
    deep = root.at("list", 1, "b", "c")
    assert (deep.value, deep.where, deep.key) == (2, "f.yaml:5", "list[1].b.c")
    assert root.at("list", 0).where == "f.yaml:3"


def test_at_stops_at_the_deepest_node_there_is() -> None:
    """A place that does not exist is said by the one that encloses it."""
    root = tree("a:\n  b: [1]\n")
    assert root.at("a", "nothing", 3).key == "a"
    assert root.at("a", "b", 7).key == "a.b"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("On", "On"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("~", None),
        ("", None),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 17),
        ("1_000", "1_000"),
        ("1.5e3", 1500.0),
        ("-.inf", float("-inf")),
        ("1.", 1.0),
        ('"8080"', "8080"),
        ("!!str 5", "5"),
        ("1.15.0", "1.15.0"),
        ("'${env:X}'", "${env:X}"),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(text: str, value: object) -> None:
    """Only true and false are booleans, and times and dates stay texts."""
    assert tree(f"k: {text}\n").at("k").value == value


def test_json_is_read_with_its_own_white_space_and_escapes() -> None:
    """Tabs, and characters beyond the first plane written as two escapes, are those of JSON; lines are known."""
    root = tree('{\n\t"a": "\\ud83d\\ude00",\n\t"b": [1, 2.5, null]\n}', "f.json")
    assert root.plain() == {"a": "😀", "b": [1, 2.5, None]}
    assert root.at("b").where == "f.json:3"


def test_an_empty_file_is_an_empty_mapping() -> None:
    """Nothing, and comments alone, are no mistake of grammar."""
    assert tree("").value == {}
    assert tree("# nothing yet\n").value == {}


def test_a_key_written_twice_is_a_problem_with_both_lines() -> None:
    """The first one counts, and the second is said."""
    root, problems = parse_document("a: 1\nb: 2\na: 3\n", "f.yaml")
    assert root.plain() == {"a": 1, "b": 2}
    assert [str(problem) for problem in problems] == [
        "f.yaml:3: the key `a` is already set in line 1. [config_key_twice]"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system ['touch owned']\n",
        "a: !!python/name:os.system\n",
        "a: !custom {b: 1}\n",
        "a: !!binary aGk=\n",
        "a: !!set {x}\n",
        "a: !!int many\n",
        "a: !!bool maybe\n",
    ],
)
def test_no_tag_makes_an_object(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tag beyond plain values is refused with its line, and nothing of it runs."""
    monkeypatch.chdir(tmp_path)
    assert refusal(text).details["where"] == "f.yaml:1"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [1\nb: 2\n", "f.yaml:2"),
        ("a:\n\tb: 1\n", "f.yaml:2"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2"),
        ("{[a]: 1}", "f.yaml:1"),
        ("a: \x00", "f.yaml"),
        ("a: *nowhere\n", "f.yaml:1"),
        ("[" * 5000, "f.yaml"),
        ("a: " + "9" * 5000, "f.yaml:1"),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_broken_grammar_names_its_line(text: str, where: str) -> None:
    """What cannot be read is said with its place."""
    assert refusal(text).details["where"] == where


def test_broken_json_names_its_line() -> None:
    """A trailing comma is an error in JSON."""
    assert refusal('{\n"a": 1,\n}', "f.json").details["where"] == "f.json:3"


def test_aliases_are_followed_but_cannot_explode() -> None:
    """An anchor is shared; one that multiplies without end, or holds itself, is refused."""
    assert tree("a: &x {n: 1}\nb: *x\n").plain() == {"a": {"n": 1}, "b": {"n": 1}}
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "values" in str(refusal(f"l0: &l0 [x]\n{levels}"))
    refusal("a: &a [*a]\n")


def test_a_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    """Missing, not UTF-8, a folder, too large: each is said."""
    with pytest.raises(FreeholdError, match="config_not_found"):
        read_file(tmp_path / "missing.yaml")
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: \xe9\n")
    with pytest.raises(FreeholdError, match="byte 3: not UTF-8"):
        read_file(latin)
    with pytest.raises(FreeholdError, match="config_unreadable"):
        read_file(tmp_path)
    large = tmp_path / "large.yaml"
    large.touch()
    os.truncate(large, MAX_BYTES + 1)
    with pytest.raises(FreeholdError, match="config_unreadable"):
        read_file(large)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    """Files of Windows editors read like others."""
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert tree(read_file(path)).plain() == {"a": 1}


PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=20), PLAIN, max_size=5))
def test_any_json_reads_as_itself(value: dict[str, Any]) -> None:
    """What a JSON writer wrote comes back equal."""
    assert tree(json.dumps(value, indent=1), "f.json").plain() == value


@given(st.one_of(st.text(), st.lists(st.sampled_from(list("abc:-[]{}#&*!|>'\"\n ,?%@\t")), max_size=40).map("".join)))
def test_no_text_fails_otherwise(text: str) -> None:
    """Any text is a tree or a FreeholdError."""
    with contextlib.suppress(FreeholdError):
        parse_document(text, "f.yaml")


PIECES = (
    *(
        "- ",
        "a: ",
        "b",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        '"',
        "'",
        "#",
        " # c\n",
        "|",
        ">",
        "&a ",
    ),
    *(
        "*a",
        "!x ",
        "!!str ",
        "? ",
        "---\n",
        "...\n",
        "\t",
        "\u00e9",
        "\u6a21",
        "%",
        "@",
        "`",
        "\\",
        "http://x:1/v1",
        "1",
    ),
    *("-", "~", "\x85", "\ufeff", "\u2028", ":", "<<: ", "\r\n", "\r"),
)


def told(text: str) -> object:
    """Values with their places, or what is wrong."""
    try:
        root, problems = parse_document(text, "f.yaml")
    except FreeholdError as error:
        return str(error)
    return repr(root), [str(problem) for problem in problems]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=200, deadline=None)
def test_both_parsers_understand_the_same(text: str) -> None:
    """With libyaml or without it a file has the same values, the same places and the same errors."""
    with_libyaml = told(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_LibyamlReader", None)
        assert told(text) == with_libyaml


def test_a_value_knows_the_column_of_its_key() -> None:
    """In block and in flow style, counted from 1; an entry of a list its own."""
    tree, _ = parse_document("a:\n  - {b: 1, c: 2}\n  - d\n", "f.yaml")
    assert [tree.at("a", 0, "c").spot, tree.at("a", 1).spot, tree.at("a").spot] == [
        "f.yaml:2:12",
        "f.yaml:3:5",
        "f.yaml:1:1",
    ]
    assert Node("x", "--port").spot == "--port"
