"""Copies of a route's requests for a second model, whose answers are compared with what clients got, and dropped.

A client never waits for any of it: a tap is fed with what the client is sent, and only when that is over the copy is
asked, in the background. What is held is bounded in bytes and in number; what exceeds that is not copied, and counted.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import xxhash
from msgspec.structs import replace

from freehold.config import Shadow
from freehold.errors import FreeholdError, Kind
from freehold.gateway.comparing.comparison import Bounds, Comparison, compare
from freehold.gateway.comparing.contents import Answer
from freehold.gateway.recurring import recurring
from freehold.gateway.shadows.shadow_report import Reports, Times
from freehold.http import Call, MemoryBudget, Response, Stream
from freehold.protocol.oip import HEADER_LENGTH, parse_header_length
from freehold.telemetry import Telemetry

log = logging.getLogger(__name__)

HEADER = b"x-freehold-shadow"
"""Says, with the name of the route, that a request is a copy. One that has it is not copied again."""
SUFFIX = "-shadow"
"""Of a copy's request id: servers that make ids of their own of it would else meet the same one twice."""
HELD_BYTES = 64 << 20  # of all requests and answers that wait to be compared
LONGEST = 4 << 20  # bytes of an answer that is compared
MOST = 16  # copies of a route that are tapped, asked or compared at a time
LEAST_PATIENCE_S = 60.0  # how long a copy's answer may take in all; more where the client's took more
PATIENCE = 3.0  # times what the client's answer took
KEEP_S = 5.0  # how often reports are written
INLINE_BYTES = 8 << 10  # of both answers, compared within a millisecond; longer ones are compared in a thread
_SEED = 1  # not the variants' seed, so that a canary's requests are shadowed in their share

Ask = Callable[[str, Call], Awaitable[Response | Stream]]
"""Asks the model of that id what a call asks, under the name that its server knows it by. Raises FreeholdError."""


def is_chosen(request_id: str, percent: int) -> bool:
    """Whether the request of that id is one of `percent` in a hundred: the same at every gateway."""
    return xxhash.xxh64_intdigest(request_id.encode("ascii"), seed=_SEED) % 100 < percent


