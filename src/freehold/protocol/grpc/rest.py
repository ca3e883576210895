"""One inference of gRPC as REST carries it, and REST's answer as gRPC's: for models that are asked through REST."""

import msgspec
from msgspec import UNSET, UnsetType

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.grpc.infer import Received, from_contents, joined, read_parameters, set_parameters
from freehold.protocol.grpc.messages import Message, message
from freehold.protocol.oip_request import Parameter
from freehold.protocol.oip_tensors import DATATYPES, Datatype, from_json, to_binary

_OUTPUT = message("ModelInferResponse").InferOutputTensor
_REGION = "shared_memory_region"


class _Tensor(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Parameter] = {}
    data: msgspec.Raw | UnsetType = UNSET


class _Answer(msgspec.Struct):
    model_name: str
    outputs: list[_Tensor]
    model_version: str | None = None
    id: str | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


def to_rest(received: Received) -> tuple[bytes, int]:
    """The body of `infer` with binary tensors, and how long its JSON is; all outputs are asked for as bytes.

    Whether inputs and outputs are those of the model, whoever has it says. Raises FreeholdError of kind INVALID for
    tensors that cannot be told apart.
    """
    asked = received.message
    inputs, tail = [], []
    raw = iter(received.raw)
    for one in asked.inputs:
        parameters = dict(read_parameters(one.parameters))
        if _REGION not in parameters:
            if not received.raw:
                shape = list(one.shape)
                data = to_binary(_datatype(one), from_contents(one.name, _datatype(one), shape, one.contents))
            else:
                found = next(raw, None)
                if found is None:
                    raise FreeholdError("raw_count_wrong", raw=len(received.raw), inputs=len(asked.inputs))
                data = memoryview(found.data)[found.start : found.start + found.size]
            parameters["binary_data_size"] = data.nbytes
            tail.append(data)
        inputs.append({"name": one.name, "datatype": one.datatype, "shape": list(one.shape), "parameters": parameters})
    if next(raw, None) is not None:
        raise FreeholdError("raw_count_wrong", raw=len(received.raw), inputs=len(tail))
    body = {"inputs": inputs, "parameters": {**read_parameters(asked.parameters), "binary_data_output": True}}
    if asked.id:
        body["id"] = asked.id
    if asked.outputs:
        body["outputs"] = [_wanted(one) for one in asked.outputs]
    head = wire.encode(body)
    return b"".join((head, *tail)), len(head)


def from_rest(body: bytes, header_length: int | None) -> bytes:
    """The ModelInferResponse that an answer of REST comes to, its tensors raw. Raises ValueError where it is none."""
    end = len(body) if header_length is None else header_length
    try:
        answer = _ANSWER.decode(body[:end])
        tensors, parts = [], []
        for one in answer.outputs:
            size = one.parameters.pop("binary_data_size", None)
            if isinstance(size, int):
                data = memoryview(body)[end : end + size]
                end += size
                if data.nbytes != size:
                    raise ValueError("it ends within a tensor")
            elif isinstance(one.data, msgspec.Raw):
                datatype = DATATYPES[one.datatype]
                data = to_binary(datatype, from_json(one.name, datatype, one.shape, one.data))
            else:
                data = memoryview(b"")  # it was written into shared memory
            tensors.append(_tensor(one))
            parts.append(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError, FreeholdError) as error:
        raise ValueError(str(error)) from None
    head = {"model_name": answer.model_name, "model_version": answer.model_version or "", "id": answer.id or ""}
    return joined(message("ModelInferResponse")(outputs=tensors, **head), parts)


def _wanted(one: Message) -> dict[str, object]:
    parameters = dict(read_parameters(one.parameters))
    if _REGION not in parameters:
        parameters["binary_data"] = True
    return {"name": one.name, "parameters": parameters}


def _datatype(one: Message) -> Datatype:
    found = DATATYPES.get(one.datatype)
    if found is None:
        raise FreeholdError(
            "datatype_wrong", name=one.name[:200], seen=one.datatype[:20], expected=", ".join(DATATYPES)
        )
    return found


def _tensor(one: _Tensor) -> Message:
    tensor = _OUTPUT(name=one.name, datatype=one.datatype, shape=one.shape)
    set_parameters(tensor.parameters, one.parameters)
    return tensor
