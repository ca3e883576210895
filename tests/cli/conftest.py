"""The command line, run as a user runs it, in a folder of the test's own; servers as processes of their own."""

import gc
import http.client
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt import graphs
from freehold.artifact import Artifact, write_manifest
from freehold.cli.main import main
from tests.deploy.kubernetes.conftest import kubeconfig
from tests.deploy.kubernetes.gateways import Gateways, gateways
from tests.kubernetes_api.server import ApiServer

PATIENCE_S = 60.0  # only a broken test waits this long


@dataclass(frozen=True)
class Ran:
    """What a command line left behind."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        """The error that standard error holds as JSON."""
        return json.loads(self.err)["error"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; no variable of the machine that runs the tests counts."""
    for name in ("MODEL_PATH", "MODEL_ID", "FREEHOLD_AUTH", "FREEHOLD_LANG", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def freehold(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `freehold WORDS...` and returns its exit code and output; where logs go afterwards is not its to say."""

    def run(*words: str) -> Ran:
        capsys.readouterr()
        root = logging.getLogger()
        handlers, level = [*root.handlers], root.level
        try:
            with pytest.raises(SystemExit) as left:
                main(words)
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)
        captured = capsys.readouterr()
        return Ran(left.value.code if isinstance(left.value.code, int) else 0, captured.out, captured.err)

    return run


@pytest.fixture
def cluster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateways]:
    """A cluster with nothing in it, which the kubeconfig names, and the gateways that come to be there.

    A command leaves the end of its connections to the end of its process, which here is that of the tests: modules that
    use this ignore warnings of such sockets.
    """
    with ApiServer().running() as server, gateways(server) as copies:
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig(folder, server.url)))
        yield copies
        gc.collect()


@dataclass(frozen=True)
class Running:
    """One `freehold serve`, a process of its own, and what it printed first."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def ask(self, method: str, path: str, body: object = None, key: str = "") -> tuple[int, Any]:
        """Status and decoded answer of one request."""
        parts = urlsplit(self.banner["url"])
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE_S)
        try:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read().decode()
            return response.status, json.loads(text) if text.startswith(("{", "[")) else text
        finally:
            connection.close()

    @property
    def banner(self) -> Any:
        """What it printed when its models were loaded; waits for it."""
        limit = time.monotonic() + PATIENCE_S
        while time.monotonic() < limit and self.process.poll() is None:
            try:
                return json.loads(self.out.read_text())
            except json.JSONDecodeError:
                time.sleep(0.02)
        raise AssertionError(f"no banner; exit code {self.process.poll()}: {self.err.read_text()}")

    def leave(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Running]]:
    """`serve(*words, **variables)` starts `freehold serve WORDS --json` on a free port, without tuning; or another
    `verb` that listens."""
    started: list[Running] = []

    def start(*words: object, verb: str = "serve", **variables: str) -> Running:
        out, err = folder / f"serve-{len(started)}.out", folder / f"serve-{len(started)}.err"
        command = [sys.executable, "-m", "freehold.cli.main", verb, *map(str, words)]
        command += ["--port", "0", "--json", *(["--no-tune"] if verb == "serve" else [])]
        with out.open("wb") as to_out, err.open("wb") as to_err:
            process = subprocess.Popen(
                command, cwd=folder, env={**os.environ, **variables}, stdout=to_out, stderr=to_err
            )
        started.append(Running(process, out, err))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait(PATIENCE_S)


def write_mlp(path: Path, scale: float = 1.0) -> Path:
    """[batch, 16] -> [batch, 4], seeded; `scale` makes it another model of the same form."""
    rng = np.random.default_rng(7)
    weights = [
        numpy_helper.from_array(scale * rng.standard_normal((16, 8), dtype=np.float32), "w1"),
        numpy_helper.from_array(rng.standard_normal((8, 4), dtype=np.float32), "w2"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])]
    graph = helper.make_graph(nodes, "mlp", inputs, outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def mlp(folder: Path) -> Path:
    """`mlp.onnx` in the working folder: [batch, 16] -> [batch, 4]."""
    return write_mlp(folder / "mlp.onnx")


@pytest.fixture(scope="session")
def minilm_artifact(minilm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM as an artifact with its raw golden. Do not write here."""
    return graphs.build(minilm_folder, tmp_path_factory.mktemp("graphs"))


@pytest.fixture(scope="session")
def tiny_artifact(tiny_bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny embedding model as an artifact without goldens. Do not write here."""
    return graphs.build(tiny_bert_folder, tmp_path_factory.mktemp("graphs"))


@pytest.fixture
def permuted_minilm(minilm_artifact: Path, folder: Path) -> Path:
    """MiniLM with two rows of one weight exchanged, and a manifest that pins it so: only a proof can see it."""
    target = folder / "permuted"
    shutil.copytree(minilm_artifact, target)
    model = onnx.load(target / "model.onnx", load_external_data=False)
    name = "encoder.layer.0.attention.self.value.weight"
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    place = {entry.key: entry.value for entry in weight.external_data}
    shape = (int(weight.dims[0]), int(weight.dims[1]))
    rows = np.memmap(target / place["location"], np.float32, "r+", int(place["offset"]), shape)
    rows[[3, 200]] = rows[[200, 3]]
    rows.flush()
    write_manifest(target, Artifact.open(target).manifest)
    return target


@pytest.fixture
def other_mlp(folder: Path) -> Path:
    """`other.onnx`: of the form of `mlp`, with other weights."""
    return write_mlp(folder / "other.onnx", scale=1.01)