class Shadowing:
    """The shadows of all routes of a gateway. Used from the event loop's thread only, within its `life`."""

    def __init__(self, ask: Ask, folder: Path, telemetry: Telemetry, held_bytes: int = HELD_BYTES) -> None:
        """`folder` is where reports are kept; nothing is read or written before the first copy."""
        self.memory = MemoryBudget(held_bytes)
        self.reports = Reports(folder)
        self._ask = ask
        self._telemetry = telemetry
        self._busy: dict[str, int] = {}  # by route, what is tapped, asked or compared
        self._tasks: set[asyncio.Task[None]] = set()
        self._comparing = asyncio.Lock()

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """While it lasts reports are written; at its end no copy is on its way, and what they showed is kept."""
        try:
            async with recurring(self._keep, KEEP_S, "shadow_reports_broke"):
                yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.reports.write(self.reports.unwritten())

    def tap(self, route: str, shadow: Shadow, model: str, call: Call, body: bytes) -> "Tap | None":
        """What listens to the answer of `model` to `body`; None where this request is not copied."""
        if call.method != "POST" or model == shadow.id or call.header(HEADER) is not None:
            return None
        if not is_chosen(call.request_id, shadow.percent):
            return None
        if self._busy.get(route, 0) >= MOST:
            self.drop(route, shadow, "busy")
            return None
        try:
            self.memory.take(len(body))
        except FreeholdError:
            self.drop(route, shadow, "memory")
            return None
        self._busy[route] = self._busy.get(route, 0) + 1
        return Tap(self, route, shadow, model, call, body)

    def drop(self, route: str, shadow: Shadow, reason: str) -> None:
        """Count a request that is not compared."""
        now = time.time()
        self.reports.of(route, shadow, now).drop(reason, now)
        self._telemetry.shadow_dropped.inc(route, reason)

    def settle(self, tap: "Tap", reason: str = "") -> None:
        """The client's answer is over: ask the copy, or give it up for `reason`."""
        if reason:
            self.drop(tap.route, tap.shadow, reason)
            self._release(tap)
            return
        task = asyncio.create_task(self._follow(tap))
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, tap))

    async def _follow(self, tap: "Tap") -> None:
        """Ask the copy and compare. Whatever comes of it is counted."""
        route, shadow, mine = tap.route, tap.shadow, tap.heard
        theirs = Heard(self.memory)
        try:
            async with asyncio.timeout(max(LEAST_PATIENCE_S, PATIENCE * mine.times.whole)):
                reason = await self._listen(tap, theirs)
            if reason:
                self.drop(route, shadow, reason)
            else:
                await self._compare(tap, theirs)
        except TimeoutError:
            self._fail(tap, "timeout")
        except FreeholdError as error:
            if error.kind is Kind.OVERLOADED:  # its door has refused it: nothing was asked
                self.drop(route, shadow, "busy")
            else:
                self._fail(tap, error.code)
        finally:
            theirs.forget()
            self._release(tap)

    async def _listen(self, tap: "Tap", theirs: "Heard") -> str:
        """The copy's answer into `theirs`; why it is not wanted whole, or ""."""
        copy = tap.copy(self.memory)
        try:
            answer = await self._ask(tap.shadow.id, copy)
            theirs.begin(answer)
            if isinstance(answer, Response):
                theirs.feed(answer.body)
            else:
                async with aclosing(answer.frames) as frames:
                    async for frame in frames:
                        theirs.feed(frame)
                        if theirs.refused:
                            break
            theirs.end()
        finally:
            self.memory.give(copy.held)
        return theirs.refused

    async def _compare(self, tap: "Tap", theirs: "Heard") -> None:
        mine, bounds = tap.heard, Bounds.of(tap.shadow)
        if mine.size + theirs.size <= INLINE_BYTES:
            found = compare(mine.answer(), theirs.answer(), bounds)
        else:
            async with self._comparing:  # one at a time: the others' turns are worth more than this one's speed
                found = await asyncio.to_thread(compare, mine.answer(), theirs.answer(), bounds)
        self._count(tap, found, theirs.times)

    def _count(self, tap: "Tap", found: Comparison, theirs: Times) -> None:
        route, now = tap.route, time.time()
        report = self.reports.of(route, tap.shadow, now)
        report.add(tap.request_id, tap.model, found, tap.heard.times, theirs, now)
        self._telemetry.shadowed.inc(route)
        if found.verdict == "differs":
            self._telemetry.shadow_differed.inc(route, found.kind)

    def _fail(self, tap: "Tap", code: str) -> None:
        now = time.time()
        self.reports.of(tap.route, tap.shadow, now).fail(code, now)
        self._telemetry.shadow_failed.inc(tap.route, code)

    def _release(self, tap: "Tap") -> None:
        tap.heard.forget()
        self.memory.give(len(tap.body))
        self._busy[tap.route] -= 1

    def _done(self, tap: "Tap", task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("shadow_broke", exc_info=defect)
            self._fail(tap, "internal")

    async def _keep(self) -> None:
        if changed := self.reports.unwritten():
            await asyncio.to_thread(self.reports.write, changed)


class Heard:
    """An answer as it comes by, kept while it is small enough and there is memory for it."""

    def __init__(self, memory: MemoryBudget) -> None:
        self.size = 0
        self.refused = ""
        """Why it is not kept."""
        self.times = Times(0.0, 0.0)
        self.status = 0
        self._memory = memory
        self._pieces: list[bytes] = []
        self._type = ""
        self._header_length: int | None = None
        self._began = time.perf_counter()
        self._first_s = 0.0

    def begin(self, answer: Response | Stream) -> None:
        """Its head has come."""
        self.status = answer.status
        self._type = answer.content_type.decode("latin-1")
        with contextlib.suppress(FreeholdError):
            self._header_length = parse_header_length(dict(answer.headers).get(HEADER_LENGTH))

    def feed(self, piece: bytes) -> None:
        """A piece of it has come by."""
        if not piece or self.refused:
            return
        self._first_s = self._first_s or time.perf_counter() - self._began
        if self.size + len(piece) > LONGEST:
            self.refuse("too_large")
            return
        try:
            self._memory.take(len(piece))
        except FreeholdError:
            self.refuse("memory")
            return
        self._pieces.append(piece)
        self.size += len(piece)

    def end(self) -> None:
        """All of it has come by."""
        whole_s = time.perf_counter() - self._began
        self.times = Times(self._first_s or whole_s, whole_s)

    def refuse(self, reason: str) -> None:
        """Keep none of it."""
        self.forget()
        self.refused = reason

    def forget(self) -> None:
        """Give its memory back."""
        self._memory.give(self.size)
        self._pieces, self.size = [], 0

    def answer(self) -> Answer:
        """What was kept."""
        return Answer(self.status, self._type, b"".join(self._pieces), self._header_length)


class Tap:
    """Listens to one client's answer."""

    def __init__(self, shadowing: Shadowing, route: str, shadow: Shadow, model: str, call: Call, body: bytes) -> None:
        self.route = route
        self.shadow = shadow
        self.model = model
        self.body = body
        self.request_id = call.request_id
        self.heard = Heard(shadowing.memory)
        self._shadowing = shadowing
        self._call = call

    async def watch(self, answering: Awaitable[Response | Stream]) -> Response | Stream:
        """The answer of `answering`, as it is, and heard while it passes. Raises what that raises."""
        try:
            answer = await answering
        except BaseException:
            self._end(whole=False)
            raise
        self.heard.begin(answer)
        if isinstance(answer, Response):
            self.heard.feed(answer.body)
            self._end(whole=True)
            return answer
        frames = self._passed(answer.frames)
        await anext(frames)  # begun, so that closing it ends what it listens to, whatever happens first
        return replace(answer, frames=frames)

    def _end(self, *, whole: bool) -> None:
        """The client has all of it, or (not `whole`) will not get it."""
        self.heard.end()
        answered = whole and self.heard.status != 429 and self.heard.status < 500
        self._shadowing.settle(self, self.heard.refused if answered else "unanswered")

    def copy(self, memory: MemoryBudget) -> Call:
        """The same request for the shadow, which takes what it holds from `memory`."""
        return self._call.copied(self.body, self._call.request_id + SUFFIX, {HEADER: self.route.encode()}, memory)

    async def _passed(self, frames: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        whole = False
        try:
            async with aclosing(frames):
                yield b""
                async for frame in frames:
                    self.heard.feed(frame)
                    yield frame
            whole = True
        finally:
            self._end(whole=whole)
