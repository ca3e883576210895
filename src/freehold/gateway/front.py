"""The paths of the OpenAI API, each answered by who has the model: this process or another server."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import aiohttp

from freehold.errors import FreeholdError
from freehold.gateway.child import Child
from freehold.gateway.naming import Form, boundary, named, renamed
from freehold.gateway.proxy import Asking, Upload, forward
from freehold.gateway.upstream import Upstream, open_session
from freehold.http import Call, Response, Route, Stream

log = logging.getLogger(__name__)

PATHS = (
    *("chat/completions", "completions", "responses", "embeddings", "rerank", "score", "moderations"),
    *("audio/speech", "audio/transcriptions", "audio/translations"),
    *("images/generations", "images/edits", "images/variations"),
)
"""What is passed on, below /v1 and without it; what a server does not know it refuses itself."""
OF_DOCUMENTS = frozenset({"embeddings", "rerank", "score"})
"""Paths of the calls whose callers give up early."""

Answer = Response | Stream
Local = Callable[[Call], Awaitable[Answer]] | None


class Gateway:
    """All models of a node that other servers compute. `local` are the ids of those that it computes itself."""

    def __init__(
        self,
        upstreams: Sequence[Upstream],
        children: Sequence[Child] = (),
        local: Sequence[str] = (),
        trusted: ssl.SSLContext | bool = True,
    ) -> None:
        self.upstreams = upstreams
        self._children = children
        self._local = local
        self._trusted = trusted
        self._by_id = {upstream.id: upstream for upstream in upstreams}
        self._session: aiohttp.ClientSession | None = None

    def front(self, routes: Sequence[Route]) -> list[Route]:
        """`routes` of this process, with the paths of the OpenAI API before them, which look at the model first."""
        if not self.upstreams:
            return list(routes)
        own: Mapping[tuple[str, str], Route] = {(route.method, route.path): route for route in routes}
        fronted = {("POST", f"{prefix}/{path}"): path for prefix in ("/v1", "") for path in PATHS}
        fronted["POST", "/v2/rerank"] = "rerank"  # Cohere's
        choices = []
        for (method, place), path in fronted.items():
            route = own.get((method, place))
            choices.append(Route(method, place, self._choice(path, route.endpoint if route else None), "openai"))
        return [*choices, *(route for key, route in own.items() if key not in fronted)]

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """While it lasts, servers are started and watched; at its end none of ours is left."""
        if not self.upstreams:
            yield
            return
        async with open_session(self._trusted) as session:
            self._session = session
            tasks = [asyncio.create_task(upstream.watch(session)) for upstream in self.upstreams]
            tasks += [asyncio.create_task(child.keep()) for child in self._children]
            for task in tasks:
                task.add_done_callback(_tell)
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self._session = None

    def _choice(self, path: str, local: Local) -> Callable[[Call], Awaitable[Answer]]:
        async def choose(call: Call) -> Answer:
            separator = boundary(call.header(b"content-type") or b"")
            if separator is not None and call.header(b"content-encoding") in (None, b"identity"):
                return await self._pass_form(call, path, local, Form(separator))
            body = await call.body()
            model = named(body)
            upstream = self._by_id.get(model or "")
            if upstream is None:
                return await self._here(call, model, local)
            name = upstream.name_there
            return await forward(call, self._asking(upstream, path), body if name == model else renamed(body, name))

        return choose

    async def _pass_form(self, call: Call, path: str, local: Local, form: Form) -> Answer:
        """Reads as much of a form as it takes to know the model; the files in it are sent on as they come."""
        pieces = call.pieces()
        model = None
        async for piece in pieces:
            call.hold(len(piece))
            try:
                model = form.feed(piece)
            except UnicodeDecodeError:
                raise FreeholdError("json_malformed", reason="the field `model` is not UTF-8") from None
            if model is not None:
                break
        upstream = self._by_id.get(model or "")
        if upstream is None:
            return await self._here(call, model, None)
        name = upstream.name_there
        begun = form.arrived if name == model else form.renamed(name)
        declared = call.header(b"content-length")
        length = None if declared is None else int(declared) + len(begun) - form.size
        del form  # where the name came last it holds a copy of all files
        return await forward(call, self._asking(upstream, path), Upload(begun, pieces, length))

    async def _here(self, call: Call, model: str | None, local: Local) -> Answer:
        if local is not None:
            return await local(call)
        served = ", ".join((*self._local, *self._by_id))
        if not model:
            raise FreeholdError("model_not_named", served=served)
        if model in self._local:
            raise FreeholdError("path_not_local", path=call.path, model=model)
        raise FreeholdError("model_not_found", model=model[:200], served=served)

    def _asking(self, upstream: Upstream, path: str) -> Asking:
        if self._session is None:
            raise FreeholdError("shutting_down")
        silence_s = upstream.limits.deadline_for("embed" if path in OF_DOCUMENTS else "generate")
        return Asking(upstream, self._session, path, silence_s)


def _tell(task: "asyncio.Task[None]") -> None:
    """A defect in a watch would else be heard of when the node stops."""
    if not task.cancelled() and (defect := task.exception()) is not None:
        log.error("watch_broke", exc_info=defect)
