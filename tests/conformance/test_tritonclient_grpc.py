"""Triton's own gRPC client, and its client of asyncio: the calls that the HTTP clients make, and streams."""

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from tests.conformance.calls import proves
from tests.conformance.graphs import Port, write
from tests.conformance.samples import SAMPLES, same

PATIENCE_S = 20


@pytest.fixture(scope="module")
def client(grpc_address: str) -> Iterator[triton.InferenceServerClient]:
    """The client, connected to the server."""
    with triton.InferenceServerClient(grpc_address) as connected:
        yield connected


def given(datatype: str) -> triton.InferInput:
    """The sample of a datatype as an input."""
    put = triton.InferInput("x", list(SAMPLES[datatype].shape), datatype)
    put.set_data_from_numpy(SAMPLES[datatype])
    return put


def row(first: float, columns: int = 3) -> triton.InferInput:
    """One row of one value for the model `row`."""
    put = triton.InferInput("x", [1, columns], "FP32")
    put.set_data_from_numpy(np.full((1, columns), first, np.float32))
    return put


@proves("infer binary", over="gRPC")
@pytest.mark.parametrize("datatype", SAMPLES)
def test_every_datatype_infers(client: triton.InferenceServerClient, datatype: str) -> None:
    """Raw contents in, raw contents out; id, name and version come back."""
    answer = client.infer(f"echo_{datatype.lower()}", [given(datatype)], request_id="a 7", model_version="1")
    assert same(answer.as_numpy("y"), SAMPLES[datatype])
    response = answer.get_response()
    assert (response.id, response.model_name, response.model_version) == ("a 7", f"echo_{datatype.lower()}", "1")


@proves("infer binary", over="gRPC")
def test_some_or_all_of_several_outputs_are_given(client: triton.InferenceServerClient) -> None:
    """Without a wish all of them, else those that were named."""
    inputs = []
    for name, value in (("a", 5), ("b", 3)):
        put = triton.InferInput(name, [2, 4], "FP32")
        put.set_data_from_numpy(np.full((2, 4), value, np.float32))
        inputs.append(put)
    answer = client.infer("pair", inputs)
    assert [answer.as_numpy(name)[1, 3] for name in ("sum", "difference")] == [8, 2]
    answer = client.infer("pair", inputs, outputs=[triton.InferRequestedOutput("difference")])
    assert answer.as_numpy("sum") is None


@proves("infer binary", over="gRPC")
def test_a_tensor_of_no_rows_infers(client: triton.InferenceServerClient) -> None:
    """No bytes at all."""
    put = triton.InferInput("x", [0, 3], "FP32")
    put.set_data_from_numpy(np.empty((0, 3), np.float32))
    assert client.infer("row", [put]).as_numpy("y").shape == (0, 3)


@proves("infer binary", over="gRPC")
def test_large_tensors_side_by_side_infer(client: triton.InferenceServerClient) -> None:
    """Each larger than what a connection may send ahead, so that none is whole before parts of the others came."""
    answers: queue.Queue[tuple[triton.InferResult | None, InferenceServerException | None]] = queue.Queue()
    for value in range(6):
        put = triton.InferInput("x", [1, 500_000], "FP32")
        put.set_data_from_numpy(np.full((1, 500_000), value, np.float32))
        client.async_infer("echo_fp32", [put], callback=lambda result, error: answers.put((result, error)))
    seen = [answers.get(timeout=PATIENCE_S) for _ in range(6)]
    assert [error for _, error in seen if error is not None] == []
    assert sorted(result.as_numpy("y")[0, -1] for result, _ in seen if result is not None) == list(range(6))


@proves("compression", over="gRPC")
@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_packed_messages_infer(client: triton.InferenceServerClient, packing: str) -> None:
    """By gRPC's own compression."""
    answer = client.infer("echo_fp32", [given("FP32")], compression_algorithm=packing)
    assert same(answer.as_numpy("y"), SAMPLES["FP32"])


@proves("live", "ready", "model ready", "server metadata", "model metadata", "versions", over="gRPC")
def test_health_and_metadata_are_told(client: triton.InferenceServerClient) -> None:
    """Of the server, a model, a version."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("row", "1")
    assert client.get_server_metadata().name == "freehold"
    metadata = client.get_model_metadata("pair", "1")
    assert (metadata.name, list(metadata.versions), metadata.platform) == ("pair", ["1"], "onnx_onnxv1")
    assert [(one.name, one.datatype, list(one.shape)) for one in metadata.inputs] == [
        ("a", "FP32", [-1, 4]),
        ("b", "FP32", [-1, 4]),
    ]
    with pytest.raises(InferenceServerException, match="version"):
        client.get_model_metadata("pair", "2")


@proves("config", "statistics", over="gRPC")
def test_configuration_and_statistics_are_told(client: triton.InferenceServerClient) -> None:
    """The messages of Triton's extensions, filled."""
    config = client.get_model_config("pair").config
    assert [(one.name, list(one.dims)) for one in config.input] == [("a", [4]), ("b", [4])]
    assert (config.dynamic_batching.priority_levels, config.dynamic_batching.default_priority_level) == (2, 1)
    before = client.get_inference_statistics("row").model_stats[0].inference_count
    client.infer("row", [row(1)])
    after = client.get_inference_statistics("row", "1").model_stats[0]
    assert after.inference_count == before + 1
    assert after.inference_stats.success.count >= 1


