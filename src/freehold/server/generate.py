"""Triton's generate extension: a text goes in, a text comes out; Dify's plugin for Triton asks this way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from freehold.engine.generation import Piece
from freehold.errors import FreeholdError
from freehold.http import Call, Response, Route, Stream
from freehold.protocol.generate import GenerateRequest, encode_generate, generate_frame, parse_generate
from freehold.server.chat_format import form_of
from freehold.server.dataplane import Client, DataPlane
from freehold.server.generation import engine_request, text_engine
from freehold.server.models import Served
from freehold.server.text import chosen

Pieces = AsyncGenerator[Piece, None]


def routes(plane: DataPlane) -> list[Route]:
    """Both calls, each also with the model's version."""

    async def begun(call: Call) -> tuple[Served, Pieces, str]:
        """The model, its pieces, and what the answer repeats first."""
        request = parse_generate(await call.body())
        version = call.params.get("version", "")
        served = chosen(plane.seen_by(call), call.params["model"], "generate", version=version)
        return served, await continued(plane, call, served, request), echo(request)

    async def generate(call: Call) -> Response:
        served, pieces, text = await begun(call)
        text += await call.while_connected(joined(pieces))
        return Response(encode_generate(served.id, served.version, text))

    async def generate_stream(call: Call) -> Stream:
        served, pieces, text = await begun(call)
        return Stream(frames(served, pieces, text))

    return [
        Route("POST", f"/v2/models/{{model}}{version}{path}", endpoint, "oip", "infer")
        for path, endpoint in (("/generate", generate), ("/generate_stream", generate_stream))
        for version in ("", "/versions/{version}")
    ]


async def continued(
    plane: DataPlane, client: Client, served: Served, request: GenerateRequest, timeout_s: float | None = None
) -> Pieces:
    """The pieces of the answer. Raises `field_unsupported` where several are wanted, and what `engine_request` does."""
    if request.choices > 1:
        raise FreeholdError("field_unsupported", field="n", param="n")
    engine, form = text_engine(served), form_of(request.response_format)
    prompt = await asyncio.to_thread(engine.encode, request.text, True)
    limit = request.max_tokens
    asked = engine_request(engine, served.defaults, request, prompt, max_tokens=limit, constraint=form)
    return plane.generate(client, served, engine, asked, timeout_s)


def echo(request: GenerateRequest) -> str:
    """The prompt where the client wants it repeated, else nothing."""
    return request.text if request.exclude_input_in_output is False else ""


async def joined(pieces: Pieces) -> str:
    """The whole text."""
    async with aclosing(pieces):
        return "".join([piece.text async for piece in pieces])


async def frames(served: Served, pieces: Pieces, text: str) -> AsyncGenerator[bytes, None]:
    """The text as it comes; Triton's stream has no frame for its end."""
    async with aclosing(pieces):
        async for piece in pieces:
            text += piece.text
            if text:
                yield generate_frame(served.id, served.version, text)
                text = ""
