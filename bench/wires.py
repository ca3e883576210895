"""How a text or a tensor travels to each sort of server, and how its answer is read."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from freehold.protocol.grpc.messages import message

Array = np.ndarray[Any, Any]
Item = TypeVar("Item")
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Wire(Generic[Item]):
    """One way to ask: where, with which headers, and the bytes of a question and its answer."""

    path: str
    encode: Callable[[Item], bytes]
    decode: Callable[[bytes], Array]
    headers: Callable[[Item], dict[str, str]] = lambda _: JSON


def _floats(values: object) -> Array:
    return np.asarray(values, np.float32).reshape(-1)


def openai_text(model: str) -> Wire[str]:
    """POST /v1/embeddings."""
    return Wire(
        "/v1/embeddings",
        lambda text: json.dumps({"model": model, "input": text}, ensure_ascii=False).encode(),
        lambda answer: _floats(msgspec.json.decode(answer)["data"][0]["embedding"]),
    )


def plain_text(path: str) -> Wire[str]:
    """{"text": ...} -> {"embedding": [...]}, as people write it by hand."""
    return Wire(
        path,
        lambda text: json.dumps({"text": text}, ensure_ascii=False).encode(),
        lambda answer: _floats(msgspec.json.decode(answer)["embedding"]),
    )


def listed_text(path: str) -> Wire[str]:
    """{"texts": [...]} -> [[...]], where a server merges the lists of many requests."""
    return Wire(
        path,
        lambda text: json.dumps({"texts": [text]}, ensure_ascii=False).encode(),
        lambda answer: _floats(msgspec.json.decode(answer)[0]),
    )


def v2_text(model: str) -> Wire[str]:
    """The Open Inference Protocol with one BYTES element, shape [1, 1]."""

    def encode(text: str) -> bytes:
        tensor = {"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": [text]}
        return json.dumps({"inputs": [tensor]}, ensure_ascii=False).encode()

    return Wire(
        f"/v2/models/{model}/infer", encode, lambda answer: _floats(msgspec.json.decode(answer)["outputs"][0]["data"])
    )


def v2_tensor(model: str) -> Wire[Array]:
    """The Open Inference Protocol with a float32 tensor in JSON."""

    def encode(array: Array) -> bytes:
        shape = list(array.shape)
        tensor = {"name": "input", "datatype": "FP32", "shape": shape, "data": array.ravel().tolist()}
        return msgspec.json.encode({"inputs": [tensor]})

    return Wire(
        f"/v2/models/{model}/infer", encode, lambda answer: _floats(msgspec.json.decode(answer)["outputs"][0]["data"])
    )


def _header_end(answer: bytes) -> int:
    """Where the JSON header of a binary answer ends (latin-1 maps each byte to one character)."""
    return json.JSONDecoder().raw_decode(answer.decode("latin-1"))[1]


HEADER_LENGTH = "Inference-Header-Content-Length"


def v2_binary_tensor(model: str) -> Wire[Array]:
    """The protocol's binary extension both ways: a JSON header, then the bytes."""

    def header(array: Array) -> bytes:
        sizes = {"binary_data_size": array.nbytes}
        tensor = {"name": "input", "datatype": "FP32", "shape": list(array.shape), "parameters": sizes}
        return msgspec.json.encode({"inputs": [tensor], "parameters": {"binary_data_output": True}})

    def headers(array: Array) -> dict[str, str]:
        return {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(header(array)))}

    return Wire(
        f"/v2/models/{model}/infer",
        lambda array: header(array) + array.astype("<f4").tobytes(),
        lambda answer: np.frombuffer(answer[_header_end(answer) :], "<f4"),
        headers,
    )


def v2_grpc_tensor(model: str) -> Wire[Array]:
    """The protocol over gRPC, raw tensors both ways: `path` is the method."""
    request, answer = message("ModelInferRequest"), message("ModelInferResponse")

    def encode(array: Array) -> bytes:
        tensor = {"name": "input", "datatype": "FP32", "shape": array.shape}
        raw = array.astype("<f4").tobytes()
        encoded: bytes = request(model_name=model, inputs=[tensor], raw_input_contents=[raw]).SerializeToString()
        return encoded

    def decode(body: bytes) -> Array:
        """Raw, or as MLServer answers: typed."""
        seen = answer.FromString(body)
        if seen.raw_output_contents:
            return np.frombuffer(seen.raw_output_contents[0], "<f4")
        return _floats(list(seen.outputs[0].contents.fp32_contents))

    return Wire("/inference.GRPCInferenceService/ModelInfer", encode, decode)
