"""`--input-shape [NAME=]1,32,1024[:TYPE]`: how large the inputs of a model are, as a user writes it."""

from typing import NamedTuple

from freehold.artifact.golden import DATATYPES
from freehold.errors import FreeholdError

LONGEST = 1 << 31  # of one dimension
USUAL = {"float": "float32", "half": "float16", "double": "float64", "int": "int32", "long": "int64"}
TYPES = {str(dtype): str(dtype) for dtype in DATATYPES} | {
    name.lower(): str(dtype) for dtype, name in DATATYPES.items() if name != "BOOL"
}


class InputShape(NamedTuple):
    """One input: its sizes, the batch first; `name` and `datatype` ("int64") are "" where nothing was said."""

    dims: tuple[int, ...]
    name: str = ""
    datatype: str = ""


def parse(text: str) -> InputShape:
    """Read one shape. Sizes may also be parted by `x`, and a scalar has none.

    Types are NumPy's (int64), PyTorch's short ones (long) or those of the Open Inference Protocol (INT64).
    Raises FreeholdError `input_shape_invalid`, `input_type_unknown`.
    """
    name, named, rest = text.rpartition("=")
    sizes, typed, datatype = rest.partition(":")
    if named and not name.strip():
        raise FreeholdError("input_shape_invalid", text=text, reason="there is no name before the =")
    words = sizes.replace("x", ",").strip("[]() ").split(",")
    dims = []
    for word in words if words != [""] else []:
        if not word.strip().isascii() or not word.strip().isdigit() or not 1 <= int(word) < LONGEST:
            raise FreeholdError("input_shape_invalid", text=text, reason=f"{word.strip()!r} is no size of 1 or more")
        dims.append(int(word))
    if not dims and not named:
        raise FreeholdError("input_shape_invalid", text=text, reason="it has no sizes")
    return InputShape(tuple(dims), name.strip(), _type(datatype.strip(), text) if typed else "")


def parse_all(texts: list[str]) -> tuple[InputShape, ...]:
    """Every shape; no name twice. Raises FreeholdError as `parse`."""
    shapes = tuple(parse(text) for text in texts)
    names = [shape.name for shape in shapes if shape.name]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FreeholdError("input_shape_invalid", text=twice, reason="it is named twice")
    return shapes


def _type(word: str, text: str) -> str:
    lower = word.lower()
    known = TYPES.get(USUAL.get(lower, lower))
    if known is None:
        raise FreeholdError("input_type_unknown", datatype=word or text, known=", ".join(map(str, DATATYPES)))
    return known
