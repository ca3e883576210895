"""System shared memory by Triton's clients and their own utilities: tensors that no socket carries."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException, serialize_byte_tensor
from tritonclient.utils import shared_memory as shm

from tests.conformance.calls import proves
from tests.conformance.graphs import write_all
from tests.conformance.samples import SAMPLES, Array, same
from tests.crowd import PATIENCE_S, eventually
from tests.e2e.conftest import Node
from tests.server.conftest import running, served, wait_ready

STEPS = (15_000, 60_000, 240_000)
"""Of the model `slow`: most of a second, and more where that is over too soon."""

Region = Callable[[str, int], Any]


class Api(NamedTuple):
    """One of Triton's clients, the module with its types, and how it writes statuses."""

    client: Any
    types: Any
    invalid: str
    not_found: str
    unsupported: str

    def infer(self, model: str, datatype: str, array: Array, size: int) -> Any:
        """The tensor in region `in`, the answer wanted in region `out`."""
        put = self.types.InferInput("x", list(array.shape), datatype)
        put.set_shared_memory("in", size)
        wanted = self.types.InferRequestedOutput("y")
        wanted.set_shared_memory("out", size)
        return self.client.infer(model, [put], outputs=[wanted])

    def listed(self, name: str = "") -> list[tuple[str, str, int, int]]:
        """Name, key, offset and size of what is registered, in alphabetical order."""
        if self.types is over_http:
            rows = self.client.get_system_shared_memory_status(name)
            return sorted((one["name"], one["key"], one["offset"], one["byte_size"]) for one in rows)
        regions = self.client.get_system_shared_memory_status(name).regions
        return sorted((one.name, one.key, one.offset, one.byte_size) for one in regions.values())


def in_flight(server: Node) -> float:
    """Requests of the model `slow`."""
    return server.metric("freehold_model_requests_in_flight", model="slow")


def refusal(call: Callable[[], object]) -> str:
    """Why a call is refused; "" where it is not."""
    try:
        call()
    except InferenceServerException as error:
        return str(error)
    return ""


@pytest.fixture(params=["http", "grpc"])
def api(request: pytest.FixtureRequest, url: str, grpc_address: str) -> Iterator[Api]:
    """The client of each transport; what it registered is unregistered in the end."""
    if request.param == "http":
        made = Api(over_http.InferenceServerClient(url.removeprefix("http://")), over_http, "400", "404", "501")
    else:
        words = [f"StatusCode.{name}" for name in ("INVALID_ARGUMENT", "NOT_FOUND", "UNIMPLEMENTED")]
        made = Api(over_grpc.InferenceServerClient(grpc_address), over_grpc, *words)
    with made.client:
        yield made
        made.client.unregister_system_shared_memory()


@pytest.fixture
def region(api: Api, region_key: str) -> Iterator[Region]:
    """`region("in", 64)` creates an object of that size and registers all of it under that name."""
    with ExitStack() as stack:

        def make(name: str, size: int) -> Any:
            handle = shm.create_shared_memory_region(name, f"{region_key}_{name}", size, create_only=True)
            stack.callback(shm.destroy_shared_memory_region, handle)
            api.client.register_system_shared_memory(name, f"{region_key}_{name}", size)
            return handle

        yield make


@proves("infer shared", "shared register", over="both")
@pytest.mark.parametrize("datatype", [name for name in SAMPLES if name != "BF16"])
def test_every_datatype_infers_through_regions(api: Api, region: Region, datatype: str) -> None:
    """In by one region, out by another; the answer itself has no data."""
    array = SAMPLES[datatype]
    content = serialize_byte_tensor(array) if array.dtype == object else array
    size = len(content.item()) if array.dtype == object else array.nbytes
    given, out = region("in", size), region("out", size)
    shm.set_shared_memory_region(given, [content])
    answer = api.infer(f"echo_{datatype.lower()}", datatype, array, size)
    if api.types is over_http:
        assert "data" not in answer.get_output("y")
        assert answer.get_output("y")["parameters"]["shared_memory_byte_size"] == size
    else:
        assert answer.get_output("y").parameters["shared_memory_byte_size"].int64_param == size
        assert list(answer.get_response().raw_output_contents) == [b""]
    kind = array.dtype if array.dtype != object else np.object_
    assert same(shm.get_contents_as_numpy(out, kind, array.shape), array)


