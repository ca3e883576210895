"""Every method of the Open Inference Protocol over gRPC, by Triton's client and by bare messages."""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from freehold.protocol.grpc.messages import message

Tensor = Callable[..., triton.InferInput]
Client = triton.InferenceServerClient
NUMPY = {
    "fp16": np.float16,
    "fp32": np.float32,
    "fp64": np.float64,
    "bool": np.bool_,
    **{f"{sign}int{bits}": np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


def refused(call: Callable[[], object]) -> tuple[str, str]:
    """The status and the code of the error that a call of Triton's client leads to."""
    with pytest.raises(InferenceServerException) as told:
        call()
    return told.value.status().removeprefix("StatusCode."), told.value.message().rpartition("[")[2].rstrip("]")


def test_the_server_says_what_it_is(client: Client) -> None:
    """Alive, ready, and the extensions that REST lists."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("fp32")
    about = client.get_server_metadata()
    assert about.name == "freehold"
    assert "model_configuration" in about.extensions


def test_a_model_says_what_it_is(client: Client) -> None:
    """Metadata, configuration and statistics, with the fields of REST."""
    about = client.get_model_metadata("fp32", "1")
    assert (about.name, about.platform, list(about.versions)) == ("fp32", "onnx_onnxv1", ["1"])
    assert [(one.name, one.datatype, list(one.shape)) for one in about.inputs] == [("x", "FP32", [-1, 3])]
    config = client.get_model_config("fp32").config
    assert (config.backend, config.input[0].data_type) == ("onnxruntime", 11)
    before = client.get_inference_statistics("fp32").model_stats[0].inference_stats.success.count
    x = triton.InferInput("x", [1, 3], "FP32")
    x.set_data_from_numpy(np.zeros((1, 3), np.float32))
    client.infer("fp32", [x])
    after = client.get_inference_statistics("fp32").model_stats[0].inference_stats.success.count
    assert after == before + 1
    assert len(client.get_inference_statistics().model_stats) > 1


@pytest.mark.parametrize("model", sorted(NUMPY))
def test_numbers_of_every_datatype_come_back(client: Client, tensor: Tensor, model: str) -> None:
    """Bit for bit, in one row, many, and none."""
    for rows in (1, 7, 0, 20_000 if model == "fp32" else 2):
        array = np.arange(rows * 3).reshape(rows, 3).astype(NUMPY[model])
        answer = client.infer(model, [tensor("x", array)], request_id="q")
        assert np.array_equal(answer.as_numpy("y"), array)
        assert answer.get_response().id == "q"
        assert answer.get_response().model_version == "1"


def test_texts_and_brain_floats_come_back(client: Client, open_node: Any, tensor: Tensor) -> None:
    """BYTES with their lengths, BF16 as the bits that came."""
    words = np.array([["a", "", "\u4f60\u597d"]], object)
    assert client.infer("bytes", [tensor("x", words)]).as_numpy("y").tolist() == [[b"a", b"", "\u4f60\u597d".encode()]]
    request = message("ModelInferRequest")(
        model_name="bf16",
        inputs=[{"name": "x", "datatype": "BF16", "shape": [1, 3]}],
        raw_input_contents=[b"\x80\x3f\x00\x40\xc0\x7f"],
    )
    with grpc.insecure_channel(open_node.place) as channel:
        answer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(request.SerializeToString())
    assert message("ModelInferResponse").FromString(answer).raw_output_contents[0] == request.raw_input_contents[0]


def test_models_of_text_are_asked_by_text(client: Client, tensor: Tensor) -> None:
    """An embedding model and a reranker take BYTES, and give numbers."""
    texts = np.array(["one", "two words"], object)
    embedded = client.infer("tiny", [tensor("text", texts)]).as_numpy("embedding")
    assert embedded.shape[0] == 2
    query = np.array(["which?"], object)
    scores = client.infer("judge", [tensor("query", query), tensor("text", texts)]).as_numpy("score")
    assert scores.shape == (2,)


def test_mistakes_have_the_status_of_their_kind(client: Client, tensor: Tensor) -> None:
    """Unknown models and versions are not found; what is wrong with a request is an invalid argument."""
    x = tensor("x", np.zeros((1, 3), np.float32))
    assert refused(lambda: client.infer("nobody", [x])) == ("NOT_FOUND", "model_not_found")
    assert refused(lambda: client.infer("fp32", [x], model_version="9")) == ("NOT_FOUND", "version_unknown")
    assert refused(lambda: client.infer("fp64", [x])) == ("INVALID_ARGUMENT", "datatype_wrong")
    assert refused(lambda: client.infer("fp32", [x, x])) == ("INVALID_ARGUMENT", "input_duplicate")
    z = [triton.InferRequestedOutput("z")]
    assert refused(lambda: client.infer("fp32", [x], outputs=z)) == ("INVALID_ARGUMENT", "output_unknown")
    assert refused(lambda: client.is_model_ready("nobody")) == ("NOT_FOUND", "model_not_found")


def test_what_is_not_offered_is_unimplemented(client: Client) -> None:
    """Tracing, log settings and CUDA's memory say so; system shared memory says that it is off."""
    assert refused(client.get_trace_settings) == ("UNIMPLEMENTED", "method_not_offered")
    assert refused(client.get_log_settings) == ("UNIMPLEMENTED", "method_not_offered")
    assert refused(client.get_cuda_shared_memory_status) == ("UNIMPLEMENTED", "cuda_shared_memory_off")
    assert refused(lambda: client.register_system_shared_memory("r", "/r", 8)) == ("UNIMPLEMENTED", "shared_memory_off")


def test_the_repository_is_listed_and_models_come_and_go(serve: Callable[..., Any]) -> None:
    """Index, unload, and that a model which is gone does not answer."""
    node = serve("fp32", "int8")
    with triton.InferenceServerClient(node.place) as client:
        rows = client.get_model_repository_index().models
        assert {(row.name, row.version, row.state) for row in rows} == {("fp32", "1", "READY"), ("int8", "1", "READY")}
        client.unload_model("int8")
        states = {row.name: row.state for row in client.get_model_repository_index().models}
        assert states == {"fp32": "READY", "int8": "UNAVAILABLE"}
        assert refused(lambda: client.is_model_ready("int8"))[0] == "UNAVAILABLE"
        assert refused(lambda: client.load_model("nobody", config="[]")) == ("INVALID_ARGUMENT", "parameter_invalid")


def test_a_stream_answers_in_order_and_outlives_mistakes(client: Client, tensor: Tensor) -> None:
    """Each request gets an answer, or its error, and the next ones theirs."""
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for index, model in enumerate(("fp32", "nobody", "fp32")):
        x = tensor("x", np.full((1, 3), index, np.float32))
        client.async_stream_infer(model, [x], request_id=str(index), enable_empty_final_response=True)
    told = [answers.get(timeout=30) for _ in range(3)]
    client.stop_stream()
    assert [error is None for _, error in told] == [True, False, True]
    assert "model_not_found" in told[1][1].message()
    for index in (0, 2):
        response = told[index][0].get_response()
        assert response.id == str(index)
        assert response.parameters["triton_final_response"].bool_param
        assert told[index][0].as_numpy("y").tolist() == [[index] * 3]


def test_the_asynchronous_client_is_answered(open_node: Any, tensor: Tensor, model_paths: dict[str, Path]) -> None:
    """Triton's client of asyncio: many at once, and a stream."""
    arrays = [np.full((1, 3), index, np.float32) for index in range(20)]

    async def stream() -> AsyncIterator[dict[str, Any]]:
        for array in arrays:
            yield {"model_name": "fp32", "inputs": [tensor("x", array)]}

    async def ask() -> tuple[list[Any], list[Any]]:
        async with triton_aio.InferenceServerClient(open_node.place) as client:
            at_once = await asyncio.gather(*(client.infer("fp32", [tensor("x", array)]) for array in arrays))
            streamed = [result async for result, _ in client.stream_infer(stream())]
        return at_once, streamed

    for answers in asyncio.run(ask()):
        assert [answer.as_numpy("y").tolist() for answer in answers] == [array.tolist() for array in arrays]