@proves("classification", over="gRPC")
def test_the_best_classes_are_given_as_texts(client: triton.InferenceServerClient) -> None:
    """`value:index`, the best first."""
    put = triton.InferInput("x", [1, 3], "FP32")
    put.set_data_from_numpy(np.array([[1, 3, 2]], np.float32))
    answer = client.infer("row", [put], outputs=[triton.InferRequestedOutput("y", class_count=2)])
    assert [text.decode().split(":")[1] for text in answer.as_numpy("y").ravel()] == ["1", "2"]


@proves("index", "load", "unload", over="gRPC")
def test_a_model_is_loaded_with_its_files_and_unloaded(client: triton.InferenceServerClient, tmp_path: Path) -> None:
    """It answers, stands in the index as READY, and is gone; a load that fails says why."""
    ports: list[Port] = [(port, TensorProto.FLOAT, ("n", 3)) for port in ("x", "y")]
    graph = write(tmp_path / "model.onnx", ports[:1], ports[1:], [("Neg", "x", "y")])
    client.load_model("caller", config="{}", files={"file:1/model.onnx": graph.read_bytes()})
    assert client.infer("caller", [row(4)]).as_numpy("y")[0, 0] == -4
    states = {one.name: one.state for one in client.get_model_repository_index().models}
    assert states["caller"] == "READY"
    with pytest.raises(InferenceServerException, match="caller"):
        client.load_model("caller", config="{}", files={"file:1/model.onnx": b"no graph at all"})
    client.unload_model("caller")
    with pytest.raises(InferenceServerException):
        client.infer("caller", [row(4)])


@proves("errors", over="gRPC")
@pytest.mark.parametrize(
    ("model", "version", "columns", "status"),
    [("none", "", 3, "NOT_FOUND"), ("row", "7", 3, "NOT_FOUND"), ("row", "", 4, "INVALID_ARGUMENT")],
)
def test_errors_have_a_status_and_our_words(
    client: triton.InferenceServerClient, model: str, version: str, columns: int, status: str
) -> None:
    """Unknown model, unknown version, wrong shape."""
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [row(1, columns)], model_version=version)
    assert caught.value.status() == f"StatusCode.{status}"
    assert caught.value.message()


@proves("infer stream", over="gRPC")
def test_a_stream_answers_in_order_and_survives_an_error(client: triton.InferenceServerClient) -> None:
    """Requests on one stream; one of them is wrong, and those behind it are answered."""
    answers: queue.Queue[tuple[triton.InferResult | None, InferenceServerException | None]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for value in range(4):
        client.async_stream_infer("row", [row(value, 4 if value == 2 else 3)], request_id=str(value))
    seen = [answers.get(timeout=PATIENCE_S) for _ in range(4)]
    client.stop_stream()
    assert [None if result is None else result.as_numpy("y")[0, 0] for result, _ in seen] == [0, 1, None, 3]
    assert "shape" in str(seen[2][1])


@proves("infer binary", "infer stream", "live", "ready", "model ready", "server metadata", "errors", over="gRPC")
def test_the_client_of_asyncio_does_the_same(grpc_address: str) -> None:
    """All datatypes side by side, a stream, health, an error."""

    async def calls() -> None:
        async with triton_aio.InferenceServerClient(grpc_address) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready("row")
            assert (await client.get_server_metadata()).name == "freehold"
            answers = await asyncio.gather(
                *(client.infer(f"echo_{datatype.lower()}", [given(datatype)]) for datatype in SAMPLES)
            )
            for datatype, answer in zip(SAMPLES, answers, strict=True):
                assert same(answer.as_numpy("y"), SAMPLES[datatype]), datatype
            with pytest.raises(InferenceServerException, match="none"):
                await client.infer("none", [row(1)])

            async def requests() -> AsyncIterator[dict[str, Any]]:
                for value in range(3):
                    yield {"model_name": "row", "inputs": [row(value)]}

            firsts = [answer.as_numpy("y")[0, 0] async for answer, error in client.stream_infer(requests()) if answer]
            assert firsts == [0, 1, 2]

    asyncio.run(calls())
