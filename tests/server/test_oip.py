"""The Open Inference Protocol over HTTP, by raw requests and by Triton's client."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from freehold.adapt import graphs
from freehold.protocol.oip_metadata import EXTENSIONS

INPUTS: dict[str, np.ndarray[Any, Any]] = {
    "FP32": np.array([[1.5, -2, 3e38]], np.float32),
    "FP64": np.array([[1.5, -2, 1e300]]),
    "INT8": np.array([[-128, 0, 127]], np.int8),
    "INT16": np.array([[-(2**15), 0, 2**15 - 1]], np.int16),
    "INT32": np.array([[-(2**31), 0, 2**31 - 1]], np.int32),
    "INT64": np.array([[-(2**63), 0, 2**63 - 1]]),
    "UINT8": np.array([[0, 1, 255]], np.uint8),
    "UINT16": np.array([[0, 1, 2**16 - 1]], np.uint16),
    "UINT32": np.array([[0, 1, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 1, 2**64 - 1]], np.uint64),
    "BOOL": np.array([[True, False, True]]),
    "BYTES": np.array([["a", "", "你好"]], object),
}


def infer(node: httpx.Client, model: str, **message: object) -> httpx.Response:
    return node.post(f"/v2/models/{model}/infer", json=message)


def row(data: object = (1, 2, 3), **changes: object) -> dict[str, object]:
    return {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": data, **changes}


@pytest.fixture
def client(node_url: str) -> triton.InferenceServerClient:
    """Triton's own client, connected to the node."""
    with triton.InferenceServerClient(node_url.removeprefix("http://")) as connected:
        yield connected


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("datatype", INPUTS)
def test_tritonclient_infers_in_every_type(client: triton.InferenceServerClient, datatype: str, binary: bool) -> None:
    """Binary and JSON, in and out: the identity graph gives back what went in."""
    array = INPUTS[datatype]
    given = triton.InferInput("x", list(array.shape), datatype)
    given.set_data_from_numpy(array, binary_data=binary)
    wanted = triton.InferRequestedOutput("y", binary_data=binary)
    answer = client.infer(datatype.lower(), [given], outputs=[wanted], request_id="7")
    output = answer.as_numpy("y")
    expected = np.vectorize(str.encode, otypes=[object])(array) if datatype == "BYTES" and binary else array
    assert np.array_equal(output, expected)
    assert answer.get_response()["id"] == "7"


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_infers_in_binary(client: triton.InferenceServerClient, dtype: type[np.generic]) -> None:
    """FP16 and BF16 have no JSON form and pass as bytes."""
    array = np.array([[1.5, -2, 65024]], dtype)
    given = triton.InferInput("x", [1, 3], np_to_triton_dtype(dtype))
    given.set_data_from_numpy(array)
    answer = client.infer(given.datatype().lower(), [given])
    assert np.array_equal(answer.as_numpy("y"), array)


def test_compressed_requests_and_versions_infer(client: triton.InferenceServerClient) -> None:
    """gzip over JSON and bytes together, the header counting before compression; version 1 is the one there is."""
    given = triton.InferInput("x", [1, 3], "FP32")
    given.set_data_from_numpy(INPUTS["FP32"])
    answer = client.infer("fp32", [given], model_version="1", request_compression_algorithm="gzip")
    assert np.array_equal(answer.as_numpy("y"), INPUTS["FP32"])
    with pytest.raises(InferenceServerException, match="no version '2'"):
        client.infer("fp32", [given], model_version="2")