@proves("infer shared", over="both")
def test_parts_of_one_region_hold_inputs_and_outputs(api: Api, region: Region) -> None:
    """Offsets on both sides, and a second output beside them in the answer."""
    both = region("all", 48)
    shm.set_shared_memory_region(both, [np.full((1, 4), 5, np.float32), np.full((1, 4), 3, np.float32)])
    inputs = []
    for name, offset in (("a", 0), ("b", 16)):
        put = api.types.InferInput(name, [1, 4], "FP32")
        put.set_shared_memory("all", 16, offset)
        inputs.append(put)
    total = api.types.InferRequestedOutput("sum")
    total.set_shared_memory("all", 16, 32)
    answer = api.client.infer("pair", inputs, outputs=[total, api.types.InferRequestedOutput("difference")])
    assert shm.get_contents_as_numpy(both, np.float32, [1, 4], 32).tolist() == [[8] * 4]
    assert answer.as_numpy("difference").tolist() == [[2] * 4]


@proves("shared status", "shared register", "shared unregister", over="both")
def test_regions_are_listed_and_forgotten(api: Api, region: Region, region_key: str) -> None:
    """One, all, after one is gone, after all are; what is not there is no error to unregister, but to ask for."""
    region("first", 64)
    region("second", 32)
    assert [name for name, *_ in api.listed()] == ["first", "second"]
    assert api.listed("second") == [("second", f"{region_key}_second", 0, 32)]
    api.client.unregister_system_shared_memory("first")
    api.client.unregister_system_shared_memory("first")
    assert [name for name, *_ in api.listed()] == ["second"]
    with pytest.raises(InferenceServerException, match="Unable to find system shared memory region") as caught:
        api.listed("first")
    assert caught.value.status() == api.not_found
    api.client.unregister_system_shared_memory()
    assert api.listed() == []


@proves("shared register", over="both")
def test_what_cannot_be_registered_is_refused(api: Api, region: Region, region_key: str) -> None:
    """A name twice, beyond the object, an object that is not there, or not of an allowed prefix."""
    region("in", 64)
    for name, key, size, offset, words in (
        ("in", f"{region_key}_in", 64, 0, "already in manager"),
        ("new", f"{region_key}_in", 65, 0, "failed to register shared memory region 'new': invalid args"),
        ("new", f"{region_key}_in", 1, 64, "failed to register shared memory region 'new': invalid args"),
        ("new", f"{region_key}_gone", 64, 0, "Unable to open shared memory region"),
        ("new", "/other", 64, 0, "Cannot register shared memory region"),
        ("new", f"{region_key}/../../../etc/passwd", 1, 0, "Cannot register shared memory region"),
    ):
        with pytest.raises(InferenceServerException, match=words) as caught:
            api.client.register_system_shared_memory(name, key, size, offset)
        assert caught.value.status() == api.invalid


@proves("infer shared", over="both")
def test_use_beyond_a_region_is_refused(api: Api, region: Region) -> None:
    """Unknown, too small for the input, too small for the output; and nothing is written."""
    given, out = region("in", 12), region("out", 8)
    row = np.ones((1, 3), np.float32)
    shm.set_shared_memory_region(given, [row])
    with pytest.raises(InferenceServerException, match="Invalid offset \\+ byte size"):
        api.infer("row", "FP32", row, 12)
    assert shm.get_contents_as_numpy(out, np.float32, [2]).tolist() == [0, 0]
    api.client.unregister_system_shared_memory("in")
    with pytest.raises(InferenceServerException, match="Unable to find") as caught:
        api.infer("row", "FP32", row, 8)
    assert caught.value.status() == api.not_found


@proves("infer shared", "errors", over="both")
def test_tensors_that_are_larger_than_a_body_may_be_are_refused(api: Api, region: Region) -> None:
    """The limit of bodies holds, with its setting named: nobody else is answered while a tensor is copied."""
    region("in", (8 << 20) + 4)
    region("out", 4)
    with pytest.raises(InferenceServerException, match=r"limits\.body_mb"):
        api.infer("echo_fp32", "FP32", np.empty((1, (2 << 20) + 1), np.float32), (8 << 20) + 4)


