"""`freehold serve`: one node, from a configuration to an answering port."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.audited import note_in_audit
from freehold.cli.kept import LOADED, Kept
from freehold.cli.node import Ground, run_node
from freehold.cli.output import Output
from freehold.cli.references import local_store, located, require_here
from freehold.cli.residents import Residents
from freehold.cli.sources import Place, open_model
from freehold.cli.state import warn_if_unwritable
from freehold.cli.traffic import origin_of
from freehold.config import Config, ModelConfig
from freehold.config.home import home
from freehold.deploy.fitting.facts import size_of
from freehold.engine.base import Engine
from freehold.errors import FreeholdError
from freehold.http.admission import Admission
from freehold.machine import check_onnxruntime, read_cpu, runtime_versions
from freehold.server.dataplane import batch_observer, step_observer
from freehold.server.models import ProofPolicy, Served
from freehold.server.served import Terms
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
                for source_ in model.sources.values():
                    require_here(source_, local_store(os.environ))
    except FreeholdError:
        warn_if_unwritable(home(os.environ))  # a first start often lacks both
        raise
    if accept_failed_proof:
        note_in_audit("proof.accept", accept_failed_proof, config.access, reason=reason)
    local = partial(_residents, acceptance=acceptance, tune=tune)
    run_node(config, origin, output, host, port, local, grpc_port)


def _residents(ground: Ground, acceptance: Acceptance, tune: bool) -> Residents:
    """The models that this process computes; none is opened yet."""
    cpu, state = read_cpu(), ground.state
    cache = state.writable / "cache"
    store = local_store(os.environ, cache)
    place = Place(cpu, cpu.usable_cores, cache / "graphs", store, cache if state.kept else None, tune)
    origin = ground.origin
    return Residents(
        ground.config,
        origin.load if origin.file is None else Config,
        lambda model: _one_served(model, ground, place, acceptance),
        Kept(state.writable / LOADED),
        store,
    )


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
    terms = Terms(model.keep_alive_s, model.pin, model.limits.deadline_for(model.kind), lambda: _size(model, place))
    return Served(
        model.id,
        opened,
        admission,
        policy,
        model.defaults,
        model.chat_template_kwargs,
        terms=terms,
        statistics=statistics,
    )


def _size(model: ModelConfig, place: Place) -> int:
    """Bytes of its files; 0 where they cannot be read: its load says why."""
    try:
        return size_of(located(model.parsed_source, place.store))
    except (FreeholdError, OSError):
        return 0


def _acceptance(model: str, reason: str, config: Config) -> Acceptance:
    if model and not reason.strip():
        raise FreeholdError("accept_needs_reason")
    if model and config.model(model) is None:
        raise FreeholdError("model_not_found", model=model, served=", ".join(one.id for one in config.models))
    return Acceptance(model, reason.strip())
