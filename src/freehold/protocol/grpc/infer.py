"""One inference over gRPC: message <-> checked request and answer, with tensors copied as seldom as can be.

Source: kserve/open-inference-protocol `inference_grpc.md` at d49cc23. Tensors come raw or typed and leave raw.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol import oip_regions
from freehold.protocol.grpc.messages import Message, decode, message
from freehold.protocol.oip_regions import Regions, part_of
from freehold.protocol.oip_request import (
    InferRequest,
    Parameter,
    Schedule,
    all_outputs,
    check_complete,
    check_input,
    declared_input,
    schedule,
    wanted_outputs,
)
from freehold.protocol.oip_tensors import DATATYPES, Array, Datatype, element_count, from_binary, from_json, to_binary

LARGE = 1 << 14
"""From so many bytes on, finding raw tensors in a message by hand costs less than copying them out of it twice."""

MOST_FIELDS = 256
"""So many fields are looked at by hand: a request has about three for each of its tensors."""

CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The field of `InferTensorContents` for each datatype; FP16 and BF16 have none."""

_REQUEST = message("ModelInferRequest")
_ANSWER = message("ModelInferResponse")
_OUTPUT = _ANSWER.InferOutputTensor
_ASKS_FOR_FINAL, _FINAL = "triton_enable_empty_final_response", "triton_final_response"
"""By these Triton's clients ask for, and know, the last answer to a request of a stream; here each has one answer."""
_NOTHING = memoryview(b"")
_RAW_IN = 7 << 3 | 2  # raw_input_contents, length-delimited
_RAW_OUT = b"\x32"  # raw_output_contents = 6, length-delimited
_STREAMED = b"\x12"  # ModelStreamInferResponse.infer_response = 2, length-delimited


class RawTensor(NamedTuple):
    """Where a raw tensor lies: `size` bytes from `start` of `data`."""

    data: bytes
    start: int
    size: int


class Received(NamedTuple):
    """A ModelInferRequest that is decoded but not checked, and its raw tensors beside it."""

    message: Message
    raw: Sequence[RawTensor]


def receive(data: bytes) -> Received:
    """Decode a ModelInferRequest. Raises FreeholdError `message_malformed`."""
    found = _find_raw(data) if len(data) >= LARGE else None
    if found is not None:
        head, raw = found
        return Received(decode(_REQUEST, head), raw)
    received = decode(_REQUEST, data)
    return Received(received, [RawTensor(one, 0, len(one)) for one in received.raw_input_contents])


def read_infer(
    received: Received,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    regions: Regions,
    remaining_s: float | None = None,
) -> InferRequest:
    """Check a request for a model with these inputs and outputs, whose client waits `remaining_s` seconds yet.

    Inputs in shared memory are read from `regions`, and room for outputs there is looked for.

    Raises FreeholdError of kind INVALID for everything that is wrong with it, and what `regions` does.
    """
    asked = received.message
    parameters = read_parameters(asked.parameters)
    wanted = (
        wanted_outputs(outputs, [(one.name, read_parameters(one.parameters)) for one in asked.outputs], binary=True)
        if asked.outputs
        else all_outputs(outputs, binary=True)
    )
    arrays = _read_inputs(received, inputs, regions)
    for output in wanted:
        if output.part is not None:
            regions.reserve(*output.part)
    return InferRequest(
        arrays,
        wanted,
        tuple([one.name for one in asked.outputs]),
        asked.id or None,
        parameters,
        _sooner(schedule(parameters), remaining_s),
    )


def write_infer(
    request: InferRequest, arrays: Mapping[str, Array], model_name: str, model_version: str, regions: Regions
) -> bytes:
    """A ModelInferResponse with the outputs that `request` wants: raw, or in `regions` and with an empty raw tensor.

    Raises what `oip_regions.answer` does.
    """
    tensors: list[Message] = []
    raw: list[memoryview] = []
    for output in request.outputs:
        array = arrays[output.name]
        tensor = _OUTPUT(name=output.name, datatype=output.datatype, shape=array.shape)
        data = to_binary(DATATYPES[output.datatype], array)
        if output.part is not None:
            set_parameters(tensor.parameters, oip_regions.answer(regions, output.name, output.part, data))
            data = _NOTHING  # clients count raw tensors along with outputs
        tensors.append(tensor)
        raw.append(data)
    answer = _ANSWER(model_name=model_name, model_version=model_version, id=request.id or "", outputs=tensors)
    if request.parameters.get(_ASKS_FOR_FINAL):
        answer.parameters[_FINAL].bool_param = True
    return joined(answer, raw)


def joined(answer: Message, raw: Iterable[memoryview]) -> bytes:
    """A ModelInferResponse with these raw tensors behind what else it has."""
    parts: list[bytes | memoryview] = [answer.SerializeToString()]
    for data in raw:
        parts += (_RAW_OUT, _varint(data.nbytes), data)
    return b"".join(parts)


