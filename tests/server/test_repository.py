"""Index, load and unload over REST."""

import base64
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from freehold.errors import FreeholdError
from freehold.protocol.oip_repository import Wanted
from freehold.server.models import Models, Offer, Override
from freehold.server.repository import files_of, settings_of
from tests.server.conftest import running, served, wait_ready


class Shelf:
    """Graphs on disk by name; files that come with a load take their place."""

    def __init__(self, folder: Path, graphs: Mapping[str, Path]) -> None:
        self.asked: list[Override] = []
        self._folder = folder
        self._graphs = graphs

    def offer(self, model: str, override: Override) -> Offer:
        self.asked.append(override)
        graphs = {"1": self._graphs[model]} if model in self._graphs else {}
        for path, content in override.files.items():
            version = path.split("/")[0]
            graphs[version] = self._folder / f"{model}-{len(self.asked)}-{version}.onnx"
            graphs[version].write_bytes(content)
        if not graphs:
            raise FreeholdError("model_not_found", model=model, served="none")
        return Offer([served(model, graph, version) for version, graph in graphs.items()])

    def forget(self, model: str) -> None:
        """There is nothing to forget."""


@pytest.fixture
def shelf(tmp_path: Path, model_paths: dict[str, Path]) -> Shelf:
    """Where the node takes models from."""
    return Shelf(tmp_path, {"int8": model_paths["int8"]})


@pytest.fixture
def node(shelf: Shelf, model_paths: dict[str, Path], tmp_path: Path) -> Iterator[httpx.Client]:
    """A node with one model that answers and one that failed."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    began = [served("fp32", model_paths["fp32"]), served("broken", broken)]
    with (
        running(Models(began, repository=shelf)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=30) as client,
    ):
        wait_ready(client)
        yield client


@pytest.fixture
def client(node: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    """Triton's own client of that node."""
    with triton.InferenceServerClient(node.base_url.netloc.decode()) as connected:
        yield connected


def states(client: triton.InferenceServerClient) -> dict[str, str]:
    return {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}


def test_an_index_says_what_is_ready_and_why_the_rest_is_not(
    client: triton.InferenceServerClient, node: httpx.Client
) -> None:
    """Every version with its state, in the words of the log; those that answer alone where a client asks so."""
    entries = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert entries["fp32"] == {"name": "fp32", "version": "1", "state": "READY", "reason": ""}
    assert entries["broken"]["state"] == "UNAVAILABLE"
    assert "broken.onnx" in entries["broken"]["reason"]
    for path in ("/v2/repository/index", "/v2/repository/freehold/index"):
        assert [entry["name"] for entry in node.post(path, json={"ready": True}).json()] == ["fp32"]


def test_a_model_is_loaded_answers_and_is_unloaded(client: triton.InferenceServerClient) -> None:
    """By Triton's client; unloaded it is no more ready, and what a load overrides is known."""
    client.load_model("int8")
    assert states(client)["int8"] == "READY"
    given = triton.InferInput("x", [1, 3], "INT8")
    given.set_data_from_numpy(np.array([[1, 2, 3]], np.int8))
    assert client.infer("int8", [given]).as_numpy("y").tolist() == [[1, 2, 3]]
    client.unload_model("int8", unload_dependents=True)
    assert not client.is_model_ready("int8")
    client.load_model("int8")
    assert client.is_model_ready("int8")


def test_files_and_a_configuration_come_with_a_load(
    client: triton.InferenceServerClient, shelf: Shelf, model_paths: dict[str, Path]
) -> None:
    """The files are the model, versions and all; the configuration goes before what is known of it."""
    config = json.dumps({"max_batch_size": 8, "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [3]}]})
    graph = model_paths["fp32"].read_bytes()
    client.load_model("fresh", config=config, files={"file:1/model.onnx": graph, "file:3/model.onnx": graph})
    assert [entry["version"] for entry in client.get_model_repository_index() if entry["name"] == "fresh"] == ["1", "3"]
    assert client.get_model_metadata("fresh")["versions"] == ["1", "3"]
    assert shelf.asked[0].settings == {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}]}
    assert client.is_model_ready("fresh", "3")


def test_what_cannot_be_loaded_says_why(client: triton.InferenceServerClient, node: httpx.Client) -> None:
    """By the error, and a model that answered before goes on."""
    with pytest.raises(InferenceServerException, match="model_not_found"):
        client.load_model("nowhere")
    with pytest.raises(InferenceServerException, match="model_unusable"):
        client.load_model("fp32", config="{}", files={"file:1/model.onnx": b"no graph"})
    assert client.is_model_ready("fp32")
    with pytest.raises(InferenceServerException, match="model_not_found"):
        client.unload_model("nowhere")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v2/repository/index", b"[", 400),
        ("/v2/repository/index", b'{"ready": 1}', 400),
        ("/v2/repository/other/index", b"", 404),
        ("/v2/repository/models/int8/load", b'{"parameters": {"config": "{"}}', 400),
        ("/v2/repository/models/int8/load", b'{"parameters": {"file:../x": ""}}', 400),
        ("/v2/repository/models/int8/load", b'{"parameters": {"other": 1}}', 501),
        ("/v2/repository/other/models/int8/load", b"", 404),
        ("/v2/repository/models/int8/unload", b'{"parameters": {"unload_dependents": 1}}', 400),
        ("/v2/repository/models/int8/reload", b"", 404),
    ],
)
def test_every_refusal_has_the_protocols_body(node: httpx.Client, path: str, body: bytes, status: int) -> None:
    """One string under `error`; nothing was loaded or unloaded."""
    answer = node.post(path, content=body)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert len(node.post("/v2/repository/index").json()) == 2