def test_tritonclient_reads_health_and_metadata(client: triton.InferenceServerClient) -> None:
    """Live, ready, server and model metadata, of a version too."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("fp32")
    assert client.is_model_ready("fp32", "1")
    assert not client.is_model_ready("none")
    assert client.get_server_metadata()["extensions"] == list(EXTENSIONS)
    metadata = client.get_model_metadata("fp32")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]
    assert (metadata["platform"], metadata["versions"]) == ("onnx_onnxv1", ["1"])
    assert metadata["properties"]["digest"].startswith("sha256:")


def test_the_metadata_of_a_classifier_has_its_labels(
    serve_only: Callable[..., httpx.Client], encoder_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """In the order of its logits; of a model without labels there is no such property."""
    raw = encoder_folder(tmp_path / "raw", architecture="BertForSequenceClassification", labels=3)
    client = serve_only("tiny", classes=graphs.build(raw, tmp_path / "cache"))
    metadata = client.get("/v2/models/classes").json()
    assert json.loads(metadata["properties"]["labels"]) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    assert metadata["outputs"][0]["shape"] == [-1, 3]
    assert "labels" not in client.get("/v2/models/tiny").json()["properties"]
    text = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a cat"]}
    best = {"name": "logits", "parameters": {"classification": 1}}
    (output,) = infer(client, "classes", inputs=[text], outputs=[best]).json()["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, 1])
    value, index, label = output["data"][0].split(":")
    assert label == f"LABEL_{index}"
    logits = infer(client, "classes", inputs=[text]).json()["outputs"][0]["data"]
    assert float(value) == pytest.approx(max(logits), abs=1e-6)


def test_tritonclient_reads_our_errors(client: triton.InferenceServerClient) -> None:
    """Every refusal has the one body that the client understands."""
    given = triton.InferInput("x", [1, 4], "FP32")
    given.set_data_from_numpy(np.zeros((1, 4), np.float32))
    with pytest.raises(InferenceServerException, match=r"shape \[1, 4\]; the model takes \[-1, 3\]"):
        client.infer("fp32", [given])
    given.set_data_from_numpy(np.zeros((1, 4), np.float32), binary_data=False)
    with pytest.raises(InferenceServerException, match="model takes"):
        client.infer("fp32", [given])


def test_json_without_a_content_type_infers(node: httpx.Client) -> None:
    """What the body is follows from the header of the extension, not from Content-Type."""
    body = json.dumps({"inputs": [row()]}).encode()
    answer = node.send(node.build_request("POST", "/v2/models/fp32/infer", content=body))
    assert answer.json()["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]


def test_a_raw_binary_request_infers(node: httpx.Client) -> None:
    """Header value 0: bytes in, bytes out."""
    answer = node.post(
        "/v2/models/fp32/infer",
        content=np.arange(6, dtype="<f4").tobytes(),
        headers={"Inference-Header-Content-Length": "0"},
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    head = int(answer.headers["inference-header-content-length"])
    assert json.loads(answer.content[:head])["outputs"][0]["shape"] == [2, 3]
    assert np.frombuffer(answer.content[head:], "<f4").tolist() == [0, 1, 2, 3, 4, 5]


def test_gzip_json_infers(node: httpx.Client) -> None:
    """A compressed JSON body is read like a plain one."""
    body = gzip.compress(json.dumps({"inputs": [row()]}).encode())
    answer = node.post("/v2/models/fp32/infer", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.json()["outputs"][0]["data"] == [1, 2, 3]


def test_a_tensor_without_rows_infers(node: httpx.Client) -> None:
    """Zero rows in, zero rows out."""
    answer = infer(node, "fp32", inputs=[row([], shape=[0, 3])])
    assert answer.json()["outputs"][0] == {"name": "y", "datatype": "FP32", "shape": [0, 3], "data": []}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"inputs": [row(name="z")]}, "input_unknown"),
        ({"inputs": [row(), row()]}, "input_duplicate"),
        ({"inputs": []}, "input_missing"),
        ({"inputs": [row(datatype="FP64")]}, "datatype_wrong"),
        ({"inputs": [row(shape=[1, 3, 1])]}, "shape_wrong"),
        ({"inputs": [row([1, 2])]}, "element_count_wrong"),
        ({"inputs": [row([1, 2, "3"])]}, "value_invalid"),
        ({"inputs": [row()], "outputs": [{"name": "z"}]}, "output_unknown"),
        ({}, "request_invalid"),
    ],
)
def test_a_wrong_request_is_a_400_with_the_protocols_body(
    node: httpx.Client, message: dict[str, object], code: str
) -> None:
    """The body of an error is one string under `error`, with our code at its end."""
    answer = infer(node, "fp32", **message)
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]
    assert f"[{code}]" in answer.json()["error"]


def test_an_integer_out_of_range_is_a_400(node: httpx.Client) -> None:
    """300 does not wrap around into an INT8."""
    answer = infer(node, "int8", inputs=[row([1, 2, 300], datatype="INT8")])
    assert answer.status_code == 400
    assert "300" in answer.json()["error"]
    assert "-128 to 127" in answer.json()["error"]


def test_not_a_number_in_is_a_400_and_out_is_explained(node: httpx.Client) -> None:
    """Bare NaN in JSON is refused; a NaN that the model computes passes in binary and is named in JSON."""
    answer = node.post("/v2/models/fp32/infer", content=b'{"inputs": [{"name": "x", "data": [NaN]}]}')
    assert answer.status_code == 400
    assert "[json_not_finite]" in answer.json()["error"]
    answer = infer(node, "log", inputs=[row([1, 0, -1])])
    assert answer.status_code == 400
    assert "2 values that JSON cannot carry, the first at [0, 1]: -inf" in answer.json()["error"]
    answer = infer(node, "log", inputs=[row([1, 0, -1])], parameters={"binary_data_output": True})
    assert np.isneginf(np.frombuffer(answer.content[-12:], "<f4")[1])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/none/ready", 404),
        ("POST", "/v2/models/none/infer", 404),
        ("POST", "/v2/models/fp32/versions/7/infer", 404),
        ("GET", "/v2/models/fp32/versions/7", 404),
        ("GET", "/v2/models/fp32/infer", 405),
        ("GET", "/v2/nothing/here", 404),
        ("POST", "/v2/models/fp32/infer", 400),
    ],
)
def test_every_refusal_has_the_protocols_body(node: httpx.Client, method: str, path: str, status: int) -> None:
    """Unknown model, version and route, wrong method, empty body: always one string under `error`."""
    answer = node.request(method, path)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_the_best_values_come_in_their_place(client: triton.InferenceServerClient) -> None:
    """By Triton's client in binary and JSON."""
    given = triton.InferInput("x", [1, 3], "FP32")
    given.set_data_from_numpy(np.array([[1, 5, 3]], np.float32))
    for binary in (True, False):
        wanted = triton.InferRequestedOutput("y", binary_data=binary, class_count=2)
        best = client.infer("fp32", [given], outputs=[wanted]).as_numpy("y").astype(str)
        assert best.tolist() == [["5.000000:1", "3.000000:2"]]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compression_goes_both_ways(client: triton.InferenceServerClient, coding: str) -> None:
    """What goes in and what comes out, tensors as bytes and as JSON."""
    array = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    given = triton.InferInput("x", [1000, 3], "FP32")
    given.set_data_from_numpy(array)
    for binary in (True, False):
        answer = client.infer(
            "fp32",
            [given],
            outputs=[triton.InferRequestedOutput("y", binary_data=binary)],
            request_compression_algorithm=coding,
            response_compression_algorithm=coding,
        )
        assert np.array_equal(answer.as_numpy("y"), array)


