"""OpenAI's chat: a conversation becomes a prompt, pieces of text become a message, at once or frame by frame."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from freehold.engine.generation import Piece, TextEngine, TokenLogprob
from freehold.http import Call, Response, Route, Stream
from freehold.protocol import wire
from freehold.protocol.chat import (
    Alternative,
    ChatChunk,
    ChatCompletion,
    ChatRequest,
    Choice,
    ChunkChoice,
    Delta,
    Logprobs,
    TokenInfo,
    parse_chat,
)
from freehold.protocol.generation import DONE, FinishReason, Usage, fingerprint, frame, shown_logprob, shown_token
from freehold.server.answer import Gathered, Step, read
from freehold.server.chat_format import ChatFormats
from freehold.server.dataplane import DataPlane
from freehold.server.generation import LONG_BYTES, engine_request, side_by_side
from freehold.server.models import Served
from freehold.server.text import chosen

Steps = AsyncGenerator[tuple[int, Step], None]


def routes(plane: DataPlane, formats: ChatFormats) -> list[Route]:
    """Chat, also without its version: Dify's plugin appends the path to whatever base URL a user typed."""

    async def chat(call: Call) -> Response | Stream:
        body = await call.body()
        request = parse_chat(body)
        served = chosen(plane.seen_by(call), request.model, "generate")
        format_ = formats.of(served)
        turn = await asyncio.to_thread(format_.turn, request) if len(body) > LONG_BYTES else format_.turn(request)
        asked = [
            engine_request(
                format_.engine,
                served.defaults,
                request,
                turn.prompt,
                number=number,
                max_tokens=request.token_limit,
                logprobs=request.alternatives,
                constraint=turn.constraint,
            )
            for number in range(request.choices)
        ]
        steps = side_by_side([read(plane.generate(call, served, format_.engine, one), turn.reader()) for one in asked])
        writer = ChatWriter(call.request_id, served, format_.engine, request)
        return Stream(writer.frames(steps)) if request.stream else await call.while_connected(writer.whole(steps))

    return [Route("POST", path, chat, "openai", "infer") for path in ("/v1/chat/completions", "/chat/completions")]


class ChatWriter:
    """Writes the answer of one request."""

    def __init__(self, request_id: str, served: Served, engine: TextEngine, request: ChatRequest) -> None:
        self._engine = engine
        self._id = f"chatcmpl-{request_id}"
        self._created = int(time.time())
        self._model = served.id
        self._fingerprint = fingerprint(self._engine.digest)
        self._choices = request.choices
        self._with_logprobs = request.alternatives is not None
        self._includes_usage = request.includes_usage

    async def whole(self, steps: Steps) -> Response:
        """The answer when all of it is there."""
        gathered = [Gathered() for _ in range(self._choices)]
        logprobs: list[list[TokenInfo]] = [[] for _ in gathered]
        finishes: dict[int, FinishReason] = {}
        last: dict[int, Piece] = {}
        async with aclosing(steps):
            async for number, step in steps:
                for delta in step.deltas:
                    gathered[number].add(delta)
                logprobs[number] += token_infos(self._engine, step.piece.logprobs)
                last[number] = step.piece
                if step.finish is not None:
                    finishes[number] = step.finish
        choices = [
            Choice(
                number,
                one.message(),
                Logprobs(logprobs[number]) if self._with_logprobs else None,
                finishes[number],
            )
            for number, one in enumerate(gathered)
        ]
        return Response(
            wire.encode(
                ChatCompletion(
                    self._id,
                    "chat.completion",
                    self._created,
                    self._model,
                    choices,
                    usage_of(last),
                    self._fingerprint,
                )
            )
        )

    async def frames(self, steps: Steps) -> AsyncGenerator[bytes, None]:
        """The answer as it comes: what a step adds, the end of each answer, usage where it was asked for, and DONE."""
        held: list[list[TokenInfo]] = [[] for _ in range(self._choices)]
        last: dict[int, Piece] = {}
        async with aclosing(steps):
            async for number, step in steps:
                last[number] = step.piece
                held[number] += token_infos(self._engine, step.piece.logprobs)
                for delta in step.deltas:
                    yield self._frame(ChunkChoice(number, delta, self._logprobs(held, number)))
                if step.finish is not None:
                    yield self._frame(ChunkChoice(number, Delta(), self._logprobs(held, number), step.finish))
        if self._includes_usage:
            yield self._frame(usage=usage_of(last))
        yield DONE

    def _frame(self, *choices: ChunkChoice, usage: Usage | None = None) -> bytes:
        chunk = ChatChunk(
            self._id, "chat.completion.chunk", self._created, self._model, list(choices), self._fingerprint
        )
        if self._includes_usage:
            chunk.usage = usage
        return frame(chunk)

    def _logprobs(self, held: list[list[TokenInfo]], number: int) -> Logprobs | None:
        """Those of the tokens since the answer's last frame; some tokens have no text of their own."""
        if not self._with_logprobs:
            return None
        infos, held[number] = held[number], []
        return Logprobs(infos) if infos else None


def usage_of(last: dict[int, Piece]) -> Usage:
    """The usage of answers to one prompt, by the last piece of each: the prompt counts once."""
    first = last[min(last)]
    completion = sum(piece.completion_tokens for piece in last.values())
    return Usage.of(first.prompt_tokens, completion, first.cached_tokens)


def token_infos(engine: TextEngine, logprobs: tuple[TokenLogprob, ...]) -> list[TokenInfo]:
    """Tokens as clients see them."""
    return [
        TokenInfo(
            *_shown(engine, one.id, one.logprob),
            [Alternative(*_shown(engine, id_, logprob)) for id_, logprob in one.top],
        )
        for one in logprobs
    ]


def _shown(engine: TextEngine, token: int, logprob: float) -> tuple[str, float, list[int]]:
    piece = engine.token_bytes(token)
    return shown_token(piece), shown_logprob(logprob), list(piece)
