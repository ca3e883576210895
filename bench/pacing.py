"""An upstream that costs next to nothing: a short answer at once, or frames at the pace that a request asks for.

Run as `python -m bench.pacing PORT`. `POST /v1/chat/completions {"frames": 100, "gap_ms": 20, "first_ms": 5}`; without
`frames` the answer is one small document.
"""

import asyncio
import contextlib
import json
import sys

FRAME = b'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" word"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = (
    b'{"id":"x","object":"chat.completion","created":1,"model":"paced","choices":[{"index":0,"message":{"role":'
    b'"assistant","content":"A word."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,'
    b'"total_tokens":12}}'
)
MODELS = b'{"object":"list","data":[{"id":"paced","object":"model"}]}'


def document(body: bytes) -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def chunk(data: bytes) -> bytes:
    """One chunk of HTTP/1.1."""
    return b"%x\r\n%b\r\n" % (len(data), data)


async def answer(writer: asyncio.StreamWriter, asked: dict[str, float]) -> None:
    """The frames, each at its own time: one that is late does not delay those behind it."""
    loop = asyncio.get_running_loop()
    at = loop.time() + asked.get("first_ms", 0.0) / 1e3
    writer.write(HEAD)
    for _ in range(int(asked["frames"])):
        await asyncio.sleep(max(0.0, at - loop.time()))
        writer.write(chunk(FRAME))
        await writer.drain()
        at += asked["gap_ms"] / 1e3
    writer.write(chunk(DONE) + b"0\r\n\r\n")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            body = await reader.readexactly(length)
            if head.startswith(b"get"):
                writer.write(document(MODELS))
            elif b'"frames"' not in body:
                writer.write(document(WHOLE))
            else:
                await answer(writer, json.loads(body))
            await writer.drain()
            if b"connection: close" in head:
                break
    writer.close()


async def main() -> None:
    """Until it is ended."""
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
