"""One inference of the Open Inference Protocol between parsing and encoding: the same for REST and gRPC."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from freehold.artifact import Manifest, TensorSpec
from freehold.engine.base import Answer, Array, EmbedRequest, Request, RerankRequest, TensorRequest
from freehold.errors import FreeholdError
from freehold.protocol.generate import generate_request
from freehold.protocol.oip_classification import classified
from freehold.protocol.oip_request import InferRequest
from freehold.protocol.oip_strings import are_text, from_text, to_text
from freehold.protocol.vectors import logits, sigmoid
from freehold.server.dataplane import Client, DataPlane
from freehold.server.generate import continued, echo, joined
from freehold.server.models import Served
from freehold.server.text import rows

Specs = tuple[TensorSpec, ...]

_TEXT = TensorSpec("text", "BYTES", (-1,))
_QUERY = TensorSpec("query", "BYTES", (1,))
_PROMPT = TensorSpec("text_input", "BYTES", (1,))
_CONTINUATION = TensorSpec("text_output", "BYTES", (1,))


class Inferred(NamedTuple):
    """The outputs that a request wants, by name, each of the datatype there; and what the engine said."""

    arrays: dict[str, Array]
    answer: Answer


async def infer(plane: DataPlane, client: Client, served: Served, request: InferRequest) -> Inferred:
    """Run a request that was read for this model.

    Raises what `DataPlane.infer` does; `value_invalid` for BYTES that a text model cannot take, `list_empty`.
    """
    manifest = served.engine.manifest
    if manifest.kind == "generate":
        return await _generated(plane, client, served, request)
    binary = manifest.kind == "tensor" and not all(are_text(x.flat) for x in request.inputs.values() if _is_bytes(x))
    answer = await plane.infer(client, served, engine_request(manifest, request, binary=binary), *request.schedule)
    arrays = _arrays(manifest, answer)
    if binary:
        arrays = {name: _each(x, from_text) if _is_bytes(x) else x for name, x in arrays.items()}
    for output in request.outputs:
        if output.classes:
            arrays[output.name] = classified(arrays[output.name], output.classes, manifest.labels)
    return Inferred(arrays, answer)


def signature(manifest: Manifest) -> tuple[Specs, Specs]:
    """Inputs and outputs as clients see them.

    A tensor model's are its graph's. A text model takes `text`, BYTES [-1]: embed gives `embedding`, FP32 [-1, dim];
    classify gives `logits`, FP32 [-1, labels]; rerank also takes `query`, BYTES [1], and gives `score`, FP32 [-1] in
    0..1; generate takes `text_input`, BYTES [1], and gives `text_output`, BYTES [1].
    """
    match manifest.kind:
        case "embed":
            return (_TEXT,), (TensorSpec("embedding", "FP32", (-1, manifest.dimensions or -1)),)
        case "classify":
            return (_TEXT,), (TensorSpec("logits", "FP32", (-1, len(manifest.labels) or -1)),)
        case "rerank":
            return (_QUERY, _TEXT), (TensorSpec("score", "FP32", (-1,)),)
        case "generate":
            return (_PROMPT,), (_CONTINUATION,)
        case "tensor":
            return manifest.inputs, manifest.outputs


def engine_request(manifest: Manifest, request: InferRequest, *, binary: bool = False) -> Request:
    """The request as an engine of that kind reads it; `binary` where BYTES of a tensor model are not all text.

    Raises `value_invalid`, `list_empty`.
    """
    if manifest.kind == "tensor":
        write = to_text if binary else bytes.decode
        arrays = {name: _each(x, write) if _is_bytes(x) else x for name, x in request.inputs.items()}
        return TensorRequest(arrays, request.requested)
    texts = _text("text", request.inputs["text"]).tolist()
    if not texts:
        raise FreeholdError("list_empty", field="text")
    if manifest.kind == "rerank":
        return RerankRequest(_text("query", request.inputs["query"])[0], texts)
    return EmbedRequest(texts)


async def _generated(plane: DataPlane, client: Client, served: Served, request: InferRequest) -> Inferred:
    """The whole text that follows, as Triton's generate extension gives it, whose parameters are the request's. There
    is one queue for text, in which nobody comes `later`."""
    (text,) = _text("text_input", request.inputs["text_input"]).tolist()
    asked = generate_request({**request.parameters, "text_input": text})
    pieces = await continued(plane, client, served, asked, request.schedule.timeout_s)
    text = echo(asked) + await client.while_connected(joined(pieces))
    return Inferred({"text_output": np.array([text], object)}, Answer({}))


def _text(name: str, array: Array) -> Array:
    """A BYTES array as one of str, for a model that reads text. Raises `value_invalid` for other bytes."""
    try:
        return _each(array, bytes.decode)
    except UnicodeDecodeError as error:
        raise FreeholdError("value_invalid", name=name, datatype="BYTES", reason="an element is not UTF-8") from error


def _is_bytes(array: Array) -> bool:
    return bool(array.dtype.hasobject)


def _each(array: Array, change: Callable[[Any], str | bytes]) -> Array:
    """An array of objects, each of them changed."""
    changed = np.empty(array.size, object)
    changed[:] = [change(item) for item in array.ravel().tolist()]
    return changed.reshape(array.shape)


def _arrays(manifest: Manifest, answer: Answer) -> dict[str, Array]:
    if manifest.kind == "tensor":
        return answer.outputs
    match manifest.kind:
        case "embed":
            return {"embedding": rows(answer)}
        case "classify":
            return {"logits": rows(answer)}
        case _:
            return {"score": sigmoid(logits(rows(answer)))}
