"""One node, whatever it answers: composed of models, gateway and listener, and run until a signal."""

import gc
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from freehold import __version__
from freehold.access import Keys
from freehold.cli.access import database_url
from freehold.cli.banner import banner
from freehold.cli.grpc_port import hold_grpc_port
from freehold.cli.guard import Guard
from freehold.cli.https import open_https
from freehold.cli.output import Output
from freehold.cli.residents import Residents
from freehold.cli.state import State as NodeState
from freehold.cli.traffic import Origin, Traffic
from freehold.config import Config, resolve
from freehold.config.home import home
from freehold.errors import FreeholdError
from freehold.gateway.build import build as build_gateway
from freehold.gateway.routing.selection import Here
from freehold.http import CROWD, App, BodyLimits, MemoryBudget
from freehold.http.door import Door, choose_door, is_loopback
from freehold.http.listener import Listener, bind
from freehold.http.tls import Https
from freehold.http.visit import Owners
from freehold.machine import docker_bridge, read_memory
from freehold.server.app import build
from freehold.server.models import Models, State
from freehold.server.shared_memory import SharedMemory
from freehold.telemetry import Telemetry, configure_logs

if TYPE_CHECKING:
    from freehold.server.grpc.listener import GrpcListener

log = logging.getLogger(__name__)

MEGABYTE = 1 << 20
LEAST_IN_FLIGHT = 64 * MEGABYTE
"""What requests may hold even on a machine that has nearly nothing free: less would refuse single requests."""

ABILITIES = {"embed": ("embed",), "rerank": ("rerank",), "generate": ("chat",)}
"""What can be asked of a model of each kind by OpenAI's paths."""


@dataclass(frozen=True)
class Ground:
    """What a node stands on."""

    config: Config
    state: NodeState
    door: Door
    https: Https | None
    telemetry: Telemetry
    memory: MemoryBudget
    origin: Origin
    output: Output


Local = Callable[[Ground], Residents]


