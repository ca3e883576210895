"""The servers side by side: how each is started, when it is ready, how it is asked.

"default" is what a peer's own guide shows; "tuned" is the best that was found for it on two cores.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.folders import TextModel
from bench.graphs import TensorModel
from bench.places import PEERS, WORK
from bench.processes import Command, free_port
from bench.wires import (
    Array,
    Wire,
    listed_text,
    openai_text,
    plain_text,
    v2_binary_tensor,
    v2_grpc_tensor,
    v2_tensor,
    v2_text,
)

Model = TextModel | TensorModel
MODEL = "bench"
OURS = ""


@dataclass(frozen=True)
class Launch:
    """One start: `python` is the one of the server's environment, `folder` a scratch folder of its own."""

    model: Model
    port: int
    grpc_port: int
    python: Path
    folder: Path


@dataclass(frozen=True)
class Server:
    """One row of the tables. `environment` names a folder of `peers/`, or is OURS."""

    name: str
    environment: str
    setting: str
    command: Callable[[Launch], Command]
    ready_path: str
    text: Wire[str] | None = None
    tensor: Wire[Array] | None = None
    binary: Wire[Array] | None = None
    grpc: Wire[Array] | None = None


@dataclass(frozen=True)
class Onnx:
    """What `peers/shared/onnx_models.py` is told, beside the model."""

    threads: int = 2
    workers: int = 1
    batch: int = 1
    more: Mapping[str, str] = field(default_factory=dict)

    def variables(self, launch: Launch) -> dict[str, str]:
        """The peer's environment variables."""
        folders = [PEERS / "shared", PEERS / launch.python.parts[-3]]  # .envs/NAME/bin/python
        shared = {
            "PYTHONPATH": ":".join(map(str, folders)),
            "BENCH_THREADS": str(self.threads),
            "BENCH_WORKERS": str(self.workers),
            "BENCH_BATCH": str(self.batch),
            **self.more,
        }
        model = launch.model
        if isinstance(model, TensorModel):
            return {**shared, "BENCH_KIND": "tensor", "BENCH_GRAPH": str(model.graph)}
        return {
            **shared,
            "BENCH_KIND": "text",
            "BENCH_GRAPH": str(model.padded_graph),
            "BENCH_TOKENIZER": str(model.folder / "tokenizer.json"),
            "BENCH_MAX_TOKENS": str(model.max_tokens),
            "BENCH_PAD_ID": "0" if model.family == "bert" else "1",
        }


def freehold(name: str, setting: str, **options: str | int) -> Server:
    """Freehold with `options` in its model's configuration."""

    def command(launch: Launch) -> Command:
        model = launch.model
        source = model.folder if isinstance(model, TextModel) else model.graph
        # JSON is YAML, so a configuration file needs no writer of its own.
        config = {"models": [{"id": MODEL, "source": str(source), **options}], "observe": {"log_level": "warning"}}
        file = launch.folder / "freehold.yaml"
        file.write_text(json.dumps(config, indent=1))
        program = Path(sys.prefix) / "bin" / "freehold"
        home = {"FREEHOLD_HOME": str(WORK / "home")}
        ports = ["--port", str(launch.port), "--grpc-port", str(launch.grpc_port)]
        return Command([str(program), "serve", str(file), *ports], home, launch.folder)

    tensors = v2_tensor(MODEL), v2_binary_tensor(MODEL), v2_grpc_tensor(MODEL)
    return Server(name, OURS, setting, command, "/readyz", openai_text(MODEL), *tensors)


def _triton(name: str, setting: str, batching: str, instances: int, onnx: Onnx) -> Server:
    def command(launch: Launch) -> Command:
        if isinstance(launch.model, TextModel):
            given, made = ("text", "TYPE_STRING", [1]), ("embedding", "TYPE_FP32", [-1])
        else:
            given, made = (
                ("input", "TYPE_FP32", [*launch.model.shape[1:]]),
                ("output", "TYPE_FP32", [-1] * (len(launch.model.shape) - 1)),
            )
        lines = [f'name: "{MODEL}"', 'backend: "python"', "max_batch_size: 32"]
        for way, (tensor, kind, dims) in (("input", given), ("output", made)):
            lines.append(f'{way} [{{ name: "{tensor}", data_type: {kind}, dims: {dims} }}]')
        lines += [f"instance_group [{{ count: {instances}, kind: KIND_CPU }}]", batching]
        repository = launch.folder / "models"
        (repository / MODEL / "1").mkdir(parents=True, exist_ok=True)
        (repository / MODEL / "config.pbtxt").write_text("\n".join(lines) + "\n")
        for source in (PEERS / "triton" / "model.py", PEERS / "shared" / "onnx_models.py"):
            shutil.copy(source, repository / MODEL / "1")
        ports = [str(launch.port), str(launch.grpc_port)]
        start = [str(PEERS / "triton" / "start.py"), str(repository), *ports, str(WORK / "triton-backends")]
        return Command([str(launch.python), *start], onnx.variables(launch), launch.folder)

    tensors = v2_tensor(MODEL), v2_binary_tensor(MODEL), v2_grpc_tensor(MODEL)
    return Server(name, "triton", setting, command, "/v2/health/ready", v2_text(MODEL), *tensors)


