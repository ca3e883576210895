"""Recorded requests, asked of the old model and of the new one: do they answer alike?

A recording is JSON Lines: `{"path": "/v1/embeddings", "body": {...}}`, by choice with `"method"` (POST) and bounds of
its own: `"compare"`, `"tolerance"`, `"similarity"`, as of a shadow. The `model` of a body is put in when it is asked.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal

import msgspec

from freehold.errors import FreeholdError, Kind
from freehold.gateway.comparing.comparison import Bounds, Comparison, compare
from freehold.gateway.comparing.contents import Answer
from freehold.http import Call, MemoryBudget, Response, Stream
from freehold.http.errors import STATUS

MOST = 1000
LONGEST = 64 << 20  # bytes of a recording
UNABLE = 500  # from this status on an answer says that its server does not work, not what the model answers
NOBODYS = frozenset({401, 403, 404, 405, 429})  # no model's answer: it was not asked. Two of them agree on nothing


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One request, without its model."""

    path: str
    body: dict[str, Any]
    method: Literal["POST"] = "POST"
    compare: Literal["auto", "exact", "numeric", "text"] = "auto"
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 1e-3
    similarity: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.9

    @property
    def bounds(self) -> Bounds:
        """By how much the answers may differ."""
        return Bounds(self.compare, self.tolerance, self.similarity)


Ask = Callable[[str, Recorded], Awaitable[Answer]]
"""Has one model, and no other in its place, answer a request; raises FreeholdError where none comes."""

Passed = Callable[[str, Call], Awaitable[Response | Stream]]
"""As `Front.ask`: what that model answers to a call."""

_DECODER = msgspec.json.Decoder(Recorded)


def asked_by(passed: Passed, memory: MemoryBudget) -> Ask:
    """Asks as a client's request would be passed on; bodies are held in `memory`."""

    async def ask(model: str, request: Recorded) -> Answer:
        body = msgspec.json.encode({**request.body, "model": model})
        call = Call.own(request.path, body, f"freehold-{secrets.token_hex(8)}", memory)
        try:
            call.hold(len(body))
            answer = await passed(model, call)
            whole = answer.body if isinstance(answer, Response) else await _collected(answer, call)
        except FreeholdError as error:
            if STATUS[error.kind] >= UNABLE or error.kind is Kind.OVERLOADED:
                raise
            return Answer(STATUS[error.kind], "application/json", b"")
        finally:
            memory.give(call.held)
        return Answer(answer.status, answer.content_type.decode("latin-1"), whole)

    return ask


def read_recording(data: bytes, origin: str) -> tuple[Recorded, ...]:
    """The requests of a recording; `origin` names it in messages. Answers are compared as they would be repeated: a
    chat without a temperature is asked with 0. Raises `goldens_invalid`, with the line, and `goldens_empty`."""
    requests = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            requests.append(_checked(_DECODER.decode(line)))
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise FreeholdError("goldens_invalid", where=f"{origin}:{number}", reason=error) from None
        if len(requests) > MOST:
            raise FreeholdError("goldens_invalid", where=f"{origin}:{number}", reason=f"more than {MOST} requests")
    if not requests:
        raise FreeholdError("goldens_empty", where=origin)
    return tuple(requests)


async def replay(requests: Sequence[Recorded], old: str, new: str, ask: Ask) -> FreeholdError | None:
    """The first request that `new` answers differently from `old`, as an error with its number and the measure.

    One after another, so that models that serve people meanwhile are not held up. Raises `goldens_unanswered` where
    `old` cannot answer, for that proves nothing.
    """
    for number, request in enumerate(requests, 1):
        expected = await _asked(ask, old, request)
        if isinstance(expected, FreeholdError) or expected.status >= UNABLE or expected.status in NOBODYS:
            raise FreeholdError("goldens_unanswered", number=number, model=old, reason=_said(expected))
        seen = await _asked(ask, new, request)
        if isinstance(seen, FreeholdError) or seen.status >= UNABLE:
            return FreeholdError("goldens_fail", number=number, path=request.path, model=new, reason=_said(seen))
        found = await asyncio.to_thread(compare, expected, seen, request.bounds)  # long ones take some 20 ms
        if found.verdict == "differs":
            measure = _measure(found, request.bounds)
            details = {"number": number, "of": len(requests), "path": request.path, "old": old, "new": new}
            return FreeholdError("goldens_differ", measure=measure, **details)
    return None


def _checked(request: Recorded) -> Recorded:
    if not request.path.startswith("/"):
        raise ValueError(f"`path` is `{request.path[:80]}`; it is like /v1/embeddings")
    if request.body.get("stream"):
        raise ValueError("`stream` is not replayed; leave it out")
    if "temperature" not in request.body and request.path.endswith("/completions"):
        return msgspec.structs.replace(request, body={**request.body, "temperature": 0})
    return request


async def _collected(answer: Stream, call: Call) -> bytes:
    pieces = []
    async with aclosing(answer.frames) as frames:
        async for piece in frames:
            call.hold(len(piece))
            pieces.append(piece)
    return b"".join(pieces)


async def _asked(ask: Ask, model: str, request: Recorded) -> Answer | FreeholdError:
    try:
        return await ask(model, request)
    except FreeholdError as error:
        return error


def _said(answer: Answer | FreeholdError) -> str:
    return answer.cause if isinstance(answer, FreeholdError) else f"it answers with status {answer.status}"


def _measure(found: Comparison, bounds: Bounds) -> str:
    """What differs, and by how much of what may."""
    if found.reason == "text" and found.similarity is not None:
        return f"text similarity {found.similarity:.3f} < {bounds.similarity:g}"
    if found.reason == "numbers" and found.max_abs is not None:
        cosine = "" if found.cosine is None else f", cosine {found.cosine:.4f}"
        return f"largest difference {found.max_abs:.3g} > {bounds.numbers_apart:g}{cosine}"
    if found.reason == "order" and found.order is not None:
        return f"order: {100 * found.order:.3g} % of pairs ranked alike"
    return found.reason
