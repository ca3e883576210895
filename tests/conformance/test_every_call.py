"""Each of Triton's four clients through every call that it has, so that none of them is left out."""

import asyncio
import inspect
import queue
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException
from tritonclient.utils import shared_memory as shm

from tests.conformance.calls import proves
from tests.conformance.graphs import write_all
from tests.crowd import PATIENCE_S

MODULES: dict[str, Any] = {
    "http": tritonclient.http,
    "http.aio": tritonclient.http.aio,
    "grpc": tritonclient.grpc,
    "grpc.aio": tritonclient.grpc.aio,
}
OF_THE_CLIENT_ALONE = {
    "close",
    "generate_request_body",
    "parse_response_body",
    "plugin",
    "register_plugin",
    "unregister_plugin",
}
"""What its methods do without a server."""


class Client:
    """One of the four, called as if it were none of asyncio's; `called` are the names of the methods."""

    def __init__(self, kind: str, url: str, grpc_address: str, run: Callable[[Any], Any]) -> None:
        self.called: set[str] = set()
        self.types = MODULES[kind]
        self.is_http = kind.startswith("http")
        self._run = run
        address = url.removeprefix("http://") if self.is_http else grpc_address
        self._client = run(self._connected(address))
        self.methods = {name for name in dir(self._client) if not name.startswith("_")}

    async def _connected(self, address: str) -> Any:
        return self.types.InferenceServerClient(address)  # those of asyncio want its loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.called.add(name)
            result = method(*arguments, **named)
            return self._run(result) if inspect.iscoroutine(result) else result

        return call

    def read(self, name: str, *arguments: Any) -> Any:
        """The JSON of what a method answers."""
        return getattr(self, name)(*arguments, **({} if self.is_http else {"as_json": True}))

    def row(self) -> Any:
        """A row of fours."""
        put = self.types.InferInput("x", [1, 3], "FP32")
        put.set_data_from_numpy(np.full((1, 3), 4, np.float32))
        return put

    def first(self, model: str, **named: Any) -> Any:
        """The first number that a model makes of it."""
        return self.infer(model, [self.row()], **named).as_numpy("y")[0, 0]

    def behind(self, model: str) -> list[Any]:
        """The same where the client does not wait, and on a stream, as far as it has such calls."""
        answers: queue.Queue[Any] = queue.Queue()
        if "stream_infer" in self.methods:
            return list(self._run(self._streamed(model)))
        if self.is_http:
            asked = [self.async_infer(model, [self.row()])] if "async_infer" in self.methods else []
            return [one.get_result().as_numpy("y")[0, 0] for one in asked]
        self.async_infer(model, [self.row()], callback=lambda result, error: answers.put(result))
        self.start_stream(lambda result, error: answers.put(result))
        self.async_stream_infer(model, [self.row()])
        seen = [answers.get(timeout=PATIENCE_S).as_numpy("y")[0, 0] for _ in range(2)]
        self.stop_stream()
        return seen

    async def _streamed(self, model: str) -> list[Any]:
        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": model, "inputs": [self.row()]}

        self.called.add("stream_infer")
        return [result.as_numpy("y")[0, 0] async for result, _ in self._client.stream_infer(requests())]


@pytest.fixture(params=MODULES)
def client(request: pytest.FixtureRequest, url: str, grpc_address: str) -> Iterator[Client]:
    """Each of the four, connected."""
    with asyncio.Runner() as runner:
        made = Client(request.param, url, grpc_address, runner.run)
        yield made
        made.close()


@proves("live", "ready", "model ready", "server metadata", "model metadata", "config", "index", "load", over="both")
@proves("versions", "unload", "infer binary", "statistics", "classification", "compression", over="both")
@proves("shared status", "shared register", "shared unregister", "cuda shared", "errors", over="both")
@proves("infer stream", over="gRPC")
def test_every_call_of_a_client_is_answered(client: Client, region_key: str, tmp_path: Path) -> None:
    """Two versions of a model are loaded, looked at, asked and unloaded; what is not offered is refused."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.read("get_server_metadata")["name"] == "freehold"
    model = f"visitor_of_{'http' if client.is_http else 'grpc'}"
    graphs = write_all(tmp_path)
    files = {"file:1/model.onnx": graphs["Neg"].read_bytes(), "file:3/model.onnx": graphs["Abs"].read_bytes()}
    client.load_model(model, config='{"version_policy": {"all": {}}}', files=files)
    assert client.is_model_ready(model, "1")
    assert client.read("get_model_metadata", model)["versions"] == ["1", "3"]
    config = client.read("get_model_config", model, "3")
    assert config.get("config", config)["name"] == model
    assert [client.first(model, model_version=version) for version in ("1", "3", "")] == [-4, 4, 4]
    answers = client.behind(model)
    assert {*answers, 4} == {4}
    packing = {"request_compression_algorithm": "gzip"} if client.is_http else {"compression_algorithm": "gzip"}
    best = client.types.InferRequestedOutput("y", class_count=1)
    assert client.first(model, outputs=[best], **packing).startswith(b"4")
    stats = client.read("get_inference_statistics", model)["model_stats"]
    assert [int(one["inference_count"]) for one in stats] == [1, 3 + len(answers)]
    index = client.read("get_model_repository_index")
    rows = [(one["name"], one["version"], one["state"]) for one in (index if client.is_http else index["models"])]
    assert [row for row in rows if row[0] == model] == [(model, "1", "READY"), (model, "3", "READY")]
    client.unload_model(model)
    with pytest.raises(InferenceServerException):
        client.first(model)
    region = shm.create_shared_memory_region("every", region_key, 64, create_only=True)
    client.register_system_shared_memory("every", region_key, 64)
    assert "every" in str(client.read("get_system_shared_memory_status"))
    client.unregister_system_shared_memory("every")
    shm.destroy_shared_memory_region(region)
    for call, *arguments in (
        ("register_cuda_shared_memory", "r", b"aGFuZGxl", 0, 64),
        ("get_cuda_shared_memory_status",),
        ("unregister_cuda_shared_memory",),
        ("get_trace_settings",),
        ("update_trace_settings", "row", {"trace_level": "OFF"}),
        ("get_log_settings",),
        ("update_log_settings", {"log_info": True}),
    ):
        with pytest.raises(InferenceServerException) as refused:
            getattr(client, call)(*arguments)
        assert refused.value.status() in ("404", "501", "StatusCode.UNIMPLEMENTED"), call
    assert client.methods - client.called == OF_THE_CLIENT_ALONE & client.methods