def test_a_configuration_is_told_in_tritons_words(client: triton.InferenceServerClient) -> None:
    """Of one row, where the first dimension is a batch; `max_batch_size` 0 and whole shapes else."""
    config = client.get_model_config("bytes", "1")
    assert config["input"] == [{"name": "x", "data_type": "TYPE_STRING", "dims": [3]}]
    assert config["max_batch_size"] > 1
    assert client.get_model_config("tiny")["max_batch_size"] == 0
    assert client.get_model_config("tiny")["input"] == [{"name": "text", "data_type": "TYPE_STRING", "dims": [-1]}]


def test_statistics_count_requests_rows_and_runs(client: triton.InferenceServerClient) -> None:
    """Per model and version, and of all models; a refused request counts as none, since it never reached the model."""
    given = triton.InferInput("x", [4, 3], "INT16")
    given.set_data_from_numpy(np.zeros((4, 3), np.int16))
    (before,) = client.get_inference_statistics("int16")["model_stats"]
    client.infer("int16", [given])
    (after,) = client.get_inference_statistics("int16", "1")["model_stats"]
    counted = [after[name] - before[name] for name in ("inference_count", "execution_count")]
    assert counted == [4, 1]
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1
    assert 4 in [batch["batch_size"] for batch in after["batch_stats"]]
    assert after["last_inference"] >= before["last_inference"]
    assert {"int16", "tiny"} <= {one["name"] for one in client.get_inference_statistics()["model_stats"]}
    with pytest.raises(InferenceServerException, match="model_not_found"):
        client.get_inference_statistics("none")


