"""System shared memory by Triton's client and its own utilities: tensors that no socket carries."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, serialize_byte_tensor
from tritonclient.utils import shared_memory as shm

from tests.conformance.calls import proves
from tests.conformance.graphs import write_all
from tests.conformance.samples import SAMPLES, Array, same
from tests.server.conftest import running, served, wait_ready

Region = Callable[[str, int], Any]


@pytest.fixture
def client(url: str) -> Iterator[triton.InferenceServerClient]:
    """The client; what it registered is unregistered in the end."""
    with triton.InferenceServerClient(url.removeprefix("http://")) as connected:
        yield connected
        connected.unregister_system_shared_memory()


@pytest.fixture
def region(client: triton.InferenceServerClient, region_key: str) -> Iterator[Region]:
    """`region("in", 64)` creates an object of that size and registers all of it under that name."""
    with ExitStack() as stack:

        def make(name: str, size: int) -> Any:
            handle = shm.create_shared_memory_region(name, f"{region_key}_{name}", size, create_only=True)
            stack.callback(shm.destroy_shared_memory_region, handle)
            client.register_system_shared_memory(name, f"{region_key}_{name}", size)
            return handle

        yield make


def infer(client: triton.InferenceServerClient, model: str, datatype: str, array: Array, size: int) -> Any:
    """The tensor in region `in`, the answer wanted in region `out`."""
    put = triton.InferInput("x", list(array.shape), datatype)
    put.set_shared_memory("in", size)
    wanted = triton.InferRequestedOutput("y")
    wanted.set_shared_memory("out", size)
    return client.infer(model, [put], outputs=[wanted])


@proves("infer shared", "shared register")
@pytest.mark.parametrize("datatype", [name for name in SAMPLES if name != "BF16"])
def test_every_datatype_infers_through_regions(
    client: triton.InferenceServerClient, region: Region, datatype: str
) -> None:
    """In by one region, out by another; the answer itself has no data."""
    array = SAMPLES[datatype]
    content = serialize_byte_tensor(array) if array.dtype == object else array
    size = len(content.item()) if array.dtype == object else array.nbytes
    given, out = region("in", size), region("out", size)
    shm.set_shared_memory_region(given, [content])
    output = infer(client, f"echo_{datatype.lower()}", datatype, array, size).get_output("y")
    assert "data" not in output
    assert output["parameters"]["shared_memory_byte_size"] == size
    kind = array.dtype if array.dtype != object else np.object_
    assert same(shm.get_contents_as_numpy(out, kind, array.shape), array)


@proves("infer shared")
def test_parts_of_one_region_hold_inputs_and_outputs(client: triton.InferenceServerClient, region: Region) -> None:
    """Offsets on both sides, and a second output beside them in the answer."""
    both = region("all", 48)
    shm.set_shared_memory_region(both, [np.full((1, 4), 5, np.float32), np.full((1, 4), 3, np.float32)])
    inputs = []
    for name, offset in (("a", 0), ("b", 16)):
        put = triton.InferInput(name, [1, 4], "FP32")
        put.set_shared_memory("all", 16, offset)
        inputs.append(put)
    total = triton.InferRequestedOutput("sum")
    total.set_shared_memory("all", 16, 32)
    answer = client.infer("pair", inputs, outputs=[total, triton.InferRequestedOutput("difference")])
    assert shm.get_contents_as_numpy(both, np.float32, [1, 4], 32).tolist() == [[8] * 4]
    assert answer.as_numpy("difference").tolist() == [[2] * 4]


@proves("shared status", "shared register", "shared unregister")
def test_regions_are_listed_and_forgotten(
    client: triton.InferenceServerClient, region: Region, region_key: str
) -> None:
    """One, all, after one is gone, after all are; what is not there is no error to unregister, but to ask for."""
    region("first", 64)
    region("second", 32)
    assert [one["name"] for one in client.get_system_shared_memory_status()] == ["first", "second"]
    assert client.get_system_shared_memory_status("second") == [
        {"name": "second", "key": f"{region_key}_second", "offset": 0, "byte_size": 32}
    ]
    client.unregister_system_shared_memory("first")
    client.unregister_system_shared_memory("first")
    assert [one["name"] for one in client.get_system_shared_memory_status()] == ["second"]
    with pytest.raises(InferenceServerException, match="Unable to find system shared memory region") as caught:
        client.get_system_shared_memory_status("first")
    assert caught.value.status() == "404"
    client.unregister_system_shared_memory()
    assert client.get_system_shared_memory_status() == []


@proves("shared register")
def test_what_cannot_be_registered_is_refused(
    client: triton.InferenceServerClient, region: Region, region_key: str
) -> None:
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
            client.register_system_shared_memory(name, key, size, offset)
        assert caught.value.status() == "400"


@proves("infer shared")
def test_use_beyond_a_region_is_refused(client: triton.InferenceServerClient, region: Region) -> None:
    """Unknown, too small for the input, too small for the output; and nothing is written."""
    given, out = region("in", 12), region("out", 8)
    row = np.ones((1, 3), np.float32)
    shm.set_shared_memory_region(given, [row])
    with pytest.raises(InferenceServerException, match="Invalid offset \\+ byte size"):
        infer(client, "row", "FP32", row, 12)
    assert shm.get_contents_as_numpy(out, np.float32, [2]).tolist() == [0, 0]
    client.unregister_system_shared_memory("in")
    with pytest.raises(InferenceServerException, match="Unable to find") as caught:
        infer(client, "row", "FP32", row, 8)
    assert caught.value.status() == "404"


@proves("infer shared")
def test_an_object_that_shrinks_or_goes_harms_nobody(
    client: triton.InferenceServerClient, region: Region, region_key: str
) -> None:
    """A server that had mapped it would die by SIGBUS; this one answers 400, and goes on."""
    given, _ = region("in", 1 << 16), region("out", 1 << 16)
    shm.set_shared_memory_region(given, [np.ones((1, 3), np.float32)])
    row = np.ones((1, 3), np.float32)
    infer(client, "row", "FP32", row, 12)
    os.truncate(f"/dev/shm{region_key}_in", 4)
    with pytest.raises(InferenceServerException, match="shrank") as caught:
        infer(client, "row", "FP32", row, 12)
    assert caught.value.status() == "400"
    os.truncate(f"/dev/shm{region_key}_in", 1 << 16)
    os.truncate(f"/dev/shm{region_key}_out", 0)
    with pytest.raises(InferenceServerException, match="shrank"):
        infer(client, "row", "FP32", row, 12)
    assert client.is_server_live()


@proves("cuda shared")
def test_cuda_shared_memory_is_told_to_be_absent(client: triton.InferenceServerClient) -> None:
    """Status, register and unregister."""
    for call in (
        client.get_cuda_shared_memory_status,
        client.unregister_cuda_shared_memory,
        lambda: client.register_cuda_shared_memory("r", b"handle", 0, 64),
    ):
        with pytest.raises(InferenceServerException, match="CUDA shared memory is not offered") as caught:
            call()
        assert caught.value.status() == "501"


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
