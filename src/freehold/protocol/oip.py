"""Open Inference Protocol v2 over REST, with the binary tensor data extension: bytes <-> requests and answers.

Source: kserve/open-inference-protocol `inference_rest.md` at d49cc23 and the extension's page in Triton's documents.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.oip_tensors import (
    DATATYPES,
    Array,
    Datatype,
    check_finite,
    from_binary,
    from_json,
    to_binary,
    to_json,
)

EXTENSIONS = ("binary_tensor_data",)
HEADER_LENGTH = b"inference-header-content-length"
JSON = b"application/json"
BINARY = b"application/octet-stream"

Parameter = str | int | float | bool
Data = TypeVar("Data")


class OutputWanted(NamedTuple):
    """One output that the answer carries."""

    name: str
    datatype: str
    binary: bool


class InferRequest(msgspec.Struct, frozen=True):
    """A checked request: every input of the model, with its dtype and a shape that fits, and the outputs in order."""

    inputs: dict[str, Array]
    outputs: tuple[OutputWanted, ...]
    requested: tuple[str, ...] = ()  # the names that the client asked for; () when it did not say, which means all
    id: str | None = None
    parameters: Mapping[str, Parameter] = {}


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
    parameters: dict[str, Parameter] = {}


class OutputBody(msgspec.Struct):
    """One output that a request asks for; `binary_data` among the parameters chooses its form."""

    name: str
    parameters: dict[str, Parameter] = {}


class InferBody(msgspec.Struct, Generic[Data]):
    """The JSON of an infer request; without `outputs` all are returned."""

    inputs: list[InputBody[Data]]
    outputs: list[OutputBody] | None = None
    id: str | None = None
    parameters: dict[str, Parameter] = {}


class AnswerTensor(msgspec.Struct):
    """One output of an answer: `data`, flat and row-major, or a `binary_data_size` among the parameters."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    parameters: dict[str, int] | UnsetType = UNSET
    data: list[Any] | UnsetType = UNSET


class AnswerBody(msgspec.Struct):
    """The JSON of an infer answer."""

    model_name: str
    model_version: str | UnsetType
    id: str | UnsetType
    outputs: list[AnswerTensor]


_FLOATS = frozenset({"FP32", "FP64"})
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
    body: bytes, header_length: int | None, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> InferRequest:
    """Read the body of `infer` for a model with these inputs and outputs.

    `header_length` says how many bytes of the body are JSON; None means all of it, 0 that the body is one raw tensor.
    Raises FreeholdError of kind INVALID for everything that is wrong with the body, and UNSUPPORTED for shared memory
    and classification.
    """
    if header_length == 0:
        return _parse_raw(body, inputs, outputs)
    end = len(body) if header_length is None else header_length
    if end > len(body):
        raise FreeholdError("header_length_invalid", value=end, size=len(body))
    message = _decode(body if end == len(body) else body[:end], inputs)
    arrays = _read_inputs(message.inputs, inputs, body, None if header_length is None else end)
    wanted = _read_outputs(message, outputs)
    requested = tuple(output.name for output in wanted) if message.outputs else ()
    return InferRequest(arrays, wanted, requested, message.id, message.parameters)


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
    messages: list[InputBody[Any]], specs: Sequence[TensorSpec], body: bytes, place: int | None
) -> dict[str, Array]:
    """`place` is where the binary section begins, None when the request has none."""
    declared = {spec.name: spec for spec in specs}
    arrays: dict[str, Array] = {}
    for message in messages:
        name, parameters = message.name, message.parameters
        spec = declared.get(name)
        if spec is None:
            raise FreeholdError("input_unknown", name=wire.brief(name), inputs=list(declared))
        if name in arrays:
            raise FreeholdError("input_duplicate", name=name)
        datatype = _check(message, spec)
        if "binary_data_size" in parameters:
            size = _binary_size(message, body, place)
            place = (place or 0) + size
            arrays[name] = from_binary(name, datatype, message.shape, body, place - size, size)
        elif message.data is not UNSET:
            arrays[name] = from_json(name, datatype, message.shape, message.data)
        elif "shared_memory_region" in parameters:
            raise FreeholdError("parameter_unsupported", parameter="shared_memory_region")
        else:
            raise FreeholdError("data_missing", name=name)
    if place is not None and place != len(body):
        raise FreeholdError("binary_extra", count=len(body) - place)
    if len(arrays) != len(declared):
        raise FreeholdError("input_missing", names=[name for name in declared if name not in arrays])
    return arrays


def _binary_size(message: InputBody[Any], body: bytes, place: int | None) -> int:
    """How many bytes from `place` on are this input's, when the body has them."""
    size = message.parameters["binary_data_size"]
    if type(size) is not int or size < 0:
        raise FreeholdError(
            "parameter_invalid", parameter="binary_data_size", value=wire.brief(size), expected="a byte count"
        )
    if message.data is not UNSET:
        raise FreeholdError("data_twice", name=message.name)
    if place is None:
        raise FreeholdError("header_length_missing", name=message.name)
    if place + size > len(body):
        raise FreeholdError("binary_short", name=message.name, expected=size, seen=len(body) - place)
    return size


