"""Triton's own HTTP client, used as its documents say: every datatype, both encodings, packed bodies, versions."""

from collections.abc import Iterator

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.conformance.calls import proves
from tests.conformance.samples import SAMPLES, same


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[triton.InferenceServerClient]:
    """The client, connected to the server."""
    with triton.InferenceServerClient(url.removeprefix("http://"), concurrency=4) as connected:
        yield connected


def given(name: str, datatype: str, *, binary: bool = True) -> triton.InferInput:
    """The sample of a datatype as an input."""
    array = SAMPLES[datatype]
    put = triton.InferInput(name, list(array.shape), datatype)
    put.set_data_from_numpy(array, binary_data=binary)
    return put


def given_row() -> triton.InferInput:
    """A row of ones."""
    put = triton.InferInput("x", [1, 3], "FP32")
    put.set_data_from_numpy(np.ones((1, 3), np.float32))
    return put


@proves("infer binary")
@pytest.mark.parametrize("datatype", SAMPLES)
def test_every_datatype_infers_as_the_client_sends_it_by_default(
    client: triton.InferenceServerClient, datatype: str
) -> None:
    """Nothing set but the data: bytes in, bytes out."""
    answer = client.infer(f"echo_{datatype.lower()}", [given("x", datatype)])
    assert same(answer.as_numpy("y"), SAMPLES[datatype])


@proves("infer", "infer binary")
@pytest.mark.parametrize(("put", "wanted"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("datatype", [name for name in SAMPLES if name not in ("FP16", "BF16")])
def test_every_datatype_infers_as_json_and_as_bytes(
    client: triton.InferenceServerClient, datatype: str, put: bool, wanted: bool
) -> None:
    """In one form in, in the same or the other out; the id comes back."""
    answer = client.infer(
        f"echo_{datatype.lower()}",
        [given("x", datatype, binary=put)],
        outputs=[triton.InferRequestedOutput("y", binary_data=wanted)],
        request_id="a 7",
    )
    assert same(answer.as_numpy("y"), SAMPLES[datatype])
    assert answer.get_response()["id"] == "a 7"


@proves("compression")
@pytest.mark.parametrize("request_packing", ["gzip", "deflate", None])
@pytest.mark.parametrize("answer_packing", ["gzip", "deflate", None])
def test_packed_bodies_infer(
    client: triton.InferenceServerClient, request_packing: str | None, answer_packing: str | None
) -> None:
    """Of the request, of the answer, of both, with bytes behind the JSON."""
    answer = client.infer(
        "echo_fp32",
        [given("x", "FP32")],
        request_compression_algorithm=request_packing,
        response_compression_algorithm=answer_packing,
    )
    assert same(answer.as_numpy("y"), SAMPLES["FP32"])


@proves("infer")
def test_some_or_all_of_several_outputs_are_given(client: triton.InferenceServerClient) -> None:
    """Without a wish all of them, else those that were named, in that order."""
    inputs = []
    for name, value in (("a", 5), ("b", 3)):
        put = triton.InferInput(name, [2, 4], "FP32")
        put.set_data_from_numpy(np.full((2, 4), value, np.float32))
        inputs.append(put)
    answer = client.infer("pair", inputs)
    assert [answer.as_numpy(name)[1, 3] for name in ("sum", "difference")] == [8, 2]
    answer = client.infer("pair", inputs, outputs=[triton.InferRequestedOutput("difference")])
    assert [output["name"] for output in answer.get_response()["outputs"]] == ["difference"]


@proves("infer")
def test_requests_in_parallel_get_their_own_answers(client: triton.InferenceServerClient) -> None:
    """The client's own way of not waiting."""
    asked = []
    for value in range(16):
        put = triton.InferInput("x", [1, 3], "FP32")
        put.set_data_from_numpy(np.full((1, 3), value, np.float32))
        asked.append(client.async_infer("row", [put]))
    assert [one.get_result().as_numpy("y")[0, 0] for one in asked] == list(range(16))


@proves("infer binary")
def test_bodies_that_the_client_made_beforehand_infer(client: triton.InferenceServerClient, node: httpx.Client) -> None:
    """Its static methods write a body and read an answer; any program may carry them."""
    body, length = triton.InferenceServerClient.generate_request_body([given("x", "FP32")])
    answer = node.post(
        "/v2/models/echo_fp32/infer", content=body, headers={"Inference-Header-Content-Length": str(length)}
    )
    read = triton.InferenceServerClient.parse_response_body(
        answer.content, header_length=int(answer.headers["inference-header-content-length"])
    )
    assert same(read.as_numpy("y"), SAMPLES["FP32"])


@proves("live", "ready", "model ready")
def test_health_is_told(client: triton.InferenceServerClient) -> None:
    """Of the server, a model, a version; an unknown one is not ready."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("row")
    assert client.is_model_ready("row", "1")
    assert not client.is_model_ready("row", "2")
    assert not client.is_model_ready("none")


@proves("server metadata", "model metadata")
def test_metadata_is_told(client: triton.InferenceServerClient) -> None:
    """Names, versions, and inputs and outputs with -1 for what is free."""
    assert client.get_server_metadata()["name"] == "freehold"
    for version in ("", "1"):
        metadata = client.get_model_metadata("pair", version)
        assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("pair", ["1"], "onnx_onnxv1")
        assert metadata["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1, 4]}
        assert [output["name"] for output in metadata["outputs"]] == ["sum", "difference"]


@proves("versions")
def test_a_version_may_be_named(client: triton.InferenceServerClient) -> None:
    """The one that there is answers, and says so; another is 404 in the client's own exception."""
    answer = client.infer("row", [given_row()], model_version="1")
    assert answer.get_response()["model_version"] == "1"
    with pytest.raises(InferenceServerException, match="version") as caught:
        client.infer("row", [given_row()], model_version="2")
    assert caught.value.status() == "404"


@proves("errors")
def test_errors_are_read_by_the_client(client: triton.InferenceServerClient) -> None:
    """Status and message; never that the answer could not be decoded."""
    put = triton.InferInput("x", [1, 4], "FP32")
    put.set_data_from_numpy(np.zeros((1, 4), np.float32))
    with pytest.raises(InferenceServerException, match=r"\[1, 4\]") as caught:
        client.infer("row", [put])
    assert caught.value.status() == "400"
    with pytest.raises(InferenceServerException, match="none"):
        client.get_model_metadata("none")
