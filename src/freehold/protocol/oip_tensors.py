"""One tensor of the Open Inference Protocol: JSON data or little-endian bytes <-> numpy array.

BYTES tensors are object arrays of `bytes`. BF16, which numpy lacks, travels as the uint16 of its bit patterns.
"""

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from freehold.errors import FreeholdError
from freehold.protocol.wire import brief, reason

Array = np.ndarray[Any, Any]

MAX_BYTES = 2**63 - 1

_NESTED = re.compile(rb"\[\s*\[")
_LENGTH = struct.Struct("<I").unpack_from


@dataclass(frozen=True, slots=True)
class Datatype:
    """A protocol type: its numpy dtype, its `struct` letter ("" where JSON has none), and what a JSON item is."""

    name: str
    dtype: np.dtype[Any]
    letter: str
    item: type
    flat: msgspec.json.Decoder[list[Any]]


def _datatype(name: str, dtype: str, letter: str, item: type) -> Datatype:
    items: Any = list[item]  # type: ignore[valid-type] # a type made at run time: one row, one decoder
    return Datatype(name, np.dtype(dtype), letter, item, msgspec.json.Decoder(items))


DATATYPES: dict[str, Datatype] = {
    row[0]: _datatype(*row)
    for row in (
        ("BOOL", "?", "?", bool),
        ("UINT8", "<u1", "B", int),
        ("UINT16", "<u2", "H", int),
        ("UINT32", "<u4", "I", int),
        ("UINT64", "<u8", "Q", int),
        ("INT8", "<i1", "b", int),
        ("INT16", "<i2", "h", int),
        ("INT32", "<i4", "i", int),
        ("INT64", "<i8", "q", int),
        ("FP16", "<f2", "", float),
        ("BF16", "<u2", "", float),
        ("FP32", "<f4", "f", float),
        ("FP64", "<f8", "d", float),
        ("BYTES", "O", "", str),
    )
}


def element_count(name: str, shape: Sequence[int], datatype: Datatype) -> int:
    """How many elements `shape` has. Raises `shape_invalid` for a negative dimension or a size beyond 2^63 bytes."""
    if shape and min(shape) < 0:
        raise FreeholdError("shape_invalid", name=name, shape=list(shape), reason="a dimension is negative")
    count = math.prod(shape)
    most = count or math.prod(size or 1 for size in shape)
    if most * datatype.dtype.itemsize > MAX_BYTES:
        raise FreeholdError("shape_invalid", name=name, shape=list(shape), reason="it has over 2^63 bytes")
    return count


def from_json(name: str, datatype: Datatype, shape: Sequence[int], data: msgspec.Raw | list[float]) -> Array:
    """Flat or nested JSON data, row-major; `data` may be decoded already when it was a flat list of numbers.

    Raises `half_in_json`, `json_malformed` (a string that is not UTF-8), `value_invalid`, `value_out_of_range`,
    `shape_invalid`, `nested_shape_wrong` and `element_count_wrong`.
    """
    if not datatype.letter and datatype.item is not str:
        raise FreeholdError("half_in_json", name=name, datatype=datatype.name)
    count = element_count(name, shape, datatype)
    values: list[Any] = data if isinstance(data, list) else _flat(name, datatype, shape, data)
    if len(values) != count:
        raise FreeholdError("element_count_wrong", name=name, shape=list(shape), expected=count, seen=len(values))
    if datatype.item is str:
        return _object_array([text.encode() for text in values], shape)
    if count == 0:
        return np.empty(shape, datatype.dtype)
    try:
        packed = struct.pack(f"<{count}{datatype.letter}", *values)
    except (struct.error, OverflowError) as error:
        raise _out_of_range(name, datatype, values) from error
    return np.frombuffer(packed, datatype.dtype).reshape(shape)


def _flat(name: str, datatype: Datatype, shape: Sequence[int], data: msgspec.Raw) -> list[Any]:
    """Decode by exact type: flat data as a list, nested data as a list a dimension, a lone value without dimensions."""
    nested = _NESTED.match(data) is not None
    try:
        if not nested and (shape or bytes(memoryview(data)[:1]) == b"["):
            return datatype.flat.decode(data)
        kind: Any = datatype.item
        for _ in shape:
            kind = list[kind]
        values = msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise FreeholdError("value_invalid", name=name, datatype=datatype.name, reason=reason(error)) from error
    except UnicodeDecodeError as error:  # what decoded the message around the data did not look into it
        raise FreeholdError("json_malformed", reason=f"a string of input {name!r} is not UTF-8") from error
    return _unnest(name, shape, values) if shape else [values]


