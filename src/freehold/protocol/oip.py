"""Open Inference Protocol v2 over REST, with the binary tensor data extension: bytes <-> requests and answers.

Source: kserve/open-inference-protocol `inference_rest.md` at d49cc23 and the extension's page in Triton's documents.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol import oip_regions, wire
from freehold.protocol.oip_regions import NoRegions, Regions, part_of
from freehold.protocol.oip_request import (
    InferRequest,
    OutputWanted,
    Parameter,
    all_outputs,
    check_complete,
    check_input,
    declared_input,
    flag,
    given,
    schedule,
    wanted_outputs,
)
from freehold.protocol.oip_tensors import DATATYPES, Array, check_finite, from_binary, from_json, to_binary, to_json

HEADER_LENGTH = b"inference-header-content-length"
JSON = b"application/json"
BINARY = b"application/octet-stream"

Data = TypeVar("Data")
Parameters = dict[str, Parameter | None] | None
"""As clients send them: those that write out what they leave empty (MLServer's types do) send null."""


class Encoded(NamedTuple):
    """An answer's body, its media type, and the value of `Inference-Header-Content-Length` when it is binary."""

    body: bytes
    content_type: bytes
    header_length: int | None


class InputBody(msgspec.Struct, Generic[Data]):
    """One input on the wire: `data`, flat or nested and row-major, or a `binary_data_size` among the parameters."""

    name: str
    shape: list[int]
    datatype: str
    data: Data | UnsetType = UNSET
    parameters: Parameters = None


class OutputBody(msgspec.Struct):
    """One output that a request asks for; `binary_data` among the parameters chooses its form."""

    name: str
    parameters: Parameters = None


class InferBody(msgspec.Struct, Generic[Data]):
    """The JSON of an infer request; without `outputs` all are returned."""

    inputs: list[InputBody[Data]]
    outputs: list[OutputBody] | None = None
    id: str | None = None
    parameters: Parameters = None


class AnswerTensor(msgspec.Struct):
    """One output of an answer: `data`, flat and row-major, or among the parameters a `binary_data_size`, or where in
    shared memory it was written."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: dict[str, str | int] | UnsetType = UNSET
    data: list[Any] | UnsetType = UNSET


class AnswerBody(msgspec.Struct):
    """The JSON of an infer answer."""

    model_name: str
    model_version: str | UnsetType
    id: str | UnsetType
    outputs: list[AnswerTensor]


_FLOATS = frozenset({"FP32", "FP64"})
_NO_REGIONS = NoRegions()
_NEAR = 1024  # nested data mostly shows within so many bytes; if not, the fast try fails at its first bracket
_RAW = msgspec.json.Decoder(InferBody[msgspec.Raw])
_FLAT_FLOATS = msgspec.json.Decoder(InferBody[list[float]])


def parse_header_length(value: bytes | None) -> int | None:
    """`Inference-Header-Content-Length` as a number; None when the header is absent. Raises `header_length_invalid`."""
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise FreeholdError("header_length_invalid", value=value.decode("latin-1"), size="the body's length")
    return int(value)


def parse_infer(
    body: bytes,
    header_length: int | None,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    regions: Regions = _NO_REGIONS,
) -> InferRequest:
    """Read the body of `infer` for a model with these inputs and outputs.

    `header_length` says how many bytes of the body are JSON; None means all of it, 0 that the body is one raw tensor.
    Inputs in shared memory are read from `regions`, and room for outputs there is looked for. Raises FreeholdError of
    kind INVALID for everything that is wrong with the body, and what `regions` does.
    """
    if header_length == 0:
        return _parse_raw(body, inputs, outputs)
    end = len(body) if header_length is None else header_length
    if end > len(body):
        raise FreeholdError("header_length_invalid", value=end, size=len(body))
    message = _decode(body if end == len(body) else body[:end], inputs)
    arrays = _read_inputs(message.inputs, inputs, body, None if header_length is None else end, regions)
    wanted = _read_outputs(message, outputs)
    for output in wanted:
        if output.part is not None:
            regions.reserve(*output.part)
    requested = tuple(output.name for output in wanted) if message.outputs else ()
    parameters = given(message.parameters)
    return InferRequest(arrays, wanted, requested, message.id, parameters, schedule(parameters))


def _decode(text: bytes, specs: Sequence[TensorSpec]) -> InferBody[Any]:
    """Large flat lists of floats, the common case, are decoded in one pass; everything else finds its type later."""
    if _FLOATS.issuperset([spec.datatype for spec in specs]):
        try:
            if text.find(b"[[", 0, _NEAR) < 0 and not wire.may_nest(text):
                return _FLAT_FLOATS.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # nested, or wrong in a way that the decoding below names
    return wire.decode(_RAW, text)


def _read_inputs(
    messages: list[InputBody[Any]], specs: Sequence[TensorSpec], body: bytes, place: int | None, regions: Regions
) -> dict[str, Array]:
    """`place` is where the binary section begins, None when the request has none."""
    declared = {spec.name: spec for spec in specs}
    arrays: dict[str, Array] = {}
    for message in messages:
        name, parameters = message.name, given(message.parameters)
        datatype = check_input(declared_input(name, declared, arrays), message.datatype, message.shape)
        if "binary_data_size" in parameters:
            size = _binary_size(message, parameters, body, place)
            place = (place or 0) + size
            arrays[name] = from_binary(name, datatype, message.shape, body, place - size, size)
        elif parameters and (part := part_of(parameters)) is not None:
            if message.data is not UNSET:
                raise FreeholdError("data_twice", name=name)
            data = regions.read(*part)
            arrays[name] = from_binary(name, datatype, message.shape, data, 0, len(data))
        elif message.data is not UNSET:
            arrays[name] = from_json(name, datatype, message.shape, message.data)
        else:
            raise FreeholdError("data_missing", name=name)
    if place is not None and place != len(body):
        raise FreeholdError("binary_extra", count=len(body) - place)
    check_complete(declared, arrays)
    return arrays


def _binary_size(message: InputBody[Any], parameters: Mapping[str, Parameter], body: bytes, place: int | None) -> int:
    """How many bytes from `place` on are this input's, when the body has them."""
    size = parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise FreeholdError(
            "parameter_invalid", parameter="binary_data_size", value=wire.brief(size), expected="a byte count"
        )
    if message.data is not UNSET or part_of(parameters) is not None:
        raise FreeholdError("data_twice", name=message.name)
    if place is None:
        raise FreeholdError("header_length_missing", name=message.name)
    if place + size > len(body):
        raise FreeholdError("binary_short", name=message.name, expected=size, seen=len(body) - place)
    return size


def _read_outputs(message: InferBody[Any], specs: Sequence[TensorSpec]) -> tuple[OutputWanted, ...]:
    binary = flag(given(message.parameters), "binary_data_output", False)
    if not message.outputs:
        return all_outputs(specs, binary=binary)
    return wanted_outputs(specs, [(output.name, given(output.parameters)) for output in message.outputs], binary=binary)


def _parse_raw(body: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> InferRequest:
    """The body is the tensor of the only input. Of several free dimensions the first is a batch of one."""
    if len(inputs) != 1:
        raise FreeholdError("raw_needs_one_input", inputs=[spec.name for spec in inputs])
    spec = inputs[0]
    wanted = all_outputs(outputs, binary=True)
    datatype, shape = DATATYPES[spec.datatype], list(spec.shape)
    if shape.count(-1) > 1 and shape[0] == -1:
        shape[0] = 1
    if datatype.item is str:
        shape = [1 if size == -1 else size for size in shape]
        if set(shape) - {1}:
            raise FreeholdError("raw_shape_open", name=spec.name, shape=list(spec.shape))
        body = len(body).to_bytes(4, "little") + body  # the whole body is the one element
    elif shape.count(-1) > 1:
        raise FreeholdError("raw_shape_open", name=spec.name, shape=list(spec.shape))
    elif -1 in shape:
        free = shape.index(-1)
        shape[free] = 1
        row = datatype.dtype.itemsize
        for size in shape:
            row *= size
        shape[free] = -(-len(body) // row) if row else 0  # rounded up: a row that was cut short is missed
    return InferRequest({spec.name: from_binary(spec.name, datatype, shape, body, 0, len(body))}, wanted)


def encode_infer(
    request: InferRequest,
    arrays: Mapping[str, Array],
    model_name: str,
    model_version: str | None,
    regions: Regions = _NO_REGIONS,
) -> Encoded:
    """Write the answer, each output as JSON, as binary or into `regions`, as the request wants it.

    Raises `output_not_finite` (NaN and infinity have no JSON), `output_not_text` (BYTES that are not UTF-8), and what
    `oip_regions.answer` does.
    """
    tensors: list[AnswerTensor] = []
    tail: list[memoryview] = []
    for name, datatype_name, binary, _, part in request.outputs:
        datatype, array = DATATYPES[datatype_name], arrays[name]
        tensor = AnswerTensor(name, datatype_name, array.shape)
        tensors.append(tensor)
        if part is not None:
            tensor.parameters = oip_regions.answer(regions, name, part, to_binary(datatype, array))
        elif binary:
            data = to_binary(datatype, array)
            tail.append(data)
            tensor.parameters = {"binary_data_size": data.nbytes}
        else:
            tensor.data = to_json(name, datatype, array)
    version: str | UnsetType = UNSET if model_version is None else model_version
    identity: str | UnsetType = UNSET if request.id is None else request.id
    body = wire.encode(AnswerBody(model_name, version, identity, tensors))
    if b"null" in body:  # how the encoder writes NaN; the word may also stand in a name
        for name, _, binary, _, _ in request.outputs:
            if not binary:
                check_finite(name, arrays[name])
    if not tail:
        return Encoded(body, JSON, None)
    return Encoded(b"".join((body, *tail)), BINARY, len(body))


def header_length(encoded: Encoded) -> tuple[tuple[bytes, bytes], ...]:
    """The header that a binary answer needs, none for a JSON one."""
    return () if encoded.header_length is None else ((HEADER_LENGTH, b"%d" % encoded.header_length),)
