"""`freehold serve` of repositories that were written for Triton and MLServer, asked by Triton's own client."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tritonclient.http as triton

Freehold = Callable[..., Any]

CONFIG = """
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 16 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


def ask(client: triton.InferenceServerClient, model: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`y` of `x`, over the binary form of the protocol."""
    given = triton.InferInput("x", list(x.shape), "FP32")
    given.set_data_from_numpy(x)
    answer: np.ndarray[Any, Any] = client.infer(model, [given]).as_numpy("y")
    return answer


def test_a_repository_of_both_servers_is_served_as_it_is(folder: Path, mlp: Path, other_mlp: Path, serve: Any) -> None:
    """Triton's newest version and MLServer's file answer tritonclient with what ONNX Runtime makes of the graphs.

    A load takes versions and models as they are in the folder by then.
    """
    repository = folder / "repository"
    for place, graph in (("dense/1", mlp), ("dense/2", other_mlp), ("settings/net", mlp)):
        (repository / place).mkdir(parents=True)
        shutil.copyfile(graph, repository / place / "model.onnx")
    (repository / "dense" / "config.pbtxt").write_text(CONFIG)
    settings = {"name": "iris", "parameters": {"uri": "net/model.onnx"}}
    (repository / "settings" / "model-settings.json").write_text(json.dumps(settings))
    running = serve(repository)
    address = running.banner["url"].removeprefix("http://")
    x = np.random.default_rng(1).standard_normal((3, 16), dtype=np.float32)
    with triton.InferenceServerClient(address) as client:
        for model, graph in (("dense", other_mlp), ("iris", mlp)):
            expected = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(["y"], {"x": x})[0]
            np.testing.assert_allclose(ask(client, model, x), expected, atol=1e-5)
        assert client.get_model_metadata("dense")["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 16]}]
        for policy, versions in (("specific { versions: 1 versions: 2 }", ["1", "2"]), ("latest { }", ["2"])):
            (repository / "dense" / "config.pbtxt").write_text(f"{CONFIG}version_policy {{ {policy} }}\n")
            client.load_model("dense")
            assert client.get_model_metadata("dense")["versions"] == versions
        (repository / "new" / "1").mkdir(parents=True)
        shutil.copyfile(mlp, repository / "new" / "1" / "model.onnx")
        client.load_model("new")
        np.testing.assert_allclose(ask(client, "new", x), ask(client, "iris", x), atol=1e-5)
    assert running.leave() == 0


def test_a_declaration_that_the_graph_does_not_keep_stops_the_model(folder: Path, mlp: Path, serve: Any) -> None:
    """The graph's own tensors are in the message."""
    (folder / "m" / "1").mkdir(parents=True)
    shutil.copyfile(mlp, folder / "m" / "1" / "model.onnx")
    (folder / "m" / "config.pbtxt").write_text(CONFIG.replace("[ 16 ]", "[ 17 ]"))
    running = serve("m")
    assert running.process.wait(60) == 1
    assert "graph_not_as_declared" in running.err.read_text()


def test_another_backend_is_refused_before_anything_is_bound(freehold: Freehold, folder: Path) -> None:
    """With what to do instead, and the file that said so."""
    (folder / "m" / "1").mkdir(parents=True)
    (folder / "m" / "config.pbtxt").write_text('backend: "python"')
    ran = freehold("serve", "m", "--json")
    assert ran.code == 1
    assert ran.error["code"] == "triton_backend_python"
    assert "config.pbtxt" in ran.error["cause"]