def _unnest(name: str, shape: Sequence[int], nested: list[Any]) -> list[Any]:
    level: list[Any] = nested
    if len(level) != shape[0]:
        raise FreeholdError("nested_shape_wrong", name=name, shape=list(shape), level=1)
    for depth, size in enumerate(shape[1:], start=2):
        if set(map(len, level)) - {size}:
            raise FreeholdError("nested_shape_wrong", name=name, shape=list(shape), level=depth)
        level = list(chain.from_iterable(level))
    return level


def _out_of_range(name: str, datatype: Datatype, values: list[Any]) -> FreeholdError:
    dtype = datatype.dtype
    number: type[float] | type[int] = float if dtype.kind == "f" else int
    limits = np.finfo(dtype) if number is float else np.iinfo(dtype)
    low, high = number(limits.min), number(limits.max)
    index = next(index for index, value in enumerate(values) if not low <= value <= high)
    return FreeholdError(
        "value_out_of_range",
        name=name,
        datatype=datatype.name,
        index=index,
        value=brief(values[index]),
        low=f"{low:.9g}" if number is float else low,
        high=f"{high:.9g}" if number is float else high,
    )


def from_binary(name: str, datatype: Datatype, shape: Sequence[int], body: bytes, start: int, size: int) -> Array:
    """The tensor in `body[start:start + size]`; a view of the body where its address is aligned.

    Raises `shape_invalid`, `binary_size_wrong`, `value_invalid` (a BOOL byte over 1) and `bytes_malformed`.
    """
    count = element_count(name, shape, datatype)
    if datatype.item is str:
        return _object_array(_split_bytes(name, shape, count, body, start, size), shape)
    expected = count * datatype.dtype.itemsize
    if size != expected:
        raise FreeholdError(
            "binary_size_wrong",
            name=name,
            shape=list(shape),
            datatype=datatype.name,
            expected=expected,
            seen=size,
        )
    if count == 0:
        return np.empty(shape, datatype.dtype)
    array: Array = np.frombuffer(body, datatype.dtype, count, start).reshape(shape)
    if datatype.item is bool and array.view(np.uint8).max() > 1:
        raise FreeholdError("value_invalid", name=name, datatype="BOOL", reason="a byte is neither 0 nor 1")
    return array if array.flags.aligned else array.copy()


def _split_bytes(name: str, shape: Sequence[int], count: int, body: bytes, start: int, size: int) -> list[bytes]:
    """The elements in `body[start:start + size]`. 64 MB may hold 16 million, so each must cost little."""
    items: list[bytes] = []
    place, end = start, start + size
    last = end - 4
    for _ in range(count):
        if place > last:
            break
        begin = place + 4
        (length,) = _LENGTH(body, place)
        place = begin + length
        items.append(body[begin:place])
    if place > end or last < place < end:
        index = len(items) - (place > end)
        raise FreeholdError("bytes_malformed", name=name, index=index, size=size)
    if place < end or len(items) < count:
        seen = f"more than {count}" if place < end else len(items)
        raise FreeholdError("element_count_wrong", name=name, shape=list(shape), expected=count, seen=seen)
    return items


def _object_array(items: list[bytes], shape: Sequence[int]) -> Array:
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)


def to_json(name: str, datatype: Datatype, array: Array) -> list[Any]:
    """Row-major values for JSON. Raises `output_not_text` for a BYTES element that is not UTF-8."""
    if datatype.item is not str:
        values: list[Any] = array.ravel().tolist()
        return values
    try:
        return [item.decode() if isinstance(item, bytes) else str(item) for item in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise FreeholdError("output_not_text", name=name) from error


def check_finite(name: str, array: Array) -> None:
    """Raises `output_not_finite` with the place of the first NaN or infinity: JSON has no word for either."""
    if array.dtype.kind != "f":
        return
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        index = [int(place) for place in wrong[0]]
        raise FreeholdError(
            "output_not_finite", name=name, count=len(wrong), index=index, value=str(array[tuple(index)])
        )


def to_binary(datatype: Datatype, array: Array) -> memoryview:
    """Little-endian, row-major bytes; a view of the array where it is laid out so already."""
    if datatype.item is not str:
        return np.ascontiguousarray(array, datatype.dtype).data
    parts: list[bytes] = []
    for item in array.ravel().tolist():
        data = item if isinstance(item, bytes) else str(item).encode()
        parts += (len(data).to_bytes(4, "little"), data)
    return memoryview(b"".join(parts))
