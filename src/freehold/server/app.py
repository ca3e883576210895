"""The composition of one node: endpoints over models, behind access, with their life from load to close."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from freehold.http import App, BodyLimits, Entrance, MemoryBudget, Route
from freehold.server import (
    chat,
    completions,
    generate,
    health,
    metrics,
    oip,
    openai,
    openapi,
    repository,
    shared_memory,
    tei,
)
from freehold.server.chat_format import ChatFormats
from freehold.server.dataplane import DataPlane
from freehold.server.models import Models
from freehold.server.shared_memory import SharedMemory
from freehold.server.waking import waking
from freehold.telemetry import Telemetry

OtherPort = Callable[[DataPlane, Sequence[Route]], AbstractAsyncContextManager[None]]

log = logging.getLogger(__name__)


def build(
    models: Models,
    telemetry: Telemetry,
    memory: MemoryBudget,
    *,
    entrance: Entrance | None,
    body_limits: BodyLimits,
    grace_s: float,
    shared: SharedMemory | None = None,
    on_loaded: Callable[[Models], None] = lambda _models: None,
    front: Callable[[Sequence[Route]], list[Route]] = list,
    beside: Callable[[], AbstractAsyncContextManager[None]] = nullcontext,
    other_port: OtherPort = lambda _plane, _routes: nullcontext(),
) -> App:
    """The ASGI app of one node. Models load when its lifespan begins, while health routes already answer.

    `on_loaded` is called when all loads have ended, well or not. `front` may put routes before these, for models that
    are not computed here; `beside` is what lives as long as the models do. `other_port` answers from them, and by
    the routes, in another protocol, and is left before they are closed.
    """
    plane = DataPlane(models, telemetry, shared)
    routes = front([waking(models, route) for route in own_routes(plane, telemetry)])
    return App(
        [*routes, *openapi.routes(routes)],
        telemetry=telemetry,
        memory=memory,
        entrance=entrance,
        body_limits=body_limits,
        lifespan=_life(plane, grace_s, on_loaded, beside, lambda: other_port(plane, routes)),
        grace_s=grace_s,
    )


def own_routes(plane: DataPlane, telemetry: Telemetry) -> list[Route]:
    """Every route of a node that computes, the description of them all aside."""
    formats = ChatFormats()
    return [
        *openai.routes(plane, formats),
        *chat.routes(plane, formats),
        *completions.routes(plane),
        *oip.routes(plane),
        *repository.routes(plane),
        *shared_memory.routes(plane.shared),
        *generate.routes(plane),
        *tei.routes(plane),
        *health.routes(plane),
        *metrics.routes(plane, telemetry),
    ]


def _life(
    plane: DataPlane,
    grace_s: float,
    on_loaded: Callable[[Models], None],
    beside: Callable[[], AbstractAsyncContextManager[None]],
    other_port: Callable[[], AbstractAsyncContextManager[None]],
) -> Callable[[], AbstractAsyncContextManager[None]]:
    async def load() -> None:
        await plane.models.load(plane.loaded)
        on_loaded(plane.models)

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with beside():
            loading = asyncio.create_task(load())
            resting = asyncio.create_task(plane.models.loader.rest())
            for task in (loading, resting):
                task.add_done_callback(_tell)
            try:
                async with other_port():
                    yield
            finally:
                loading.cancel()
                resting.cancel()
                await asyncio.gather(loading, resting, return_exceptions=True)
                await plane.models.close(grace_s)

    return life


def _tell(loading: "asyncio.Task[None]") -> None:
    """A defect in what follows the loads would else be heard of when the node stops, or never."""
    if not loading.cancelled() and (defect := loading.exception()) is not None:
        log.error("start_broke", exc_info=defect)