def run_node(
    config: Config,
    origin: Origin,
    output: Output,
    host: str | None,
    port: int | None,
    local: Local | None = None,
    grpc_port: int | None = None,
) -> NoReturn:
    """Serve by `config` until a signal, then end the process: 0 when nothing was cut short and a model was loaded.

    `host`, `port` and `grpc_port` go before the configuration's, which was read from `origin`. `local` makes the models
    that this process computes; None: it computes none, and is a gateway alone, with gRPC where a port is named.
    """
    logs = config.observe.log_format
    configure_logs(("text" if sys.stderr.isatty() else "json") if logs == "auto" else logs, config.observe.log_level)
    wanted = config.server.host if host is None else host
    telemetry = Telemetry(__version__)
    https = open_https(config, wanted, home(os.environ), telemetry, os.environ)
    port = config.server.port if port is None else port
    listening = bind(wanted, port)
    has_grpc = local is not None or config.server.grpc_port is not None or grpc_port is not None
    holding = hold_grpc_port(config, wanted, grpc_port, port) if has_grpc else None
    with NodeState.of(home(os.environ)) as state:
        shared = database_url(config.access, os.environ)
        door = choose_door(wanted, config.access.auth, state.home, os.environ, _own_key(config), shared)
        for warning in door.warnings:
            log.warning(warning)
        in_flight = min(config.limits.in_flight_mb * MEGABYTE, read_memory().available // 4)
        memory = MemoryBudget(max(LEAST_IN_FLIGHT, in_flight))
        node = Node(Ground(config, state, door, https, telemetry, memory, origin, output), local)
        finished = node.run(listening, wanted, holding)
    code = 0 if finished else 1
    if node.computes or (https is not None and https.is_busy):
        # Native code runs on a thread that cannot be stopped. The interpreter's own end would wait for it, or pull the
        # model or OpenSSL from under it and abort.
        sys.stdout.flush()
        logging.shutdown()
        os._exit(code)
    sys.exit(code)


class Node:
    """Everything that one process composes, and what it says on the terminal."""

    def __init__(self, ground: Ground, local: Local | None) -> None:
        self._ground = ground
        self._is_alone = local is None
        self._residents = None if local is None else local(ground)
        config = ground.config if self._residents is None else self._residents.whole(ground.config)
        self._gateway = build_gateway(
            config,
            ground.telemetry,
            ground.memory,
            os.environ,
            here=self._here(),
            alone=self._is_alone,
        )
        self._traffic = Traffic(
            ground.config, ground.origin, self._gateway, ground.state, ground.memory, ground.telemetry, self
        )
        served = [] if self._residents is None else self._residents.served()
        self._models = Models(served, self._gateway.shown, self._residents, _budget(ground.config))
        self._models.on_change = self._traffic.again
        self._models.troubles = self._troubles
        self._models.configuration = self._traffic.followed
        self._owned: tuple[Owners, Owners, Owners] = ({}, {}, {})
        self._guard = self._guarded(ground)
        self._server: Listener | None = None
        self._grpc: GrpcListener | None = None
        self._hopeless = False
        self._url = ""
        self._loads_ended = False
        self.computes = True
        """Whether a thread may be inside a model: one that is loading, or a batch that outlasted the grace time."""

    def run(self, listening: socket.socket, host: str, holding: socket.socket | None) -> bool:
        """Serve until a signal; `holding` holds gRPC's port. True when nothing in flight was cut short and some model
        could be loaded."""
        if holding is not None:
            self._grpc = self._listen_grpc(holding)
        settings = self._ground.config.server
        self._server = Listener(
            self._app(),
            listening,
            grace_s=settings.grace_s,
            bounds=CROWD if self._is_alone else None,
            https=self._ground.https,
            on_ready=lambda address: self._say_listening(address.url, host),
            on_drain=self._drain,
        )
        finished = self._server.run_all()
        self.computes = self.computes or not finished or self._server.threads.busy
        return finished and not self._hopeless

    def _app(self) -> App:
        config = self._ground.config
        body_mb = config.gateway.body_mb if self._is_alone else config.limits.body_mb
        return build(
            self._models,
            self._ground.telemetry,
            self._ground.memory,
            entrance=self._guard.entrance,
            body_limits=BodyLimits(body_mb * MEGABYTE, config.server.body_timeout_s),
            grace_s=self._ground.config.server.grace_s,
            shared=SharedMemory(config.server.shared_memory.prefixes, body_mb * MEGABYTE),
            on_loaded=self._loaded,
            front=self._gateway.routes,
            beside=self._life,
            other_port=self._grpc.life if self._grpc is not None else lambda _plane, _routes: nullcontext(),
        )

    def _guarded(self, ground: Ground) -> Guard:
        """What stands at the door, and behind it: an open one has usage and audit, too."""
        door, home = ground.door, ground.state.home
        keys, until_keys = door.keys or Keys.in_memory(), door.until_keys or door.keys is None
        return Guard(ground.config.access, keys, home, ground.telemetry, self._owners, until_keys=until_keys)

    def _owners(self) -> Owners:
        """Whose each name is. A model here is its tenant's until it is gone, whatever the file says of it by then."""
        named, here, both = self._owned
        if named is not self._gateway.owners or here is not self._models.owners:  # which are never changed in place
            named, here = self._gateway.owners, self._models.owners
            both = {**named, **here}
            self._owned = named, here, both
        return both

    @asynccontextmanager
    async def _life(self) -> AsyncIterator[None]:
        told = {"version": __version__, **self._file(self._traffic.followed().digest)}
        async with self._guard.life(told), self._traffic.life():
            yield

    def _listen_grpc(self, holding: socket.socket) -> "GrpcListener":
        from freehold.server.grpc.listener import GrpcListener

        config = self._ground.config
        return GrpcListener(
            holding,
            entrance=self._guard.entrance,
            telemetry=self._ground.telemetry,
            memory=self._ground.memory,
            grace_s=config.server.grace_s,
            limits=BodyLimits(config.limits.body_mb * MEGABYTE, config.server.body_timeout_s),
            https=self._ground.https,
            leads=self._gateway.leads,
        )

    def _drain(self) -> None:
        self._models.drain()
        if self._grpc is not None:
            self._grpc.drain()

    def _file(self, digest: str) -> dict[str, str]:
        """What the audit says of the configuration: who wrote it can only be told by whose file it is."""
        file = self._ground.origin.file
        if file is None:
            return {}
        try:
            owner = file.owner()
        except (KeyError, OSError):
            owner = ""
        return {"file": str(file), "sha256": digest, "owner": owner}

    def prepare(self, config: Config) -> Config:
        """As `Followers.prepare`: `config` with what was loaded while the node ran."""
        if self._residents is None:
            return config
        self._residents.check(config)
        whole = self._residents.whole(config)
        self._gateway.here = {name: self._one(name) for name in self._residents.here(config)}
        return whole

    def follow(self, config: Config) -> None:
        """As `Followers.follow`."""
        self._guard.follow(config.access)
        if self._residents is not None:
            self._residents.follow(config, self._models)

    def note(self, digest: str) -> None:
        """As `Followers.note`."""
        self._guard.did("config.reload", self._file(digest))

    def _here(self) -> list[Here]:
        names = [] if self._residents is None else self._residents.here(self._ground.config)
        return [self._one(name) for name in names]

    def _one(self, name: str) -> Here:
        return Here(name, lambda: self._look(name))

    def _look(self, name: str) -> tuple[str, FreeholdError | None, Sequence[str]]:
        """How it is with a model of this process. One that sleeps is as good as ready: who asks waits for its load."""
        try:
            served = self._models.find(name)
        except FreeholdError as error:
            return State.LOADING, error, ()
        state = State.READY if served.sleeps else served.now()
        return state, served.error, ABILITIES.get(served.kind or "", ())

    def _troubles(self) -> list[FreeholdError]:
        https = self._ground.https
        kept = [] if self._residents is None else self._residents.troubles
        keys = self._ground.door.troubles()
        return [*kept, *keys, *self._traffic.troubles(), *(https.troubles() if https is not None else ())]

    def _say_listening(self, url: str, host: str) -> None:
        self._url = url
        if self._ground.door.initial_key is not None:
            log.warning("The initial key was written to %s", self._ground.door.initial_key)
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
        mine = models.all()
        if mine and not self._gateway.upstreams and all(served.state is State.FAILED for served in mine):
            for served in mine:
                if served.error is not None:
                    self._ground.output.fail(served.error)
            self._ground.output.fail(FreeholdError("nothing_loaded", models=", ".join(served.id for served in mine)))
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
            facts, text = banner(
                self._models, self._url, needs_key=not self._ground.door.is_open, grpc=self._grpc_place()
            )
            self._ground.output.show(facts, text)
            sys.stdout.flush()

    def _grpc_place(self) -> str:
        """What to tell a gRPC client on this machine to connect to."""
        return "" if self._grpc is None else self._grpc.place


def _own_key(config: Config) -> str | None:
    """What `access.key` refers to, read now. Raises `secret_missing` and its like."""
    return None if config.access.key is None else resolve(config.access.key, os.environ)


def _budget(config: Config) -> int:
    """Bytes that loaded models may take together."""
    wanted = config.limits.models_mb
    return read_memory().available * 9 // 10 if wanted is None else wanted * MEGABYTE
