"""`freehold serve`: one node, from a configuration to an answering port."""

import gc
import logging
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from freehold import __version__, gateway
from freehold.cli.banner import banner
from freehold.cli.https import open_https
from freehold.cli.output import Output
from freehold.cli.references import local_store, require_here
from freehold.cli.sources import Place, open_model
from freehold.cli.state import State as NodeState
from freehold.config import Config, ModelConfig, load
from freehold.config.home import home
from freehold.engine.base import Engine
from freehold.errors import FreeholdError
from freehold.http import App, BodyLimits, MemoryBudget
from freehold.http.admission import Admission
from freehold.http.door import Door, choose_door, is_loopback
from freehold.http.listener import Listener, bind
from freehold.http.tls import Https
from freehold.machine import check_onnxruntime, docker_bridge, read_cpu, read_memory, runtime_versions
from freehold.server.app import build
from freehold.server.dataplane import batch_observer, step_observer
from freehold.server.models import Models, ProofPolicy, Served, State
from freehold.telemetry import Telemetry, configure_logs

log = logging.getLogger(__name__)

MEGABYTE = 1 << 20
LEAST_IN_FLIGHT = 64 * MEGABYTE
"""What requests may hold even on a machine that has nearly nothing free: less would refuse single requests."""


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
    config = load(source, os.environ, Path.cwd())
    if not config.models:
        raise FreeholdError("config_no_model", folder=Path.cwd())
    acceptance = _acceptance(accept_failed_proof, reason, config)
    for model in config.models:
        if model.hosting == "here":
            require_here(model.parsed_source, local_store(os.environ))
    logs = config.observe.log_format
    configure_logs(("text" if sys.stderr.isatty() else "json") if logs == "auto" else logs, config.observe.log_level)
    wanted = config.server.host if host is None else host
    telemetry = Telemetry(__version__)
    https = open_https(config, wanted, home(os.environ), telemetry, os.environ)
    listening = bind(wanted, config.server.port if port is None else port)
    with NodeState.of(home(os.environ)) as state:
        door = choose_door(wanted, config.access.auth, state.home, os.environ)
        for warning in door.warnings:
            log.warning(warning)
        node = Node(config, state, door, acceptance, output, tune, telemetry, https)
        finished = node.run(listening, wanted)
    code = 0 if finished else 1
    if node.computes:
        # Native code runs on a thread that cannot be stopped. The interpreter's own end would wait for it, or pull the
        # model from under it and abort.
        sys.stdout.flush()
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


class Node:
    """Everything that `serve` composes, and what it says on the terminal."""

    def __init__(
        self,
        config: Config,
        state: NodeState,
        door: Door,
        acceptance: Acceptance,
        output: Output,
        tune: bool,
        telemetry: Telemetry,
        https: Https | None,
    ) -> None:
        self._config = config
        self._https = https
        self._door = door
        self._output = output
        self._telemetry = telemetry
        in_flight = min(config.limits.in_flight_mb * MEGABYTE, read_memory().available // 4)
        self._memory = MemoryBudget(max(LEAST_IN_FLIGHT, in_flight))
        cpu = read_cpu()
        cache = state.writable / "cache"
        store = local_store(os.environ, cache)
        self._place = Place(cpu, cpu.usable_cores, cache / "graphs", store, cache if state.kept else None, tune)
        self._gateway = gateway.build(config, self._telemetry, self._memory, os.environ)
        here = [self._served(model, acceptance) for model in config.models if model.hosting == "here"]
        self._models = Models(here, self._gateway.upstreams)
        self._server: Listener | None = None
        self._hopeless = False
        self._url = ""
        self._loads_ended = False
        self.computes = True
        """Whether a thread may be inside a model: one that is loading, or a batch that outlasted the grace time."""

    def run(self, listening: socket.socket, host: str) -> bool:
        """Serve until a signal. True when nothing in flight was cut short and some model could be loaded."""
        settings = self._config.server
        self._server = Listener(
            self._app(),
            listening,
            grace_s=settings.grace_s,
            https=self._https,
            on_ready=lambda address: self._say_listening(address.url, host),
            on_drain=self._models.drain,
        )
        finished = self._server.run_all()
        self.computes = self.computes or not finished
        return finished and not self._hopeless

    def _app(self) -> App:
        limits = self._config.limits
        return build(
            self._models,
            self._telemetry,
            self._memory,
            check_access=None if self._door.is_open else self._door.check,
            body_limits=BodyLimits(limits.body_mb * MEGABYTE, self._config.server.body_timeout_s),
            grace_s=self._config.server.grace_s,
            on_loaded=self._loaded,
            front=self._gateway.front,
            beside=self._gateway.life,
        )

    def _served(self, model: ModelConfig, acceptance: Acceptance) -> Served:
        metrics = self._telemetry.model(model.id)

        def opened() -> Engine:
            return open_model(model, self._place, batch_observer(metrics), step_observer(metrics))

        def admission(engine: Engine) -> Admission:
            kind = engine.manifest.kind
            return Admission(
                model.limits, engine.capacity, self._memory, kind=kind, model=model.id, in_flight=metrics.in_flight
            )

        accepted = acceptance.reason if acceptance.model == model.id else None
        policy = ProofPolicy(model.require.proof == "always", accepted)
        return Served(model.id, opened, admission, policy, model.defaults, model.chat_template_kwargs)

    def _say_listening(self, url: str, host: str) -> None:
        self._url = url
        if self._door.initial_key is not None:
            log.warning("The initial key was written to %s", self._door.initial_key)
        bridge = docker_bridge()
        if bridge is not None and is_loopback(host):
            log.info(
                "For a Dify in a container on this machine: start with --host %s (the Docker bridge %s)",
                bridge.address,
                bridge.name,
            )
        self._show()

    def _loaded(self, models: Models) -> None:
        """All loads have ended: say what came of them, or leave when nothing did."""
        self.computes = False
        if not models.remotes and all(served.state is State.FAILED for served in models.all()):
            for served in models.all():
                if served.error is not None:
                    self._output.fail(served.error)
            self._output.fail(FreeholdError("nothing_loaded", models=", ".join(served.id for served in models.all())))
            self._hopeless = True
            if self._server is not None:
                self._server.should_exit = True
            return
        self._loads_ended = True
        self._show()
        # What is loaded stays: without this every full collection walks it, 15 % of the time of a small request.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 50, 100)

    def _show(self) -> None:
        """Say what is served where, once both are known: with nothing to load the port comes last."""
        if self._loads_ended and self._url:
            facts, text = banner(self._models, self._url, needs_key=not self._door.is_open)
            self._output.show(facts, text)
            sys.stdout.flush()


def _acceptance(model: str, reason: str, config: Config) -> Acceptance:
    if model and not reason.strip():
        raise FreeholdError("accept_needs_reason")
    if model and config.model(model) is None:
        raise FreeholdError("model_not_found", model=model, served=", ".join(one.id for one in config.models))
    return Acceptance(model, reason.strip())
