"""OpenAI's plain completions: a prompt is continued, without template, reasoning or tools."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from freehold.engine.generation import GenerateRequest, Piece, TextEngine, TokenLogprob
from freehold.http import Call, Response, Route, Stream
from freehold.protocol import wire
from freehold.protocol.completions import (
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    CompletionRequest,
    parse_completion,
)
from freehold.protocol.generation import DONE, Usage, fingerprint, frame, shown_logprob, shown_token
from freehold.server.chat_format import form_of
from freehold.server.dataplane import DataPlane
from freehold.server.generation import LONG_BYTES, engine_request, side_by_side, text_engine
from freehold.server.models import Served
from freehold.server.text import chosen

Pieces = AsyncGenerator[tuple[int, Piece], None]


@dataclass(frozen=True, slots=True)
class Prompts:
    """What the engine is asked for one request, answer by answer, and the text that each answer repeats first."""

    engine: TextEngine
    requests: list[GenerateRequest]
    echoes: list[str]


def routes(plane: DataPlane) -> list[Route]:
    """Completions, also without its version."""

    async def completions(call: Call) -> Response | Stream:
        body = await call.body()
        request = parse_completion(body)
        served = chosen(plane.seen_by(call), request.model, "generate")
        long = len(body) > LONG_BYTES
        asked = await asyncio.to_thread(prompts, served, request) if long else prompts(served, request)
        pieces = side_by_side([plane.generate(call, served, asked.engine, one) for one in asked.requests])
        writer = CompletionWriter(call.request_id, served, request, asked)
        return Stream(writer.frames(pieces)) if request.stream else await call.while_connected(writer.whole(pieces))

    return [Route("POST", path, completions, "openai", "infer") for path in ("/v1/completions", "/completions")]


def prompts(served: Served, request: CompletionRequest) -> Prompts:
    """The requests of all answers: those of prompt p have the numbers from p * n on. Raises as its parts do."""
    engine = text_engine(served)
    constraint = form_of(request.response_format)
    asked = Prompts(engine, [], [])
    for prompt in request.prompts():
        ids = engine.encode(prompt, request.add_special_tokens is not False) if isinstance(prompt, str) else prompt
        echo = (prompt if isinstance(prompt, str) else engine.decode(ids)) if request.echo else ""
        for number in range(request.choices):
            asked.requests.append(
                engine_request(
                    engine,
                    served.defaults,
                    request,
                    ids,
                    number=number,
                    max_tokens=request.max_tokens,
                    logprobs=request.logprobs,
                    constraint=constraint,
                )
            )
            asked.echoes.append(echo)
    return asked


class CompletionWriter:
    """Writes the answer of one request."""

    def __init__(self, request_id: str, served: Served, request: CompletionRequest, asked: Prompts) -> None:
        self._engine = asked.engine
        self._id = f"cmpl-{request_id}"
        self._created = int(time.time())
        self._model = served.id
        self._fingerprint = fingerprint(self._engine.digest)
        self._echoes = asked.echoes
        self._choices = request.choices
        self._alternatives = request.logprobs
        self._includes_usage = request.includes_usage

    async def whole(self, pieces: Pieces) -> Response:
        """The answer when all of it is there."""
        choices = [CompletionChoice(number, echo) for number, echo in enumerate(self._echoes)]
        taken: list[list[TokenLogprob]] = [[] for _ in choices]
        last: dict[int, Piece] = {}
        async with aclosing(pieces):
            async for number, piece in pieces:
                last[number] = piece
                choices[number].text += piece.text
                choices[number].finish_reason = piece.finish
                taken[number] += piece.logprobs
        if self._alternatives is not None:
            for choice, logprobs in zip(choices, taken, strict=True):
                choice.logprobs = listed(self._engine, logprobs, self._alternatives, 0)
        return Response(wire.encode(self._completion(choices, self._usage(last))))

    async def frames(self, pieces: Pieces) -> AsyncGenerator[bytes, None]:
        """The answer as it comes, usage where it was asked for, and DONE."""
        echoes = dict(enumerate(self._echoes))
        offsets = [0 for _ in self._echoes]
        last: dict[int, Piece] = {}
        async with aclosing(pieces):
            async for number, piece in pieces:
                last[number] = piece
                choice = CompletionChoice(number, echoes.pop(number, "") + piece.text, None, piece.finish)
                if self._alternatives is not None:
                    choice.logprobs = listed(self._engine, piece.logprobs, self._alternatives, offsets[number])
                    offsets[number] += sum(map(len, choice.logprobs.tokens))
                if choice.text or choice.logprobs or choice.finish_reason is not None:
                    yield frame(self._completion([choice], None))
        if self._includes_usage:
            yield frame(self._completion([], self._usage(last)))
        yield DONE

    def _completion(self, choices: list[CompletionChoice], usage: Usage | None) -> Completion:
        answer = Completion(self._id, "text_completion", self._created, self._model, choices, self._fingerprint)
        if usage is not None or self._includes_usage:
            answer.usage = usage
        return answer

    def _usage(self, last: dict[int, Piece]) -> Usage:
        """Each prompt counts once, however many answers it got."""
        first = [piece for number, piece in last.items() if number % self._choices == 0]
        completion = sum(piece.completion_tokens for piece in last.values())
        cached = sum(piece.cached_tokens for piece in first)
        return Usage.of(sum(piece.prompt_tokens for piece in first), completion, cached)


def listed(
    engine: TextEngine, taken: list[TokenLogprob] | tuple[TokenLogprob, ...], alternatives: int, offset: int
) -> CompletionLogprobs:
    """Tokens in the lists of this API; `offset` is where the first stands in the answer, in characters."""
    answer = CompletionLogprobs([], [], [] if alternatives else None, [])
    for one in taken:
        text = shown_token(engine.token_bytes(one.id))
        answer.tokens.append(text)
        answer.token_logprobs.append(shown_logprob(one.logprob))
        answer.text_offset.append(offset)
        offset += len(text)
        if answer.top_logprobs is not None:
            top = {shown_token(engine.token_bytes(id_)): shown_logprob(value) for id_, value in one.top}
            answer.top_logprobs.append(top)
    return answer
