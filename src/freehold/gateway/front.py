"""The paths of the OpenAI API and of models in the Open Inference Protocol, each answered by who has the model.

A name leads to a route, the route to one of its models by the request's id, and that model is asked: another server, or
this process. What clients send and get is not changed, but for the model's name.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from secrets import token_bytes
from time import perf_counter
from typing import Any, Protocol, TypeVar

from msgspec import structs

from freehold.config import Shadow
from freehold.errors import FreeholdError
from freehold.gateway.proxy import Asking, Upload, forward
from freehold.gateway.routing.affinity import conversation
from freehold.gateway.routing.hold import Waiting
from freehold.gateway.routing.identify import BYTES, conflict, identify, is_json, is_packed
from freehold.gateway.routing.naming import Form, addressed, boundary, renamed
from freehold.gateway.routing.onward import onward, query_there
from freehold.gateway.routing.places import OF_PROMPTS, Place, passed_on
from freehold.gateway.routing.selection import READY, Candidate, Here, able, hopeful, unable
from freehold.gateway.routing.table import ModelRoute, RouteTable, slot
from freehold.gateway.upstreams.upstream import Upstream
from freehold.gateway.wire.pool import Pools
from freehold.gateway.wire.usage import counted
from freehold.http import Call, Response, Route, Stream
from freehold.http.call import Endpoint
from freehold.http.errors import STATUS
from freehold.http.routing import Router
from freehold.telemetry import RoutedMetrics, Telemetry

T = TypeVar("T")

MODEL = b"x-freehold-model"
"""Of an answer: which of the route's models gave it."""

Answer = Response | Stream
Waits = Callable[[Awaitable[Any]], Awaitable[Any]]
Note = Callable[[str, str, int, float], None]
"""Told of every answer: route, model, status (0: cut short), seconds."""

_UNSENT = frozenset({"upstream_unreachable", "upstream_key_missing", "replicas_down", "model_loading"})
"""Why nothing of a request can have reached its model, so that another one may be asked."""
_OF_THE_NODE = frozenset(
    {
        *("/v1/models", "/models", "/v1/models/{model}", "/models/{model}", "/v2", "/metrics"),
        *("/livez", "/readyz", "/health", "/v2/health/live", "/v2/health/ready"),
    }
)
"""What a gateway without models of its own answers itself."""


class Tap(Protocol):
    """Listens to the answer to one request."""

    async def watch(self, answering: Awaitable[Answer]) -> Answer:
        """What `answering` returns or raises, heard as it passes."""
        ...


class Shadows(Protocol):
    """Copies requests for the routes that have a shadow."""

    def tap(self, route: str, shadow: Shadow, model: str, call: Call, body: bytes) -> Tap | None:
        """What listens to `model`'s answer to `body`; None where this request is not copied."""
        ...


