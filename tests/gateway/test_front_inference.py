"""The Open Inference Protocol through a gateway: Triton's client, and a node that has the model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from freehold.config import ModelConfig
from tests.server.conftest import running, served, wait_ready, write_identity

ROW = np.array([[1.5, -2, 3e38]], np.float32)


@pytest.fixture(scope="module", params=["alone", "with models of its own"])
def gateway(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A node that knows `near` and `words`, which another one has as `row` and `texts`."""
    node_of: Callable[..., Any] = request.getfixturevalue("node_of")
    folder: Path = tmp_path_factory.mktemp("graphs")
    models = {"row": "FP32", "texts": "BYTES"}
    graphs = [served(name, write_identity(folder / f"{name}.onnx", datatype)) for name, datatype in models.items()]
    with running(graphs) as url:
        with httpx.Client(base_url=url, trust_env=False) as client:
            wait_ready(client)
        names = {"near": "row", "words": "texts"}
        known = [ModelConfig(id=name, source=f"{url}/v1", upstream_model=there) for name, there in names.items()]
        with node_of(*known, alone=request.param == "alone") as node:
            node.wait("near")
            yield node


@pytest.fixture
def client(gateway: Any) -> Iterator[triton.InferenceServerClient]:
    """Triton's client of the gateway."""
    with triton.InferenceServerClient(gateway.url.removeprefix("http://")) as connected:
        yield connected


@pytest.mark.parametrize("packing", [None, "gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_tensors_pass_both_ways(client: triton.InferenceServerClient, binary: bool, packing: str | None) -> None:
    """As bytes and as JSON, packed or not, of a version or of none."""
    given = triton.InferInput("x", [1, 3], "FP32")
    given.set_data_from_numpy(ROW, binary_data=binary)
    wanted = triton.InferRequestedOutput("y", binary_data=binary)
    for version in ("", "1"):
        answer = client.infer(
            "near",
            [given],
            version,
            outputs=[wanted],
            request_compression_algorithm=packing,
            response_compression_algorithm=packing,
        )
        assert np.array_equal(answer.as_numpy("y"), ROW)


def test_what_is_told_of_a_model_passes(client: triton.InferenceServerClient) -> None:
    """Readiness, metadata, configuration and statistics, of a version or of none."""
    for version in ("", "1"):
        assert client.is_model_ready("near", version)
        assert client.get_model_metadata("near", version)["inputs"][0]["shape"] == [-1, 3]
        assert client.get_model_config("near", version)["input"][0]["dims"] == [3]
        assert client.get_inference_statistics("near", version)["model_stats"][0]["inference_count"] >= 0
    assert not client.is_model_ready("near", "2")


@pytest.mark.parametrize("text", [b'{"model": "words"}', b'{"model": "near"}'])
def test_a_tensor_that_looks_like_a_request_is_none(gateway: Any, text: bytes) -> None:
    """The whole body is one string: neither is a model read in it, nor is it given another name."""
    graph_takes_three = b"".join(len(item).to_bytes(4, "little") + item for item in (text, b"", b"x"))
    head = b'{"inputs":[{"name":"x","shape":[1,3],"datatype":"BYTES","parameters":{"binary_data_size":%d}}]}'
    head %= len(graph_takes_three)
    headers = {"Inference-Header-Content-Length": str(len(head))}
    answer = gateway.client.post("/v2/models/words/infer", content=head + graph_takes_three, headers=headers)
    assert answer.json()["outputs"][0]["data"] == [text.decode(), "", "x"]
    raw = gateway.client.post("/v2/models/words/infer", content=text, headers={"Inference-Header-Content-Length": "0"})
    assert "[raw_shape_open]" in raw.json()["error"]  # of three strings, as its own node says: it came there
