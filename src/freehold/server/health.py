"""Is the process alive, and can every model answer? For the probes of Kubernetes, compose, TEI and v2 clients."""

import msgspec

from freehold.errors import FreeholdError
from freehold.http import Call, Response, Route
from freehold.server.dataplane import DataPlane
from freehold.server.models import Models, Remote, Served
from freehold.server.visible import Sees, Visible

_encode = msgspec.json.Encoder().encode


class Trouble(msgspec.Struct):
    """Why a model cannot answer; `freehold explain CODE` tells more."""

    code: str
    cause: str
    fix: str


class ModelState(msgspec.Struct, omit_defaults=True):
    """One version of a model; kind and digest are known once it was loaded. `proof`: raw | self | none | failed.

    `origin`: "file" where the configuration wants it, "runtime" where somebody loaded it into a running server.
    """

    id: str
    state: str
    proof: str
    kind: str | None = None
    digest: str | None = None
    precision: str | None = None
    error: Trouble | None = None
    version: str = "1"
    origin: str = "file"


class Readiness(msgspec.Struct, omit_defaults=True):
    """The answer of `/readyz`: ready when every model is. `troubles` do not keep the node from answering.

    `configuration` is the sha256 of the file in force, in hex: who wrote it can tell by that when it is; `read`, when
    the one was written that was last read, in force or not, in nanoseconds since 1970; `changing`, while models that it
    changed are still being loaded or unloaded.
    """

    ready: bool
    models: list[ModelState]
    troubles: list[Trouble] = []
    configuration: str = ""
    changing: bool = False
    read: int = 0


class Live(msgspec.Struct):
    """The answer of `/livez` and `/v2/health/live`."""

    live: bool = True


class LiveReady(msgspec.Struct):
    """The answer of `/v2/health/ready`: the specification's letter says `live`, KServe sends `ready`."""

    live: bool
    ready: bool


def routes(plane: DataPlane) -> list[Route]:
    """Liveness and readiness under the names that each family of probes uses."""

    async def live(call: Call) -> Response:
        return Response(_encode(Live()))

    async def ready(call: Call) -> Response:
        readiness = state_of(plane.models, call.sees)
        return Response(_encode(readiness), 200 if readiness.ready else 503)

    async def oip_ready(call: Call) -> Response:
        answer = LiveReady(live=True, ready=plane.models.ready())
        return Response(_encode(answer), 200 if answer.ready else 503)

    return [
        Route("GET", "/livez", live, "plain", public=True),
        Route("GET", "/readyz", ready, "plain", public=True),
        Route("GET", "/health", ready, "tei", public=True),
        Route("GET", "/v2/health/live", live, "oip", public=True),
        Route("GET", "/v2/health/ready", oip_ready, "oip", public=True),
    ]


def state_of(models: Models, sees: Sees = lambda _: True) -> Readiness:
    """Every model's state, in the order of the configuration; then those that other servers compute.

    Those that are not seen count, and are not shown.
    """
    seen = Visible(models, sees)
    rows = [*map(_state, seen.all()), *map(_state_elsewhere, seen.remotes())]
    troubles = [_told(error) for error in models.troubles()]
    file = models.configuration()
    return Readiness(models.ready(), rows, troubles, file.digest, models.changing, file.read)


def _state(served: Served) -> ModelState:
    state = ModelState(served.id, str(served.now()), served.proof, served.kind)
    state.version, state.origin = served.version, served.origin
    if served.facts is not None:
        state.digest, state.precision = served.facts.digest, served.facts.precision
    state.error = _trouble(served.error)
    return state


def _state_elsewhere(remote: Remote) -> ModelState:
    return ModelState(remote.id, remote.state, "none", error=_trouble(remote.error))


def _trouble(error: FreeholdError | None) -> Trouble | None:
    return None if error is None else _told(error)


def _told(error: FreeholdError) -> Trouble:
    return Trouble(error.code, error.cause, error.fix)
