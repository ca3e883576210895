"""How users write the sizes of inputs."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.input_shapes import TYPES, InputShape, parse, parse_all
from freehold.errors import FreeholdError


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1,32,1024", InputShape((1, 32, 1024))),
        (" 1, 32 ", InputShape((1, 32))),
        ("1x3x224x224", InputShape((1, 3, 224, 224))),
        ("[1,128]", InputShape((1, 128))),
        ("1,128:int64", InputShape((1, 128), "", "int64")),
        ("1,128:INT64", InputShape((1, 128), "", "int64")),
        ("1,128:long", InputShape((1, 128), "", "int64")),
        ("1,8:FP16", InputShape((1, 8), "", "float16")),
        ("1,8:BOOL", InputShape((1, 8), "", "bool")),
        ("ids=1,128:int64", InputShape((1, 128), "ids", "int64")),
        ("serving_default:0=1,4", InputShape((1, 4), "serving_default:0")),
        ("scale=", InputShape((), "scale")),
    ],
)
def test_shapes_are_read_as_users_write_them(text: str, shape: InputShape) -> None:
    """Commas or x, with a name before and a type behind, in any of three spellings."""
    assert parse(text) == shape


@pytest.mark.parametrize("text", ["", "1,-1", "0,3", "1,a", "1,,3", "=1,2", "1.5,2", "1,9999999999", "٣,1"])
def test_what_is_no_shape_is_refused_with_its_text(text: str) -> None:
    """A size is a whole number from 1."""
    with pytest.raises(FreeholdError, match="input_shape_invalid"):
        parse(text)


def test_an_unknown_type_lists_the_known_ones() -> None:
    """Among them the one that was meant."""
    with pytest.raises(FreeholdError, match="complex64") as raised:
        parse("1,2:complex64")
    assert "int64" in raised.value.fix


def test_no_input_is_given_twice() -> None:
    """Two shapes for one name contradict each other; two without a name do not."""
    assert len(parse_all(["1,2", "1,2"])) == 2
    with pytest.raises(FreeholdError, match="named twice"):
        parse_all(["x=1,2", "x=1,3"])


@settings(max_examples=60)
@given(st.text(alphabet="0123456789,x:=[] aint", max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing else comes out than sizes from 1 and a known type."""
    shape = None
    with contextlib.suppress(FreeholdError):
        shape = parse(text)
    assert shape is None or all(size >= 1 for size in shape.dims)
    assert shape is None or shape.datatype in {"", *TYPES.values()}