def test_a_timeout_is_a_deadline(client: triton.InferenceServerClient, node: httpx.Client) -> None:
    """In microseconds; one that is enough changes nothing, one that is no number is refused."""
    given = triton.InferInput("text", [1], "BYTES")
    given.set_data_from_numpy(np.array([b"a cat"], object))
    assert client.infer("tiny", [given], timeout=10_000_000, priority=1).as_numpy("embedding").shape == (1, 32)
    answer = infer(node, "fp32", inputs=[row()], parameters={"timeout": "soon"})
    assert (answer.status_code, "[parameter_invalid]" in answer.json()["error"]) == (400, True)


def test_server_metadata_answers_with_and_without_a_slash(node: httpx.Client) -> None:
    """`/v2` and `/v2/` are the same."""
    assert node.get("/v2").json() == node.get("/v2/").json()
    assert node.get("/v2").json()["name"] == "freehold"


def test_an_embedding_model_infers_texts(node: httpx.Client) -> None:
    """BYTES `text` in, FP32 `embedding` out, the same vectors as OpenAI's call gives; metadata says so."""
    metadata = node.get("/v2/models/tiny").json()
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["outputs"] == [{"name": "embedding", "datatype": "FP32", "shape": [-1, 32]}]
    texts = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a cat", "你好"]}
    output = infer(node, "tiny", inputs=[texts]).json()["outputs"][0]
    rows = [row["embedding"] for row in node.post("/v1/embeddings", json={"input": ["a cat", "你好"]}).json()["data"]]
    assert np.allclose(np.reshape(output["data"], output["shape"]), rows, atol=1e-6)


def test_a_rerank_model_infers_scores(node: httpx.Client) -> None:
    """BYTES `query` and `text` in, FP32 `score` out, as in the rerank call."""
    inputs = [
        {"name": "query", "shape": [1], "datatype": "BYTES", "data": ["who?"]},
        {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["me", "you"]},
    ]
    output = infer(node, "judge", inputs=inputs).json()["outputs"][0]
    results = node.post("/v1/rerank", json={"query": "who?", "documents": ["me", "you"]}).json()["results"]
    assert output["shape"] == [2]
    for result in results:
        assert output["data"][result["index"]] == pytest.approx(result["relevance_score"], abs=1e-6)


def test_texts_must_be_text_and_there(node: httpx.Client) -> None:
    """Bytes that are not UTF-8, and no text at all, are 400; over-long text is cut and counted."""
    head = json.dumps(
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}]}
    ).encode()
    answer = node.post(
        "/v2/models/tiny/infer",
        content=head + b"\x01\x00\x00\x00\xff",
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert answer.status_code == 400
    assert "not UTF-8" in answer.json()["error"]
    none = {"name": "text", "shape": [0], "datatype": "BYTES", "data": []}
    assert infer(node, "tiny", inputs=[none]).status_code == 400
    long = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["word " * 1000]}
    assert infer(node, "tiny", inputs=[long]).headers["x-freehold-truncated"] == "1"