def _check(message: InputBody[Any], spec: TensorSpec) -> Datatype:
    """The datatype, when it and the shape are those of the model."""
    if message.datatype != spec.datatype:
        raise FreeholdError("datatype_wrong", name=spec.name, seen=wire.brief(message.datatype), expected=spec.datatype)
    shape, dimensions = message.shape, spec.shape
    if len(shape) == len(dimensions):
        for seen, expected in zip(shape, dimensions, strict=True):
            if seen != expected and expected >= 0:
                break
        else:
            return DATATYPES[spec.datatype]
    raise FreeholdError("shape_wrong", name=spec.name, seen=wire.brief(shape), expected=list(dimensions))


def _read_outputs(message: InferBody[Any], specs: Sequence[TensorSpec]) -> tuple[OutputWanted, ...]:
    default = _flag(message.parameters, "binary_data_output", False)
    if not message.outputs:
        return tuple([_wanted(spec, default) for spec in specs])
    declared = {spec.name: spec for spec in specs}
    wanted: dict[str, OutputWanted] = {}
    for output in message.outputs:
        spec = declared.get(output.name)
        if spec is None:
            raise FreeholdError("output_unknown", name=wire.brief(output.name), outputs=list(declared))
        if output.name in wanted:
            raise FreeholdError("output_duplicate", name=output.name)
        for parameter in ("classification", "shared_memory_region"):
            if parameter in output.parameters:
                raise FreeholdError("parameter_unsupported", parameter=parameter)
        wanted[output.name] = _wanted(spec, _flag(output.parameters, "binary_data", default))
    return tuple(wanted.values())


def _flag(parameters: Mapping[str, Parameter], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise FreeholdError("parameter_invalid", parameter=name, value=wire.brief(value), expected="true or false")
    return value


def _wanted(spec: TensorSpec, binary: bool) -> OutputWanted:
    if not binary and spec.datatype in ("FP16", "BF16"):
        raise FreeholdError("half_out_json", name=spec.name, datatype=spec.datatype)
    return OutputWanted(spec.name, spec.datatype, binary)


def _parse_raw(body: bytes, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> InferRequest:
    """The body is the tensor of the only input. Of several free dimensions the first is a batch of one."""
    if len(inputs) != 1:
        raise FreeholdError("raw_needs_one_input", inputs=[spec.name for spec in inputs])
    spec = inputs[0]
    wanted = tuple(OutputWanted(output.name, output.datatype, True) for output in outputs)
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
        shape[free] = len(body) // row if row else 0
    return InferRequest({spec.name: from_binary(spec.name, datatype, shape, body, 0, len(body))}, wanted)


def encode_infer(
    request: InferRequest, arrays: Mapping[str, Array], model_name: str, model_version: str | None
) -> Encoded:
    """Write the answer, each output as JSON or binary as the request wants it.

    Raises `output_not_finite` (NaN and infinity have no JSON) and `output_not_text` (BYTES that are not UTF-8).
    """
    tensors: list[AnswerTensor] = []
    tail: list[memoryview] = []
    for name, datatype_name, binary in request.outputs:
        datatype, array = DATATYPES[datatype_name], arrays[name]
        tensor = AnswerTensor(name, datatype_name, array.shape)
        tensors.append(tensor)
        if binary:
            data = to_binary(datatype, array)
            tail.append(data)
            tensor.parameters = {"binary_data_size": data.nbytes}
        else:
            tensor.data = to_json(name, datatype, array)
    version: str | UnsetType = UNSET if model_version is None else model_version
    identity: str | UnsetType = UNSET if request.id is None else request.id
    body = wire.encode(AnswerBody(model_name, version, identity, tensors))
    if b"null" in body:  # how the encoder writes NaN; the word may also stand in a name
        for name, _, binary in request.outputs:
            if not binary:
                check_finite(name, arrays[name])
    if not tail:
        return Encoded(body, JSON, None)
    return Encoded(b"".join((body, *tail)), BINARY, len(body))


class TensorMetadata(msgspec.Struct):
    """One input or output of a model; -1 is a free dimension."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class ModelMetadata(msgspec.Struct):
    """What `GET /v2/models/{model}` answers. `properties` carries our kind, digest and proof, and of a
    classifier `labels`, a JSON list in the order of its logits."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    properties: dict[str, str]


class ServerMetadata(msgspec.Struct):
    """What `GET /v2` answers; `extensions` are those that really work."""

    name: str
    version: str
    extensions: tuple[str, ...] = EXTENSIONS


class ModelReady(msgspec.Struct):
    """What `GET /v2/models/{model}/ready` answers."""

    name: str
    ready: bool


class ErrorBody(msgspec.Struct):
    """The one shape of every error under `/v2`."""

    error: str


def tensor_metadata(specs: Sequence[TensorSpec]) -> tuple[TensorMetadata, ...]:
    """Specs as metadata lists them."""
    return tuple(TensorMetadata(spec.name, spec.datatype, spec.shape) for spec in specs)


def encode_metadata(metadata: ServerMetadata | ModelMetadata | ModelReady) -> bytes:
    """Write one of the answers that carry no tensor."""
    return wire.encode(metadata)


def header_length(encoded: Encoded) -> tuple[tuple[bytes, bytes], ...]:
    """The header that a binary answer needs, none for a JSON one."""
    return () if encoded.header_length is None else ((HEADER_LENGTH, b"%d" % encoded.header_length),)