def streamed(answer: bytes) -> bytes:
    """A ModelInferResponse as the ModelStreamInferResponse that carries it."""
    return b"".join((_STREAMED, _varint(len(answer)), answer))


def read_parameters(parameters: Message) -> Mapping[str, Parameter]:
    """A map of InferParameter as plain values. Raises `parameter_invalid` for one without a value."""
    if not parameters:
        return {}
    return {name: _value(name, parameter) for name, parameter in parameters.items()}


def from_contents(name: str, datatype: Datatype, shape: Sequence[int], contents: Message) -> Array:
    """Typed contents as an array. Raises `half_in_contents`, `contents_wrong` and what `from_json` does."""
    field = CONTENTS.get(datatype.name)
    if field is None:
        raise FreeholdError("half_in_contents", name=name, datatype=datatype.name)
    for filled, _ in contents.ListFields():
        if filled.name != field:
            raise FreeholdError("contents_wrong", name=name, datatype=datatype.name, seen=filled.name, expected=field)
    values = list(getattr(contents, field))
    if datatype.item is not str:
        return from_json(name, datatype, shape, values)
    count = element_count(name, shape, datatype)
    if len(values) != count:
        raise FreeholdError("element_count_wrong", name=name, shape=list(shape), expected=count, seen=len(values))
    array = np.empty(count, object)
    array[:] = values
    return array.reshape(shape)


def set_parameters(parameters: Message, values: Mapping[str, Parameter]) -> None:
    """Put plain values into a map of InferParameter."""
    for name, value in values.items():
        match value:
            case str():
                parameters[name].string_param = value
            case bool():
                parameters[name].bool_param = value
            case int():
                parameters[name].int64_param = value
            case float():
                parameters[name].double_param = value


def _sooner(wanted: Schedule, remaining_s: float | None) -> Schedule:
    if remaining_s is None or (wanted.timeout_s is not None and wanted.timeout_s <= remaining_s):
        return wanted
    return wanted._replace(timeout_s=remaining_s)


def _value(name: str, parameter: Message) -> Parameter:
    choice = parameter.WhichOneof("parameter_choice")
    if choice is None:
        raise FreeholdError("parameter_invalid", parameter=name[:200], value="nothing", expected="a value")
    value: Parameter = getattr(parameter, choice)
    return value


def _read_inputs(received: Received, specs: Sequence[TensorSpec], regions: Regions) -> dict[str, Array]:
    """Raw tensors are those of the inputs that lie in no region, in their order."""
    declared = {spec.name: spec for spec in specs}
    arrays: dict[str, Array] = {}
    used = 0
    for one in received.message.inputs:
        name, shape = one.name, list(one.shape)
        datatype = check_input(declared_input(name, declared, arrays), one.datatype, shape)
        part = part_of(read_parameters(one.parameters)) if one.parameters else None
        if one.HasField("contents") and (part is not None or received.raw):
            raise FreeholdError("data_twice" if part is not None else "raw_and_contents", name=name)
        if part is not None:
            data = regions.read(*part)
            arrays[name] = from_binary(name, datatype, shape, data, 0, len(data))
        elif not received.raw:
            arrays[name] = from_contents(name, datatype, shape, one.contents)
        else:
            if used < len(received.raw):
                arrays[name] = from_binary(name, datatype, shape, *received.raw[used])
            used += 1
    if received.raw and used != len(received.raw):
        raise FreeholdError("raw_count_wrong", raw=len(received.raw), inputs=used)
    check_complete(declared, arrays)
    return arrays


def _find_raw(data: bytes) -> tuple[bytes, list[RawTensor]] | None:
    """A ModelInferRequest less its raw tensors, and where in `data` these lie; None where it has too many fields for
    a walk in Python. Raises `message_malformed`.

    Source: protobuf.dev/programming-guides/encoding. A field is a varint of its number and wire type, then its value.
    """
    kept: list[bytes] = []
    raw: list[RawTensor] = []
    place, end = 0, len(data)
    while place < end:
        if len(kept) + len(raw) == MOST_FIELDS:
            return None
        key, after = _read_varint(data, place)
        match key & 7:
            case 0:
                _, stop = _read_varint(data, after)
            case 1:
                stop = after + 8
            case 2:
                size, after = _read_varint(data, after)
                stop = after + size
            case 5:
                stop = after + 4
            case _:
                raise _malformed()
        if stop > end:
            raise _malformed()
        if key == _RAW_IN:
            raw.append(RawTensor(data, after, stop - after))
        else:
            kept.append(data[place:stop])
        place = stop
    return b"".join(kept), raw


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    """The number that begins at `place`, seven bits a byte and the lowest first, and where it ends."""
    value = 0
    for shift, byte in zip(range(0, 64, 7), data[place : place + 10], strict=False):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place + shift // 7 + 1
    raise _malformed()


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _malformed() -> FreeholdError:
    return FreeholdError("message_malformed", message=_REQUEST.DESCRIPTOR.full_name)
