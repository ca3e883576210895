"""Probes: alive at once, ready when every model is, and why not."""

from collections.abc import Callable
from pathlib import Path

import httpx


def test_a_loaded_node_is_live_and_ready_under_every_name(node: httpx.Client) -> None:
    """Kubernetes', TEI's and the Open Inference Protocol's paths."""
    for path in ("/livez", "/readyz", "/health", "/v2/health/live", "/v2/health/ready"):
        assert node.get(path).status_code == 200, path
    assert node.get("/livez").json() == {"live": True}
    assert node.get("/v2/health/live").json() == {"live": True}
    assert node.get("/v2/health/ready").json() == {"live": True, "ready": True}


def test_readiness_lists_state_and_proof_of_every_model(node: httpx.Client) -> None:
    """Id, state, kind, digest, precision and proof, in the order of the configuration."""
    readiness = node.get("/readyz").json()
    assert readiness["ready"] is True
    first = readiness["models"][0]
    assert (first["id"], first["state"], first["kind"], first["precision"]) == ("tiny", "ready", "embed", "fp32")
    assert first["digest"].startswith("sha256:")
    assert first["proof"] in ("raw", "self", "none")
    assert "error" not in first


def test_a_model_that_failed_keeps_the_node_unready_and_says_why(
    serve_only: Callable[..., httpx.Client], tmp_path: Path
) -> None:
    """503 with code, cause and fix of the model that could not be loaded, while the others answer."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a graph")
    client = serve_only("fp32", broken=broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    states = {model["id"]: model for model in answer.json()["models"]}
    assert states["fp32"]["state"] == "ready"
    assert states["broken"]["state"] == "failed"
    assert states["broken"]["error"]["code"] == "graph_invalid"
    assert states["broken"]["error"]["fix"]
    assert client.get("/livez").status_code == 200
    assert client.get("/v2/health/live").status_code == 200
    assert client.get("/v2/health/ready").json() == {"live": True, "ready": False}
    assert client.get("/v2/models/fp32/ready").json() == {"name": "fp32", "ready": True}
    refused = client.get("/v2/models/broken/ready")
    assert refused.status_code == 503
    assert list(refused.json()) == ["error"]
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["fp32"]
    assert client.get("/v2/models/broken").status_code >= 400