def _fastapi(name: str, setting: str, onnx: Onnx) -> Server:
    def command(launch: Launch) -> Command:
        options = ["--host", "127.0.0.1", "--port", str(launch.port), "--workers", str(onnx.workers), "--no-access-log"]
        argv = [str(launch.python), "-m", "uvicorn", "server:app", *options, "--log-level", "warning"]
        return Command(argv, onnx.variables(launch), launch.folder)

    return Server(name, "fastapi", setting, command, "/health", openai_text(MODEL), v2_tensor(MODEL))


def _mlserver(name: str, setting: str, onnx: Onnx, batching: Mapping[str, object]) -> Server:
    def command(launch: Launch) -> Command:
        ports = {"http_port": launch.port, "grpc_port": launch.grpc_port, "metrics_port": free_port()}
        settings = {"host": "127.0.0.1", **ports, "debug": False}
        (launch.folder / "settings.json").write_text(json.dumps(settings))
        model: dict[str, object] = {"name": MODEL, "implementation": "runtime.OnnxRuntime"}
        if isinstance(launch.model, TextModel):
            model |= batching
        (launch.folder / "model-settings.json").write_text(json.dumps(model))
        argv = [str(launch.python.with_name("mlserver")), "start", str(launch.folder)]
        return Command(argv, onnx.variables(launch), launch.folder)

    ready = f"/v2/models/{MODEL}/ready"
    wires = v2_text(MODEL), v2_tensor(MODEL), None, v2_grpc_tensor(MODEL)
    return Server(name, "mlserver", setting, command, ready, *wires)


def _script(name: str, environment: str, setting: str, ready: str, path: str, onnx: Onnx) -> Server:
    """A peer that is a script of its own, `peers/ENVIRONMENT/server.py PORT`, with a plain JSON body."""

    def command(launch: Launch) -> Command:
        argv = [str(launch.python), str(PEERS / environment / "server.py"), str(launch.port)]
        return Command(argv, onnx.variables(launch), launch.folder)

    return Server(name, environment, setting, command, ready, plain_text(path))


def _kserve(onnx: Onnx) -> Server:
    def command(launch: Launch) -> Command:
        ports = [str(launch.port), str(launch.grpc_port)]
        argv = [str(launch.python), str(PEERS / "kserve" / "server.py"), MODEL, *ports]
        return Command(argv, onnx.variables(launch), launch.folder)

    ready = f"/v2/models/{MODEL}/ready"
    wires = v2_text(MODEL), v2_tensor(MODEL), None, v2_grpc_tensor(MODEL)
    return Server("KServe SDK", "kserve", "default", command, ready, *wires)


def _bentoml(onnx: Onnx) -> Server:
    def command(launch: Launch) -> Command:
        where = ["--host", "127.0.0.1", "--port", str(launch.port), "--working-dir", str(PEERS / "bentoml")]
        argv = [str(launch.python.with_name("bentoml")), "serve", "service:Embeddings", *where]
        return Command(argv, onnx.variables(launch), launch.folder)

    return Server("BentoML", "bentoml", "default, batches of 32", command, "/readyz", listed_text("/embed"))


def _infinity() -> Server:
    def command(launch: Launch) -> Command:
        assert isinstance(launch.model, TextModel)
        where = ["--host", "127.0.0.1", "--port", str(launch.port), "--url-prefix", "/v1"]
        what = ["--model-id", str(launch.model.folder), "--served-model-name", MODEL]
        how = ["--engine", "torch", "--device", "cpu", "--dtype", "float32", "--no-bettertransformer"]
        argv = [str(launch.python.with_name("infinity_emb")), "v2", *where, *what, *how]
        quiet = {"HF_HUB_OFFLINE": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0", "DO_NOT_TRACK": "1"}
        return Command(argv, quiet, launch.folder)

    return Server("infinity", "infinity", "torch engine, default", command, "/health", openai_text(MODEL))


BATCHING = {"max_batch_size": 32, "max_batch_time": 0.01}

SERVERS: tuple[Server, ...] = (
    freehold("Freehold", "fp32", precision="fp32"),
    freehold("Freehold auto", "precision: auto", precision="auto"),
    _triton("Triton tuned", "python backend, no batching, 2 x 1 thread", "", 2, Onnx(threads=1)),
    _triton("Triton default", "python backend, dynamic batching", "dynamic_batching { }", 1, Onnx(threads=2)),
    _fastapi("FastAPI 2 workers", "2 x 1 thread", Onnx(threads=1, workers=2)),
    _fastapi("FastAPI 1 worker", "runtime's default threads", Onnx(threads=0)),
    _mlserver("MLServer", "default batching, 32", Onnx(threads=2), BATCHING),
    _infinity(),
    _script("LitServe tuned", "litserve", "no batching, 2 x 1 thread", "/health", "/predict", Onnx(1, 2)),
    _script("LitServe default", "litserve", "batches of 32", "/health", "/predict", Onnx(2, 1, 32)),
    _kserve(Onnx(threads=2)),
    _bentoml(Onnx(threads=2, more={"DO_NOT_TRACK": "True", "BENTOML_HOME": str(WORK / "bentoml")})),
    _script("Ray Serve", "ray", "serve.batch, 32", "/", "/", Onnx(threads=2, more={"RAY_USAGE_STATS_ENABLED": "0"})),
)
