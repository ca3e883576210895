"""What KServe's InferenceRESTClient sends and reads (kserve 0.21.0, read in its source), call by call.

Its package asks for pandas, the Kubernetes client and an older protobuf than Triton's client does, so that both cannot
be installed side by side: what goes over the wire is written here by hand.
"""

import json
import uuid

import httpx
import numpy as np

from tests.conformance.calls import proves


@proves("live", "ready", "model ready")
def test_health_is_read_from_the_body(node: httpx.Client) -> None:
    """`live` and `ready` are read out of the JSON; a model is ready by the status."""
    assert node.get("/v2/health/live").json().get("live") is True
    assert node.get("/v2/health/ready").json().get("ready") is True
    assert node.get("/v2/models/row/ready").is_success
    assert not node.get("/v2/models/none/ready").is_success


@proves("infer")
def test_a_request_of_json_infers(node: httpx.Client) -> None:
    """It names the model in the body too, has an id of its own, and reads model_name, id and outputs."""
    identity = str(uuid.uuid4())
    inputs = [{"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}]
    body = json.dumps({"id": identity, "model_name": "row", "inputs": inputs}, separators=(",", ":"))
    answer = node.post("/v2/models/row/infer", content=body, headers={"content-type": "application/json"})
    read = answer.json()
    assert (read["model_name"], read["id"]) == ("row", identity)
    assert (read["outputs"][0]["shape"], read["outputs"][0]["data"]) == ([2, 3], [1, 2, 3, 4, 5, 6])


@proves("infer binary")
def test_a_request_of_bytes_infers(node: httpx.Client) -> None:
    """Bytes behind the JSON, the header in lower case; the answer is cut where its own header says."""
    array = np.array([[1.5, -2, 65504]], np.float16)
    put = {"name": "x", "shape": [1, 3], "datatype": "FP16", "parameters": {"binary_data_size": 6}}
    wanted = [{"name": "y", "parameters": {"binary_data": True}}]
    text = json.dumps({"id": "1", "model_name": "echo_fp16", "inputs": [put], "outputs": wanted}).encode()
    headers = {"inference-header-content-length": str(len(text)), "content-type": "application/octet-stream"}
    answer = node.post("/v2/models/echo_fp16/infer", content=text + array.tobytes(), headers=headers)
    cut = int(answer.headers.get("inference-header-content-length", len(answer.content)))
    (output,) = json.loads(answer.content[:cut])["outputs"]
    assert output["parameters"]["binary_data_size"] == 6
    assert np.array_equal(np.frombuffer(answer.content[cut:], np.float16).reshape(output["shape"]), array)


@proves("errors")
def test_an_error_is_read_from_the_body(node: httpx.Client) -> None:
    """Only where the answer is `application/json` exactly, and then the string under `error`."""
    answer = node.post("/v2/models/row/infer", content=b"{}", headers={"content-type": "application/json"})
    assert not answer.is_success
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json()["error"], str)
