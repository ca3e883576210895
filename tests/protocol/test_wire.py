"""JSON that is wrong in every way a client manages, and how it is told."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.protocol import wire


class Body(msgspec.Struct):
    """A request for these tests."""

    name: str
    values: list[float] = []


DECODER = msgspec.json.Decoder(Body)


def refusal(body: bytes) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        wire.decode(DECODER, body)
    return caught.value


def nested(depth: int) -> bytes:
    return b'{"name": "a", "more": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_an_empty_body_is_named() -> None:
    """No bytes, or only spaces, are called what they are."""
    assert refusal(b"").cause == "The body is not valid JSON: the body is empty."
    assert refusal(b" \n").code == "json_malformed"


def test_malformed_json_says_where() -> None:
    """The place of the first wrong byte is in the text."""
    error = refusal(b'{"name": x}')
    assert error.code == "json_malformed"
    assert "byte 9" in error.cause


def test_a_wrong_type_names_its_field() -> None:
    """A well-formed body of another shape says which field and what was expected."""
    error = refusal(b'{"name": 7}')
    assert error.code == "request_invalid"
    assert "Expected `str`, got `int` - at `$.name`" in error.cause


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_bare_not_finite_numbers_are_named(value: str) -> None:
    """What tritonclient writes for NaN is told from other malformed JSON, with the way out."""
    error = refusal(b'{"name": "a", "values": [1, %s]}' % value.encode())
    assert error.code == "json_not_finite"
    assert value.removeprefix("-") in error.cause
    assert "binary" in error.fix


def test_the_word_nan_inside_a_string_is_no_number() -> None:
    """A malformed body that merely mentions NaN in a text is malformed."""
    assert refusal(b'{"name": "a, NaN", x}').code == "json_malformed"


def test_strings_that_are_not_utf8_are_refused() -> None:
    """Bytes that are no text, and escapes that are no character, end in a clean error."""
    assert refusal(b'{"name": "\xff"}').code == "json_malformed"
    assert refusal(rb'{"name": "\ud800"}').code == "json_malformed"


def test_a_hundred_levels_pass_and_one_more_does_not() -> None:
    """The limit of nesting is exact, also in fields that nobody reads."""
    assert wire.decode(DECODER, nested(100)).name == "a"
    assert refusal(nested(101)).code == "json_too_deep"
    assert refusal(nested(100_000)).code == "json_too_deep"


def test_many_shallow_brackets_and_brackets_in_strings_are_not_deep() -> None:
    """Only depth counts: not the number of brackets, nor those inside strings."""
    wide = json.dumps({"name": "[{" * 500 + '"\\', "more": [[1]] * 500}).encode()
    assert wire.nesting(wide) == 3
    assert wire.decode(DECODER, wide).name.startswith("[{")


def test_depth_is_counted_over_blocks() -> None:
    """A text of more brackets than one block holds is counted right through."""
    body = b"[" + b"[]," * 700_000 + b"[[[]]]]"
    assert wire.nesting(body) == 4


def test_an_error_does_not_repeat_all_that_was_sent() -> None:
    """What an error echoes is cut, whatever its type."""
    assert wire.brief([1, 2]) == "[1, 2]"
    assert len(wire.brief("a" * 1_000_000)) < 250


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=50
    )
)
def test_nesting_is_the_depth_of_the_value(value: object) -> None:
    """For any JSON value the depth by brackets is the depth of its Python value."""

    def depth(item: object) -> int:
        if isinstance(item, dict):
            return 1 + max(map(depth, item.values()), default=0)
        return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0

    assert wire.nesting(json.dumps(value).encode()) == depth(value)


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_end_in_a_value_or_a_freehold_error(body: bytes) -> None:
    """Nothing that a client can send raises anything else."""
    with suppress(FreeholdError):
        assert isinstance(wire.decode(DECODER, body), Body)