@proves("infer shared", over="both")
def test_an_object_that_shrinks_or_goes_harms_nobody(api: Api, region: Region, region_key: str, server: Node) -> None:
    """A server that had mapped it would die by SIGBUS; this one answers 400, goes on, and holds nothing of it."""
    given, _ = region("in", 1 << 16), region("out", 1 << 16)
    shm.set_shared_memory_region(given, [np.ones((1, 3), np.float32)])
    row = np.ones((1, 3), np.float32)
    api.infer("row", "FP32", row, 12)
    os.truncate(f"/dev/shm{region_key}_in", 4)
    with pytest.raises(InferenceServerException, match="shrank") as caught:
        api.infer("row", "FP32", row, 12)
    assert caught.value.status() == api.invalid
    os.truncate(f"/dev/shm{region_key}_in", 1 << 16)
    os.truncate(f"/dev/shm{region_key}_out", 0)
    with pytest.raises(InferenceServerException, match="shrank"):
        api.infer("row", "FP32", row, 12)
    assert server.metric("freehold_request_memory_used_bytes") == 0


@proves("shared unregister", over="both")
def test_a_region_in_use_is_forgotten_when_its_request_has_ended(
    api: Api, region: Region, server: Node, url: str, grpc_address: str, region_key: str
) -> None:
    """Meanwhile it is listed and its name taken, and the request is answered into it."""
    size = 4 * 65536
    given, out = region("in", size), region("out", size)
    shm.set_shared_memory_region(given, [np.ones((1, 65536), np.float32)])
    put, wanted = api.types.InferInput("x", [1, 65536], "FP32"), api.types.InferRequestedOutput("y")
    put.set_shared_memory("in", size)
    wanted.set_shared_memory("out", size)
    address = grpc_address if api.types is over_grpc else url.removeprefix("http://")
    for times in STEPS:
        steps = api.types.InferInput("steps", [1], "INT64")
        steps.set_data_from_numpy(np.array([times]))
        with api.types.InferenceServerClient(address) as elsewhere, ThreadPoolExecutor(1) as pool:
            asked = pool.submit(elsewhere.infer, "slow", [steps, put], outputs=[wanted])
            eventually(lambda asked=asked: asked.done() or in_flight(server) == 1, "in flight, or over")
            api.client.unregister_system_shared_memory()
            listed = [name for name, *_ in api.listed()]
            taken = refusal(lambda: api.client.register_system_shared_memory("in", f"{region_key}_in", size))
            if not asked.done():  # else it ended too soon to show anything
                break
        api.client.unregister_system_shared_memory()
        eventually(lambda: not api.listed(), "forgotten")
        for name in ("in", "out"):
            api.client.register_system_shared_memory(name, f"{region_key}_{name}", size)
    assert listed == ["in", "out"]
    assert "already in manager" in taken
    assert asked.result(PATIENCE_S)
    assert 0 < shm.get_contents_as_numpy(out, np.float32, [1, 65536])[0, 0] < 1
    assert eventually(lambda: not api.listed(), "forgotten")


@proves("cuda shared", over="both")
def test_cuda_shared_memory_is_told_to_be_absent(api: Api) -> None:
    """Status, register and unregister."""
    for call in (
        api.client.get_cuda_shared_memory_status,
        api.client.unregister_cuda_shared_memory,
        lambda: api.client.register_cuda_shared_memory("r", b"aGFuZGxl", 0, 64),
    ):
        with pytest.raises(InferenceServerException, match="CUDA shared memory is not offered") as caught:
            call()
        assert caught.value.status() == api.unsupported


@proves("shared status", "shared register", "shared unregister", "infer shared")
def test_it_is_off_unless_a_prefix_is_allowed(tmp_path_factory: pytest.TempPathFactory, region_key: str) -> None:
    """Every call of it is 501, and the server does not name the extension."""
    graph = write_all(tmp_path_factory.mktemp("off"))["row"]
    put = {"name": "x", "shape": [1, 3], "datatype": "FP32"}
    put["parameters"] = {"shared_memory_region": "in", "shared_memory_byte_size": 12}
    region = json.dumps({"key": region_key, "byte_size": 12})
    with running([served("row", graph)]) as url, httpx.Client(base_url=url, trust_env=False) as node:
        wait_ready(node)
        assert "system_shared_memory" not in node.get("/v2").json()["extensions"]
        answers = [
            node.get("/v2/systemsharedmemory/status"),
            node.post("/v2/systemsharedmemory/unregister"),
            node.post("/v2/systemsharedmemory/region/in/register", content=region),
            node.post("/v2/models/row/infer", json={"inputs": [put]}),
        ]
    for answer in answers:
        assert (answer.status_code, list(answer.json())) == (501, ["error"])