class Front:
    """Answers requests for the routes of `table` by the models `models`, both of which may be replaced at any time.

    `alone`: nothing is computed here; bodies are not unpacked, and only what is passed on or told of this node has a
    path. Used from the event loop's thread only.
    """

    def __init__(self, telemetry: Telemetry, *, alone: bool = False) -> None:
        self.table = RouteTable({})
        self.models: Mapping[str, Candidate] = {}
        self.pools: Pools | None = None
        """The connections, while the node runs."""
        self.note: Note | None = None
        self.shadows: Shadows | None = None
        self.telemetry = telemetry
        self.alone = alone
        self._secret = token_bytes(32)  # or whoever knows a tenant's name could send what it is told apart by
        self._waiting = Waiting()
        self._counted: dict[tuple[str, str], RoutedMetrics] = {}
        self._places: Router[Place] = Router(())

    def routes(self, own: Sequence[Route]) -> list[Route]:
        """`own`, the paths of this process, with those that look at the model first before them."""
        known = {(route.method, route.path): route for route in own}
        rows = []
        for pattern, place in passed_on():
            route = None if self.alone else known.get((place.method, pattern))
            rows.append((pattern, place if route is None else replace(place, local=route.endpoint)))
        self._places = Router((place.method, pattern, place) for pattern, place in rows)
        fronted = {(place.method, pattern) for pattern, place in rows}
        rest = [route for key, route in known.items() if key not in fronted]
        if self.alone:
            rest = [route for route in rest if route.path in _OF_THE_NODE]
        first = [
            Route(place.method, pattern, self._endpoint(place), place.dialect, place.right) for pattern, place in rows
        ]
        return [*first, *rest]

    async def ask(self, model: str, call: Call) -> Answer:
        """What that model, and no other in its place, answers to `call`. Raises as `forward` does, and
        `model_not_found`, `path_not_found`."""
        found = self._places.find(call.path)
        place = None if found is None else found[0].get(call.method)
        if place is None:
            raise FreeholdError("path_not_found", path=call.path)
        one = self.models.get(model)
        if one is None:
            raise FreeholdError("model_not_found", model=model[:200], served=self.table.listed())
        return await self._answer(place, call, one, await self._body(call) if place.method == "POST" else b"")

    def _endpoint(self, place: Place) -> Endpoint:
        async def choose(call: Call) -> Answer:
            if place.method == "POST" and not place.of_a_model:
                separator = boundary(call.header(b"content-type") or b"")
                if separator is not None and not is_packed(call.header(b"content-encoding")):
                    return await self._pass_form(place, call, Form(separator))
            body = await self._body(call) if place.method == "POST" else b""
            path_model = call.params["model"] if place.of_a_model else None
            try:
                lenient = not self._passes_on(call)
                name = identify(place.method, path_model, call.headers, call.query_string, body, lenient=lenient)
            except FreeholdError as error:
                if place.local is None or error.code != "json_malformed":
                    raise
                name = None  # its own endpoint says what is wrong in its own words
            if name is not None:
                return await self._route(place, call, self.table.find(name, call.sees), body)
            if place.local is not None:
                return await place.local(call)  # which may know its only model
            raise self._unnamed(call)

        return choose

    def _passes_on(self, call: Call) -> bool:
        """Whether bodies go on as they came: what a caller sends who may not ask every model is read first."""
        return self.alone and not call.is_confined

    async def _body(self, call: Call) -> bytes:
        return await (call.packed() if self._passes_on(call) else call.body())

    async def _route(self, place: Place, call: Call, route: ModelRoute, body: bytes) -> Answer:
        """The answer of one of the route's models. Where nothing can have reached it, another one is asked."""
        if call.visit is not None:
            call.visit.model = route.name
        model = await self._pick(call, route, waits=call.while_connected)
        tried: list[str] = []
        while True:
            began = perf_counter()
            call.on_end = partial(self._count, route.name, model.id)
            answering = self._answer(place, call, model, body, route)
            if route.shadow is not None and self.shadows is not None and not self._is_packed(call):
                tap = self.shadows.tap(route.name, route.shadow, model.id, call, body)
                answering = answering if tap is None else tap.watch(answering)
            try:
                return _signed(await answering, model.id)
            except FreeholdError as error:
                tried.append(model.id)
                following = able(route, model.id, self.models, tried) if error.code in _UNSENT else None
                if following is None:
                    raise
                self._count(route.name, model.id, STATUS[error.kind], perf_counter() - began)
                model = following

    async def _pick(self, call: Call, route: ModelRoute, waits: Waits) -> Candidate:
        """The model that a request belongs to, or another one while that is not ready, or the first to become so."""
        first = route.variants[0].id
        if len(route.variants) > 1:
            first = route.variant_at(slot(call.request_id.encode("ascii")))
        model = self.models[first]
        if model.state == READY and not model.tripped:
            return model
        if isinstance(model, Here) and route.only == route.name:
            return model  # a model without a route: its own endpoint says why it does not answer
        ready = able(route, first, self.models)
        if ready is None and hopeful(route, self.models):
            ready = await waits(self._held(route, first))
        if ready is None:
            raise unable(self.table.find(route.name), self.models)
        return ready

    async def _held(self, route: ModelRoute, first: str) -> Candidate | None:
        """The first model to become ready; the route may be changed meanwhile."""

        def now() -> ModelRoute:
            return self.table.find(route.name)

        return await self._waiting.until(
            route.name,
            route.hold,
            found=lambda: able(now(), first, self.models),
            hope=lambda: hopeful(now(), self.models),
        )

    async def _answer(
        self, place: Place, call: Call, model: Candidate, body: bytes, route: ModelRoute | None = None
    ) -> Answer:
        """The answer of one model, asked under the name that it is known by there. `route` is what the client asked
        for, where that is known."""
        there = model.name_there if isinstance(model, Upstream) else model.id
        apart = self._apart(place, call, model)
        if isinstance(model, Upstream) and call.is_confined and (apart or not place.of_a_model):
            body = addressed(body, there, apart)
        elif (route is None or route.name != there) and body and self._is_readable(place, call):
            body = renamed(body, there)
        if isinstance(model, Upstream):
            key = conversation(body) if route is not None and route.balance == "prefix" else b""
            answer = await forward(call, self._asking(place, call, model, key), body)
            if call.visit is None:
                return answer
            return await counted(answer, call.visit, model.id, call.guess_tokens(len(body)), model.digest)
        if place.local is None:
            raise FreeholdError("path_not_local", path=call.path, model=model.id)
        if body:
            call.replace(body)
        if place.of_a_model:
            call.params = {**call.params, "model": model.id}
        if call.visit is not None:
            call.visit.grant(model.id)  # which it may not see by that name
        return await place.local(call)

    def _apart(self, place: Place, call: Call, model: Candidate) -> bytes:
        """By what a server tells the prompts of this caller's tenant from all others; empty where nothing has to."""
        tenant = "" if call.visit is None else call.visit.tenant
        if not tenant or place.path not in OF_PROMPTS or not (isinstance(model, Upstream) and model.salts):
            return b""
        return blake2b(tenant.encode(), key=self._secret).digest()

    async def _pass_form(self, place: Place, call: Call, form: Form) -> Answer:
        """Reads as much of a form as it takes to know the model; the files in it are sent on as they come.

        Of who may not ask every model all of it is read: whoever is asked may go by another part of that name.
        """
        outer = identify(call.method, None, call.headers, call.query_string, b"")
        pieces = _whole(call) if call.is_confined else call.pieces()
        inner = None
        async for piece in pieces:
            if not call.is_confined:
                call.hold(len(piece))
            try:
                inner = form.feed(piece)
            except UnicodeDecodeError:
                raise FreeholdError("json_malformed", reason="the field `model` is not UTF-8") from None
            if inner is not None:
                break
        if outer and inner and outer != inner:
            raise conflict({"header or query": outer, "form": inner})
        if not (name := inner or outer) or (call.is_confined and inner is None):
            raise self._unnamed(call)
        if call.is_confined and form.names_another():
            raise conflict({"form": inner, "form again": "another"})
        route = self.table.find(name, call.sees)
        model = await self._pick(call, route, waits=_unwatched)  # what is left of the body must not be read here
        if not isinstance(model, Upstream):
            raise FreeholdError("path_not_local", path=call.path, model=model.id)
        call.on_end = partial(self._count, route.name, model.id)
        begun = form.arrived if inner is None else form.renamed(model.name_there)
        declared = call.header(b"content-length")
        length = None if declared is None else int(declared) + len(begun) - form.size
        del form  # where the name came last it holds a copy of all files
        answer = await forward(call, self._asking(place, call, model), Upload(begun, pieces, length))
        if call.visit is not None:
            call.visit.model = route.name
            # what a sound or a picture costs, nobody can guess
            answer = await counted(answer, call.visit, model.id, 0, model.digest)
        return _signed(answer, model.id)

    def _asking(self, place: Place, call: Call, model: Upstream, key: bytes = b"") -> Asking:
        if self.pools is None:
            raise FreeholdError("shutting_down")
        there = model.name_there
        headers = onward(call, there)
        if self._is_packed(call):
            headers = (*headers, (b"content-encoding", call.headers[b"content-encoding"]))
        return Asking(
            model,
            self.pools,
            place.there(there, call.params.get("version")),
            model.limits.deadline_for(place.kind),
            key,
            headers,
            query_there(call.query_string, there),
        )

    def _is_readable(self, place: Place, call: Call) -> bool:
        """Whether a model that the body names can be told and changed."""
        if place.of_a_model and BYTES in call.headers:
            return False
        return not self._passes_on(call) or (is_json(call.header(b"content-type")) and not self._is_packed(call))

    def _is_packed(self, call: Call) -> bool:
        """Whether the body is passed on as it came, under its Content-Encoding."""
        return self._passes_on(call) and is_packed(call.header(b"content-encoding"))

    def _unnamed(self, call: Call) -> FreeholdError:
        return FreeholdError("model_not_named", served=self.table.listed(call.sees))

    def _count(self, route: str, model: str, status: int, seconds: float) -> None:
        """An answer is over."""
        counted = self._counted.get((route, model))
        if counted is None:
            counted = self._counted[route, model] = self.telemetry.routed(route, model)
        counted.observe(status, seconds)
        if self.note is not None:
            self.note(route, model, status, seconds)


def _signed(answer: Answer, model: str) -> Answer:
    """With the header that says whose it is."""
    return structs.replace(answer, headers=(*answer.headers, (MODEL, model.encode("ascii"))))


async def _whole(call: Call) -> AsyncIterator[bytes]:
    """The body in one piece, unpacked."""
    yield await call.body()


async def _unwatched(waiting: Awaitable[T]) -> T:
    return await waiting
