"""Open Inference Protocol v2 over REST: metadata and infer, for tensors and, by the same call, for text models."""

import json

import numpy as np

from freehold import __version__
from freehold.artifact import Manifest, TensorSpec
from freehold.engine.base import Answer, Array, EmbedRequest, Request, RerankRequest, TensorRequest
from freehold.errors import FreeholdError
from freehold.http import Call, Response, Route
from freehold.protocol import oip
from freehold.protocol.vectors import logits, sigmoid
from freehold.server.dataplane import DataPlane
from freehold.server.models import Served
from freehold.server.text import rows, truncation

VERSION = "1"
"""What clients call the version of the one artifact that is served under an id; its digest is in `properties`."""
PLATFORM = "onnx_onnxv1"

VERSIONS = ("", "/versions/{version}")
"""What follows the model's name in a path."""

Specs = tuple[TensorSpec, ...]

_TEXT = TensorSpec("text", "BYTES", (-1,))
_QUERY = TensorSpec("query", "BYTES", (1,))


def routes(plane: DataPlane) -> list[Route]:
    """Server and model metadata, readiness of a model, infer; each model path also with its version."""

    async def server(call: Call) -> Response:
        return Response(oip.encode_metadata(oip.ServerMetadata("freehold", __version__)))

    async def model(call: Call) -> Response:
        served = plane.models.find(call.params["model"])
        check_version(served, call)
        return Response(oip.encode_metadata(describe(served)))

    async def ready(call: Call) -> Response:
        served = plane.models.find(call.params["model"])
        check_version(served, call)
        return Response(oip.encode_metadata(oip.ModelReady(served.check().id, ready=True)))

    async def infer(call: Call) -> Response:
        served = plane.models.get(call.params["model"])
        check_version(served, call)
        manifest = served.engine.manifest
        inputs, outputs = signature(manifest)
        length = oip.parse_header_length(call.header(oip.HEADER_LENGTH))
        request = oip.parse_infer(await call.body(), length, inputs, outputs)
        answer = await plane.infer(call, served, _engine_request(manifest, request))
        encoded = oip.encode_infer(request, _arrays(served, answer), served.id, VERSION)
        headers = oip.header_length(encoded) + truncation(answer)
        return Response(encoded.body, content_type=encoded.content_type, headers=headers)

    return [
        Route("GET", "/v2", server, "oip", "metadata"),
        *(
            Route("GET", f"/v2/models/{{model}}{version}{path}", endpoint, "oip", "metadata")
            for path, endpoint in (("", model), ("/ready", ready))
            for version in VERSIONS
        ),
        *(Route("POST", f"/v2/models/{{model}}{version}/infer", infer, "oip", "infer") for version in VERSIONS),
    ]


def signature(manifest: Manifest) -> tuple[Specs, Specs]:
    """Inputs and outputs as clients see them.

    A tensor model's are its graph's. A text model takes `text`, BYTES [-1]: embed gives `embedding`, FP32 [-1, dim];
    classify gives `logits`, FP32 [-1, labels]; rerank also takes `query`, BYTES [1], and gives `score`, FP32 [-1] in
    0..1.
    """
    match manifest.kind:
        case "embed":
            return (_TEXT,), (TensorSpec("embedding", "FP32", (-1, manifest.dimensions or -1)),)
        case "classify":
            return (_TEXT,), (TensorSpec("logits", "FP32", (-1, len(manifest.labels) or -1)),)
        case "rerank":
            return (_QUERY, _TEXT), (TensorSpec("score", "FP32", (-1,)),)
        case _:
            return manifest.inputs, manifest.outputs


def describe(served: Served) -> oip.ModelMetadata:
    """A model's metadata. Raises FreeholdError `model_loading` or why it failed while its graph is not known."""
    engine = served.engine
    inputs, outputs = signature(engine.manifest)
    properties = {
        "kind": engine.manifest.kind,
        "digest": engine.digest,
        "precision": engine.precision,
        "proof": engine.proof.status,
    }
    if engine.manifest.labels:
        properties["labels"] = json.dumps(engine.manifest.labels, ensure_ascii=False)  # properties are texts
    return oip.ModelMetadata(
        served.id, (VERSION,), PLATFORM, oip.tensor_metadata(inputs), oip.tensor_metadata(outputs), properties
    )


def check_version(served: Served, call: Call) -> None:
    """Raises `version_unknown` where the path names another version than the one there is."""
    version = call.params.get("version", VERSION)
    if version != VERSION:
        raise FreeholdError("version_unknown", model=served.id, version=version[:200], versions=[VERSION])


def _engine_request(manifest: Manifest, request: oip.InferRequest) -> Request:
    if manifest.kind == "tensor":
        arrays = {name: _text(name, x) if x.dtype.kind == "O" else x for name, x in request.inputs.items()}
        return TensorRequest(arrays, request.requested)
    texts = _text("text", request.inputs["text"]).tolist()
    if not texts:
        raise FreeholdError("list_empty", field="text")
    if manifest.kind == "rerank":
        return RerankRequest(_text("query", request.inputs["query"])[0], texts)
    return EmbedRequest(texts)


def _text(name: str, array: Array) -> Array:
    """A BYTES array as one of str, which is all that ONNX's strings hold. Raises `value_invalid` for other bytes."""
    try:
        flat = [item.decode() for item in array.ravel().tolist()]
    except UnicodeDecodeError as error:
        raise FreeholdError("value_invalid", name=name, datatype="BYTES", reason="an element is not UTF-8") from error
    return np.array(flat, object).reshape(array.shape)


def _arrays(served: Served, answer: Answer) -> dict[str, Array]:
    match served.engine.manifest.kind:
        case "embed":
            return {"embedding": rows(served, answer)}
        case "classify":
            return {"logits": rows(served, answer)}
        case "rerank":
            return {"score": sigmoid(logits(rows(served, answer)))}
        case _:
            return answer.outputs
