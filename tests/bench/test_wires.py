"""Requests and answers travel as the protocols say."""

import json

import numpy as np
import pytest

from bench.wires import (
    HEADER_LENGTH,
    Wire,
    listed_text,
    openai_text,
    plain_text,
    v2_binary_tensor,
    v2_grpc_tensor,
    v2_tensor,
    v2_text,
)
from freehold.protocol.grpc.messages import message


@pytest.mark.parametrize(
    ("wire", "question", "answer"),
    [
        (openai_text("m"), {"model": "m", "input": "户"}, {"data": [{"embedding": [1.5, 2.0]}]}),
        (plain_text("/embed"), {"text": "户"}, {"embedding": [1.5, 2.0]}),
        (listed_text("/embed"), {"texts": ["户"]}, [[1.5, 2.0]]),
    ],
)
def test_a_text_is_asked_and_its_vector_read(wire: Wire[str], question: object, answer: object) -> None:
    """JSON both ways; Chinese as UTF-8, not escaped."""
    sent = wire.encode("户")
    assert json.loads(sent) == question
    assert "户".encode() in sent
    assert wire.decode(json.dumps(answer).encode()).tolist() == [1.5, 2.0]


def test_a_v2_text_is_one_bytes_element() -> None:
    """Shape [1, 1]: the first dimension is the batch."""
    tensor = json.loads(v2_text("m").encode("hi"))["inputs"][0]
    assert (tensor["datatype"], tensor["shape"], tensor["data"]) == ("BYTES", [1, 1], ["hi"])


def test_a_json_tensor_is_flat() -> None:
    """Row-major data beside its shape."""
    tensor = json.loads(v2_tensor("m").encode(np.array([[1, 2], [3, 4]], np.float32)))["inputs"][0]
    assert (tensor["shape"], tensor["data"]) == ([2, 2], [1.0, 2.0, 3.0, 4.0])


def test_a_binary_tensor_follows_its_header() -> None:
    """The header's length is in a header line; the bytes after it are the little-endian floats."""
    array = np.array([[0.5, -2.0]], np.float32)
    wire = v2_binary_tensor("m")
    body, length = wire.encode(array), int(wire.headers(array)[HEADER_LENGTH])
    assert json.loads(body[:length])["inputs"][0]["parameters"] == {"binary_data_size": 8}
    assert body[length:] == array.tobytes()


def test_a_binary_answer_is_read_behind_its_header_whatever_its_bytes() -> None:
    """Bytes that look like braces do not move the header's end."""
    header = b'{"outputs":[{"parameters":{"binary_data_size":8}}]}'
    assert v2_binary_tensor("m").decode(header + b"}}}}{{{{").tobytes() == b"}}}}{{{{"


def test_a_tensor_over_grpc_is_raw_and_read_either_way() -> None:
    """Raw as most answer, or typed as MLServer does."""
    wire = v2_grpc_tensor("m")
    asked = message("ModelInferRequest").FromString(wire.encode(np.array([[1, 2]], np.float32)))
    assert (asked.model_name, list(asked.inputs[0].shape)) == ("m", [1, 2])
    assert asked.raw_input_contents[0] == np.array([1, 2], "<f4").tobytes()
    answer = message("ModelInferResponse")
    raw = answer(raw_output_contents=[np.array([1.5, 2], "<f4").tobytes()])
    typed = answer(outputs=[{"name": "output", "contents": {"fp32_contents": [1.5, 2]}}])
    for one in (raw, typed):
        assert wire.decode(one.SerializeToString()).tolist() == [1.5, 2.0]
