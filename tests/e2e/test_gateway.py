"""`freehold gateway` before a `freehold serve`: real clients, real models, both processes."""

import re
import signal
from typing import Any

import numpy as np
import openai
import pytest
import tritonclient.grpc

from freehold.gateway.routing.table import slot
from tests.crowd import eventually

BODY_MB = 8


@pytest.fixture(scope="module")
def gateway(shared_launch: Any, node: Any) -> Any:
    """Routes to models of the shared node: `vectors` by two names of one model, `tensors` to a model of its own."""
    source = f"{node.url}/v1"
    models = [
        {"id": "blue", "source": source, "upstream_model": "minilm"},
        {"id": "green", "source": source, "upstream_model": "minilm"},
        {"id": "sixteen", "source": source},
    ]
    routes = [
        {"model": "vectors", "to": [{"id": "blue", "weight": 3}, {"id": "green", "weight": 1}]},
        {"model": "tensors", "to": [{"id": "sixteen"}]},
    ]
    running = shared_launch({"models": models, "routes": routes}, "--grpc-port", 0, verb="gateway")
    of_green = next(f"r{number}" for number in range(1000) if slot(b"r%d" % number) >= 75)

    def shared() -> bool:
        """Both answer, and have been found to embed into one space."""
        body, headers = {"model": "vectors", "input": "a"}, {"X-Request-ID": of_green}
        answer = running.client.post("/v1/embeddings", json=body, headers=headers)
        return bool(answer.headers["x-freehold-model"] == "green")

    eventually(shared, "green gets its share")
    return running


def test_a_client_of_openai_sees_routes_as_models(gateway: Any, node: Any) -> None:
    """They are listed, and answer as the model behind them would."""
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused") as client:
        assert {"vectors", "tensors", "blue"} <= {model.id for model in client.models.list()}
        vector = client.embeddings.create(model="vectors", input="a lease ends").data[0].embedding
    (theirs,) = node.ask("/v1/embeddings", model="minilm", input="a lease ends").json()["data"]
    assert np.allclose(vector, theirs["embedding"], atol=1e-6)


def test_requests_are_shared_as_the_route_says(gateway: Any) -> None:
    """Each by its id, and counted so; while a variant is looked at anew, on a busy machine, it has no share."""

    def chosen(number: int) -> str:
        headers = {"X-Request-ID": f"share-{number}"}
        answer = gateway.client.post("/v1/embeddings", json={"model": "vectors", "input": "a"}, headers=headers)
        assert answer.status_code == 200
        return str(answer.headers["x-freehold-model"])

    wanted = ["blue" if slot(b"share-%d" % number) < 75 else "green" for number in range(20)]
    eventually(lambda: [chosen(number) for number in range(20)] == wanted, "each id has its variant")
    assert gateway.metric("freehold_routed_requests_total", route="vectors", model="green") >= wanted.count("green")


def test_the_open_inference_protocol_is_routed_by_its_path(gateway: Any) -> None:
    """Metadata, readiness, and tensors in JSON and in binary."""
    assert gateway.client.get("/v2/models/tensors").json()["name"] == "sixteen"
    assert gateway.client.get("/v2/models/tensors/versions/1/ready").json()["ready"]
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 16], "data": [0.0] * 16}
    answer = gateway.ask("/v2/models/tensors/infer", inputs=[tensor])
    assert answer.json()["outputs"][0]["data"] == [0.0625] * 16
    head = b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,16],"parameters":{"binary_data_size":64}}]}'
    headers = {"Inference-Header-Content-Length": str(len(head)), "Content-Type": "application/octet-stream"}
    answer = gateway.client.post("/v2/models/tensors/infer", content=head + bytes(64), headers=headers)
    assert answer.json()["outputs"][0]["data"] == [0.0625] * 16


def test_grpc_leads_where_rest_does(gateway: Any) -> None:
    """On the port that was named, by Triton's own client."""
    said = re.search(r"and gRPC on (\S+)", gateway.log_file.with_name("stdout").read_text())
    assert said is not None
    tensor = tritonclient.grpc.InferInput("x", [1, 16], "FP32")
    tensor.set_data_from_numpy(np.zeros((1, 16), np.float32))
    with tritonclient.grpc.InferenceServerClient(said[1]) as client:
        assert client.is_model_ready("tensors")
        assert client.infer("tensors", [tensor]).as_numpy("y").tolist() == [[0.0625] * 16]


def test_what_a_gateway_takes_is_bounded(gateway: Any) -> None:
    """Whatever names the model; the bound says its setting."""
    body = b'{"model": "vectors", "input": "' + b"a" * (BODY_MB << 20) + b'"}'
    answer = gateway.client.post("/v1/embeddings", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert "gateway.body_mb" in answer.text


def test_a_gateway_may_stand_before_another(launch: Any, gateway: Any) -> None:
    """Each names the model as the next one knows it, in whatever place the client named it."""
    models = [{"id": "far", "source": f"{gateway.url}/v1", "upstream_model": "vectors"}]
    before = launch({"models": models}, verb="gateway")
    for path, headers in (("/v1/embeddings", {"X-Model-ID": "far"}), ("/v1/embeddings?model_id=far", {})):
        answer = before.client.post(path, json={"model": "far", "input": "a"}, headers=headers)
        assert (answer.status_code, answer.headers.get_list("x-freehold-model")) == (200, ["far"])


def test_a_signal_reads_the_file_again_at_once(launch: Any, node: Any) -> None:
    """SIGHUP, whether the file changed or not; the process stays, and answers."""
    running = launch({"models": [{"id": "sixteen", "source": f"{node.url}/v1"}]}, verb="gateway")
    assert "config_loaded" not in running.log
    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: "config_loaded" in running.log, "the file has been read")
    assert running.client.get("/v1/models").status_code == 200
