"""`freehold serve`: one node, from a configuration to an answering port."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.node import Ground, run_node
from freehold.cli.output import Output
from freehold.cli.references import local_store, require_here
from freehold.cli.sources import Place, open_model
from freehold.cli.state import warn_if_unwritable
from freehold.cli.traffic import origin_of
from freehold.config import Config, ModelConfig
from freehold.config.home import home
from freehold.engine.base import Engine
from freehold.errors import FreeholdError
from freehold.http.admission import Admission
from freehold.machine import check_onnxruntime, read_cpu, runtime_versions
from freehold.server.dataplane import batch_observer, step_observer
from freehold.server.models import ProofPolicy, Served
from freehold.server.statistics import Statistics


@dataclass(frozen=True)
class Acceptance:
    """A model that may be served although its proof fails, and why."""

    model: str = ""
    reason: str = ""


def serve(
    ctx: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL|DIR|CONFIG",
            help="A model folder, .onnx file, NAME:TAG of the store, a repository of Triton or MLServer, or a"
            " configuration. Default: MODEL_PATH, ./freehold.yaml, ./config.yaml.",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = None,
    grpc_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of gRPC, 8081 where that is free; 0 takes a free one."),
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune/--no-tune", help="Measure the fastest setting once, two seconds.")
    ] = True,
    accept_failed_proof: Annotated[
        str, typer.Option(metavar="MODEL", help="Serve this model for 24 h although its proof fails; needs --reason.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; it is logged and shown.")] = "",
) -> None:
    """Serve models: OpenAI API for Dify, Open Inference Protocol for tensors, on port 8080 of this machine."""
    output: Output = ctx.obj
    check_onnxruntime(runtime_versions())
    origin = origin_of(source, os.environ, Path.cwd(), port)
    config = origin.load()
    if not config.models:
        raise FreeholdError("config_no_model", folder=Path.cwd())
    acceptance = _acceptance(accept_failed_proof, reason, config)
    try:
        for model in config.models:
            if model.hosting == "here":
                require_here(model.parsed_source, local_store(os.environ))
    except FreeholdError:
        warn_if_unwritable(home(os.environ))  # a first start often lacks both
        raise
    local = partial(_served, acceptance=acceptance, tune=tune)
    run_node(config, origin, output, host, port, local, grpc_port)


def _served(ground: Ground, acceptance: Acceptance, tune: bool) -> list[Served]:
    """The models that this process computes; none is opened yet."""
    cpu, state = read_cpu(), ground.state
    cache = state.writable / "cache"
    store = local_store(os.environ, cache)
    place = Place(cpu, cpu.usable_cores, cache / "graphs", store, cache if state.kept else None, tune)
    here = [model for model in ground.config.models if model.hosting == "here"]
    return [_one_served(model, ground, place, acceptance) for model in here]


def _one_served(model: ModelConfig, ground: Ground, place: Place, acceptance: Acceptance) -> Served:
    metrics, statistics = ground.telemetry.model(model.id), Statistics()

    def opened() -> Engine:
        return open_model(model, place, batch_observer(metrics, statistics), step_observer(metrics, statistics))

    def admission(engine: Engine) -> Admission:
        kind = engine.manifest.kind
        return Admission(
            model.limits, engine.capacity, ground.memory, kind=kind, model=model.id, in_flight=metrics.in_flight
        )

    accepted = acceptance.reason if acceptance.model == model.id else None
    policy = ProofPolicy(model.require.proof == "always", accepted)
    return Served(
        model.id, opened, admission, policy, model.defaults, model.chat_template_kwargs, statistics=statistics
    )


def _acceptance(model: str, reason: str, config: Config) -> Acceptance:
    if model and not reason.strip():
        raise FreeholdError("accept_needs_reason")
    if model and config.model(model) is None:
        raise FreeholdError("model_not_found", model=model, served=", ".join(one.id for one in config.models))
    return Acceptance(model, reason.strip())
