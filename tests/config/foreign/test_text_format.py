"""Protobuf's text format, as config.pbtxt is written in."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config.foreign.text_format import DEEPEST, parse_text_format
from freehold.errors import FreeholdError


def read(text: str) -> object:
    return parse_text_format(text, "config.pbtxt").plain()


def refusal(text: str) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        parse_text_format(text, "config.pbtxt")
    assert caught.value.code == "repository_file_invalid"
    return caught.value


def test_a_model_configuration_is_read_field_by_field() -> None:
    """Messages with and without a colon, lists of both forms, enums, comments and separators."""
    text = """
    name: "densenet"  # a comment
    max_batch_size: 8,
    input [ { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] }, { name: 'y'; dims: 4 dims: 5 } ]
    output: < name: "z" >
    version_policy: { all { }}
    """
    assert read(text) == {
        "name": ["densenet"],
        "max_batch_size": [8],
        "input": [
            {"name": ["x"], "data_type": ["TYPE_FP32"], "dims": [3, -1]},
            {"name": ["y"], "dims": [4, 5]},
        ],
        "output": [{"name": ["z"]}],
        "version_policy": [{"all": [{}]}],
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-1", -1),
        ("- 7", -7),
        ("0x1F", 31),
        ("017", 15),
        ("0", 0),
        ("1.5", 1.5),
        (".5e1", 5.0),
        ("2f", 2.0),
        ("true", True),
        ("false", False),
        ("-inf", float("-inf")),
        ("TYPE_INT64", "TYPE_INT64"),
        ('"a" \'b\'\n"c"', "abc"),
        (r'"\n\x41\101\"\u00e9\U0001F642\\"', '\nAA"é🙂\\'),
        (r'"\344\275\240"', "你"),
        ("[]", None),
    ],
)
def test_values_are_what_protobuf_means(text: str, value: object) -> None:
    """Numbers in three bases, truths, enums, and strings that follow one another and have escapes."""
    found = read(f"a: {text}")
    assert found == {"a": [] if value is None else [value]}


def test_every_value_knows_its_line() -> None:
    """Lines count from 1, inside messages too."""
    tree = parse_text_format('name: "a"\n\ninput {\n  dims: 0\n}\n', "c.pbtxt")
    assert tree.at("input", 0, "dims", 0).where == "c.pbtxt:4"


@pytest.mark.parametrize(
    ("text", "where", "reason"),
    [
        ("a {", "config.pbtxt:1", "the end of the file"),
        ("a: 1\n}", "config.pbtxt:2", "`}`"),
        ("a: [1 2]", "config.pbtxt:1", "`2`"),
        ("a 1", "config.pbtxt:1", "`:` or `{`"),
        ("a:\n", "config.pbtxt:2", "a value"),
        ("a: 12abc", "config.pbtxt:1", "no part"),
        ('a: "never ends', "config.pbtxt:1", "no part"),
        (r'a: "\U00FFFFFF"', "config.pbtxt:1", "no character"),
        ("\x00", "config.pbtxt:1", "U+0000"),
        ("a {" * (DEEPEST + 2), "config.pbtxt:1", "too deeply"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, where: str, reason: str) -> None:
    """Every mistake has its place and what was met there."""
    error = refusal(text)
    assert error.details["where"] == where
    assert reason in str(error.details["reason"])


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab:{}[]<>,;\"'\\-.0x1e \n#"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but the one error is raised."""
    with contextlib.suppress(FreeholdError):
        parse_text_format(text, "f")


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,6}", fullmatch=True),
        st.lists(
            st.integers(-(2**63), 2**64) | st.text(st.characters(codec="utf-8"), max_size=8), min_size=1, max_size=3
        ),
        max_size=4,
    )
)
def test_what_is_written_is_read_again(fields: dict[str, list[int | str]]) -> None:
    """Fields that are written one by one come back with their values in order."""

    def written(value: int | str) -> str:
        if isinstance(value, int):
            return str(value)
        return '"' + "".join(f"\\{byte:03o}" for byte in value.encode()) + '"'

    text = "\n".join(f"{name}: {written(value)}" for name, values in fields.items() for value in values)
    assert read(text) == fields