def test_a_load_has_no_other_method(node: httpx.Client) -> None:
    """405 names the one that there is; OPTIONS tells it beforehand."""
    answer = node.get("/v2/repository/models/int8/load")
    assert (answer.status_code, answer.headers["allow"], list(answer.json())) == (405, "OPTIONS, POST", ["error"])
    assert node.options("/v2/repository/index").headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ({}, {}),
        ({"name": "m", "backend": "onnxruntime", "platform": "onnxruntime_onnx", "instance_group": [{}]}, {}),
        (
            {"max_batch_size": 8, "input": [{"name": "x", "data_type": "TYPE_INT8", "dims": ["-1", "3"]}]},
            {"inputs": [{"name": "x", "datatype": "INT8", "shape": [-1, -1, 3]}]},
        ),
        (
            {"parameters": {"keep_alive": {"string_value": "5m"}, "device": "cpu"}},
            {"keep_alive": "5m", "device": "cpu"},
        ),
        (
            {"output": [{"name": "y", "data_type": "TYPE_STRING", "dims": [-1, 2]}]},
            {"outputs": [{"name": "y", "datatype": "BYTES", "shape": [-1, 2]}]},
        ),
    ],
)
def test_tritons_configuration_comes_to_our_settings(config: dict[str, Any], settings: dict[str, Any]) -> None:
    """Tensors and parameters; what has no effect in a `config.pbtxt` has none here."""
    assert settings_of("m", config) == settings


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, None),
        ({"version_policy": {}}, None),
        ({"version_policy": {"all": {}}}, "version_policy { all { } }"),
        ({"version_policy": {"latest": {"num_versions": 2}}}, "version_policy { latest { num_versions: 2 } }"),
        (
            {"version_policy": {"specific": {"versions": [1, "3"]}}},
            "version_policy { specific { versions: 1 versions: 3 } }",
        ),
        ({"default_model_filename": "m.onnx"}, 'default_model_filename: "m.onnx"'),
    ],
)
def test_a_configuration_says_which_versions_of_its_files_are_served(config: dict[str, Any], text: str | None) -> None:
    """In the words of Triton's own files; what lies elsewhere has its versions there."""
    files = {"1/model.onnx": b"", "3/model.onnx": b""}
    said = files_of("m", Wanted(config, files))
    assert said == (files if text is None else {**files, "config.pbtxt": text.encode()})
    assert files_of("m", Wanted(config, {})) == {}


@pytest.mark.parametrize(
    "config",
    [
        {"version_policy": {"newest": {}}},
        {"version_policy": {"specific": {"versions": "3"}}},
        {"version_policy": {"specific": {"versions": [True]}}},
        {"version_policy": {"latest": {"num_versions": "many"}}},
        {"default_model_filename": "../m.onnx"},
        {"default_model_filename": 7},
    ],
)
def test_versions_that_cannot_be_meant_are_refused(config: dict[str, Any]) -> None:
    """Before anything is loaded, with the field's name."""
    with pytest.raises(FreeholdError, match="load_config_invalid"):
        files_of("m", Wanted(config, {"1/model.onnx": b""}))


def test_a_configuration_as_it_is_told_loads_the_model_again(
    client: triton.InferenceServerClient, node: httpx.Client, shelf: Shelf
) -> None:
    """Clients read it, change a field and send it back; what it tells of the model beside that is no wish."""
    client.load_model("int8")
    config = node.get("/v2/models/int8/config").json()
    client.load_model("int8", config=json.dumps(config))
    inputs = [{"name": "x", "datatype": "INT8", "shape": [-1, 3]}]
    wished = {"kind": "tensor", "precision": "fp32", "inputs": inputs, "outputs": [{**inputs[0], "name": "y"}]}
    assert shelf.asked[-1].settings == wished


@pytest.mark.parametrize(
    "config",
    [
        {"name": "other"},
        {"backend": "tensorrt"},
        {"platform": 7},
        {"max_batch_size": "eight"},
        {"max_batch_size": -1},
        {"parameters": []},
        {"parameters": {"a": {"string_value": 7}}},
        {"input": {}},
        {"input": [{"name": "x"}]},
        {"input": ["x"]},
        {"output": [{"name": "y", "data_type": "FP32", "dims": [1]}]},
        {"input": [{"name": "x", "data_type": "TYPE_FP32", "dims": ["many"]}]},
        {"ensemble_scheduling": {"step": []}},
        {"sequence_batching": {}},
        {"maxBatchSize": 8},
    ],
)
def test_a_configuration_that_cannot_be_is_refused(config: dict[str, Any]) -> None:
    """Before anything is loaded, with what is wrong in it."""
    with pytest.raises(FreeholdError, match="load_config_invalid"):
        settings_of("m", config)


def test_a_body_is_read_for_the_graph_that_runs_it(node: httpx.Client, model_paths: dict[str, Path]) -> None:
    """Also where another one was loaded while it came: its datatype is the new one's."""
    text = json.dumps({"inputs": [{"name": "x", "shape": [1, 3], "datatype": "INT8", "data": [1, 2, 3]}]}).encode()
    address = (node.base_url.host, node.base_url.port)
    with socket.create_connection(address, timeout=30) as client:
        head = f"POST /v2/models/fp32/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text)}\r\n\r\n"
        client.sendall(head.encode() + text[:10])
        parameters = {"file:1/model.onnx": base64.b64encode(model_paths["int8"].read_bytes()).decode()}
        loaded = node.post("/v2/repository/models/fp32/load", json={"parameters": parameters})
        assert loaded.status_code == 200
        client.sendall(text[10:])
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert json.loads(answer.read())["outputs"][0]["datatype"] == "INT8"
