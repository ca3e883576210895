"""What Triton adds to the protocol, by its own HTTP client: configuration, statistics, classes."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.conformance.calls import proves


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[triton.InferenceServerClient]:
    """The client, connected to the server."""
    with triton.InferenceServerClient(url.removeprefix("http://")) as connected:
        yield connected


def rows(count: int) -> triton.InferInput:
    """So many rows for the model `row`: 0, 1, 2 and on."""
    put = triton.InferInput("x", [count, 3], "FP32")
    put.set_data_from_numpy(np.arange(3 * count, dtype=np.float32).reshape(count, 3))
    return put


def counted(client: triton.InferenceServerClient, model: str = "row", version: str = "") -> dict[str, Any]:
    """The statistics of one model."""
    (one,) = client.get_inference_statistics(model, version)["model_stats"]
    return one


@proves("config")
def test_a_configuration_has_tensors_and_batch(client: triton.InferenceServerClient) -> None:
    """Dimensions are those of one row where rows can be batched."""
    for version in ("", "1"):
        config = client.get_model_config("pair", version)
        assert (config["name"], config["platform"]) == ("pair", "onnxruntime_onnx")
        assert config["max_batch_size"] > 1
        assert [(one["name"], one["data_type"], one["dims"]) for one in config["input"]] == [
            ("a", "TYPE_FP32", ["4"]) if isinstance(config["input"][0]["dims"][0], str) else ("a", "TYPE_FP32", [4]),
            ("b", "TYPE_FP32", config["input"][0]["dims"]),
        ]
    with pytest.raises(InferenceServerException, match="none"):
        client.get_model_config("none")


@proves("statistics")
def test_statistics_count_rows_and_runs_and_only_grow(client: triton.InferenceServerClient) -> None:
    """Rows and runs apart is how a client sees batches; a request that failed is no success."""
    before = counted(client)
    client.infer("row", [rows(5)])
    client.infer("row", [rows(2)])
    after = counted(client, version="1")
    assert after["inference_count"] - before["inference_count"] == 7
    assert 1 <= after["execution_count"] - before["execution_count"] <= 2
    assert after["last_inference"] >= before["last_inference"] > -1
    was, now = before["inference_stats"], after["inference_stats"]
    assert now["success"]["count"] - was["success"]["count"] == 2
    for kind in ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output"):
        assert now[kind]["count"] >= was[kind]["count"]
        assert now[kind]["ns"] >= was[kind]["ns"]
    assert {one["batch_size"] for one in after["batch_stats"]}


@proves("statistics")
def test_statistics_of_all_models_are_listed(client: triton.InferenceServerClient) -> None:
    """Without a name every model, each version once."""
    listed = [(one["name"], one["version"]) for one in client.get_inference_statistics()["model_stats"]]
    assert ("pair", "1") in listed
    assert len(listed) == len(set(listed))


@proves("classification")
def test_the_best_classes_are_given_as_texts(client: triton.InferenceServerClient) -> None:
    """For each row so many of `value:index`, the best first."""
    for binary in (True, False):
        wanted = triton.InferRequestedOutput("y", binary_data=binary, class_count=2)
        classes = client.infer("row", [rows(2)], outputs=[wanted]).as_numpy("y")
        texts = [text.decode() if isinstance(text, bytes) else text for text in classes.ravel()]
        assert classes.shape == (2, 2)
        assert [text.split(":")[1] for text in texts] == ["2", "1", "2", "1"]
        assert [float(text.split(":")[0]) for text in texts] == [2, 1, 5, 4]
