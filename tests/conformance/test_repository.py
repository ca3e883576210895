"""The model repository by Triton's client: listed, loaded with files, loaded again under traffic, unloaded."""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from tests.conformance.calls import proves
from tests.conformance.graphs import Port, write
from tests.conformance.wire import Address, exchange


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[triton.InferenceServerClient]:
    """The client, connected to the server."""
    with triton.InferenceServerClient(url.removeprefix("http://"), concurrency=4) as connected:
        yield connected


def content(folder: Path, operator: str) -> bytes:
    """A graph [n, 3] -> [n, 3] of one operator, as the bytes of its file."""
    ports: list[Port] = [(port, TensorProto.FLOAT, ("n", 3)) for port in ("x", "y")]
    return write(folder / "model.onnx", ports[:1], ports[1:], [(operator, "x", "y")]).read_bytes()


def load(client: triton.InferenceServerClient, model: str, graph: bytes) -> None:
    """Load a model of one file, as Triton's client sends it."""
    client.load_model(model, config=json.dumps({"backend": "onnxruntime"}), files={"file:1/model.onnx": graph})


def answer(client: triton.InferenceServerClient, model: str) -> float:
    """What it makes of 4."""
    put = triton.InferInput("x", [1, 3], "FP32")
    put.set_data_from_numpy(np.full((1, 3), 4, np.float32))
    return float(client.infer(model, [put]).as_numpy("y")[0, 0])


@proves("index")
@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": true}'])
def test_the_index_lists_every_version_with_its_state(address: Address, body: bytes) -> None:
    """An empty body of length 0 is what Triton's client sends; states are its words."""
    listed = exchange(address, "POST /v2/repository/index", body).json()
    row = next(one for one in listed if one["name"] == "row")
    assert (row["version"], row["state"], row["reason"]) == ("1", "READY", "")


@proves("index", "load", "unload")
def test_a_model_is_loaded_with_its_files_and_unloaded(client: triton.InferenceServerClient, tmp_path: Path) -> None:
    """It answers, stands in the index, and is gone; loaded again it answers again."""
    graph = content(tmp_path, "Neg")
    load(client, "visitor", graph)
    assert client.is_model_ready("visitor")
    assert answer(client, "visitor") == -4
    states = {one["name"]: one["state"] for one in client.get_model_repository_index()}
    assert states["visitor"] == "READY"
    client.unload_model("visitor", unload_dependents=True)
    assert not client.is_model_ready("visitor")
    with pytest.raises(InferenceServerException):
        answer(client, "visitor")


@proves("load")
def test_a_model_that_cannot_load_explains_itself(client: triton.InferenceServerClient, tmp_path: Path) -> None:
    """The one that answered before goes on answering, and the others do not notice."""
    load(client, "steady", content(tmp_path, "Neg"))
    with pytest.raises(InferenceServerException, match="steady"):
        load(client, "steady", b"no graph at all")
    assert answer(client, "steady") == -4
    assert client.is_model_ready("row")
    client.unload_model("steady")


@proves("load", "infer")
def test_a_model_is_replaced_under_traffic_without_a_failure(
    client: triton.InferenceServerClient, node: httpx.Client, tmp_path: Path
) -> None:
    """The old one answers until the new one is ready: every answer is of one of the two. A file that is no graph, and
    two loads at once, cost nobody an answer either."""
    negative, absolute = content(tmp_path, "Neg"), content(tmp_path, "Abs")
    load(client, "moving", negative)
    message = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [4, 4, 4]}]}
    seen: list[tuple[int, float]] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.002):
            got = node.post("/v2/models/moving/infer", json=message)
            seen.append((got.status_code, got.json()["outputs"][0]["data"][0] if got.is_success else 0.0))

    def again(graph: bytes) -> httpx.Response:
        files = {"file:1/model.onnx": base64.b64encode(graph).decode()}
        return node.post("/v2/repository/models/moving/load", json={"parameters": files})

    with ThreadPoolExecutor(4) as pool:
        askers = [pool.submit(ask) for _ in range(2)]
        try:
            load(client, "moving", absolute)
            with pytest.raises(InferenceServerException, match="moving"):
                load(client, "moving", b"no graph at all")
            assert [got.status_code for got in pool.map(again, (negative, absolute))] == [200, 200]
        finally:
            over.set()
        for asker in askers:
            asker.result()
    assert {status for status, _ in seen} == {200}
    assert {value for _, value in seen} <= {-4, 4}
    assert answer(client, "moving") in (-4, 4)
    client.unload_model("moving")


@proves("load", "unload")
@pytest.mark.parametrize(
    ("line", "body", "status"),
    [
        ("POST /v2/repository/models/none/load", b"{}", 404),
        ("POST /v2/repository/models/none/unload", b"{}", 404),
        ("POST /v2/repository/models/x/load", b'{"parameters":{"file:1/model.onnx":"%"}}', 400),
        ("POST /v2/repository/models/x/load", b'{"parameters":{"file:../../x":"QQ=="}}', 400),
        ("POST /v2/repository/models/x/load", b'{"parameters":{"config":"{"}}', 400),
        ("POST /v2/repository/models/x/load", b"[]", 400),
        ("POST /v2/repository/other/index", b"", 404),
    ],
)
def test_what_cannot_be_loaded_is_refused(address: Address, line: str, body: bytes, status: int) -> None:
    """Unknown models and repositories, files that lead elsewhere, broken base64 and JSON."""
    refused = exchange(address, line, body)
    assert (refused.status, list(refused.json())) == (status, ["error"])
