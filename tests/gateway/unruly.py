"""A server of the OpenAI API that does what each request's field `behave` says, also what no server should.

Run as a process of its own: `python unruly.py PORT SETTINGS`, with settings as JSON: `models` (rows of its list, or
null for a 404 there), `status` (of that list), `key` (that it wants), `deaf` (never answers), `raw` (the answer), `tls`
(a PEM file of certificate and key), `oip` (the status of its OIP health), `unloaded` (a model), `broken` (the
status of every other answer), `behave` (in place of any request's). `POST /settings` changes them, `GET /seen` tells
which requests came and how many were left before their end.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import ssl
import sys
from typing import Any

REFUSED_BYTES = 9_000_000  # a longer body whose beginning asks for it is refused before it has come
SEEN: list[dict[str, Any]] = []
COUNTS = {"left": 0, "connections": 0}
SETTINGS: dict[str, Any] = {
    "models": [{"id": "theirs"}],
    "status": 200,
    "key": "",
    "deaf": False,
    "raw": "",
    "oip": 404,
    "unloaded": "",
    "broken": 0,
}


async def request_of(reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") != "chunked":
        length = int(headers.get("content-length", 0))
        begun = await reader.read(1000) if length > REFUSED_BYTES else b""
        if b"X-Behave: refuse" in begun:
            return method, path, headers, begun
        return method, path, headers, begun + await reader.readexactly(length - len(begun))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return method, path, headers, body


def whole(body: bytes, status: int = 200, **headers: str) -> bytes:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {"Content-Type": "application/json", "Content-Length": str(len(body)), **own}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behave: dict[str, Any]) -> bool:
    """Chunks with pauses; True when all went out. `then`: "end", "cut", "silence"."""
    kind = behave.get("content_type", "text/event-stream")
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    leaving = asyncio.ensure_future(reader.read(1))
    for _ in range(behave.get("times", 1)):
        for text in behave["chunks"]:
            data = text.encode("latin-1")
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            await asyncio.wait({leaving}, timeout=behave.get("pause", 0.001))
            if leaving.done():
                COUNTS["left"] += 1
                return False
    then = behave.get("then", "end")
    if then == "silence":
        await asyncio.wait({leaving}, timeout=30)
        COUNTS["left"] += leaving.done()
    leaving.cancel()
    await asyncio.wait(
        {leaving}
    )  # two cannot wait for the same bytes: the next request on this connection would be cut
    if then == "end":
        writer.write(b"0\r\n\r\n")
    return then == "end"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: dict[str, Any], body: bytes) -> bool:
    """Whether the connection may be used again."""
    if seen["path"] == "/seen":
        writer.write(whole(json.dumps({"seen": SEEN, **COUNTS}).encode()))
    elif seen["path"] == "/settings":
        SETTINGS.update(json.loads(body))
        writer.write(whole(b"{}"))
    elif SETTINGS["deaf"]:
        await reader.read(1)
        return False
    elif SETTINGS["raw"]:
        writer.write(SETTINGS["raw"].encode("latin-1"))
        return False
    elif SETTINGS["key"] and seen["headers"].get("authorization") != f"Bearer {SETTINGS['key']}":
        writer.write(whole(b'{"error": {"message": "wrong key"}}', 401))
    elif seen["path"].endswith("/models"):
        rows, status = SETTINGS["models"], SETTINGS["status"]
        listed = json.dumps({"object": "list", "data": rows}).encode()
        writer.write(whole(b"{}", 404) if rows is None else whole(listed, status))
    elif seen["path"].endswith("/ready"):
        unloaded = seen["path"].endswith(f"/models/{SETTINGS['unloaded']}/ready")
        writer.write(whole(b"", 404 if unloaded else SETTINGS["oip"]))
    elif SETTINGS["broken"]:
        writer.write(whole(b'{"error": {"message": "broken"}}', SETTINGS["broken"]))
    elif b"X-Behave: refuse" in body:
        writer.write(whole(b"too large for them", 413, Connection="close"))
        return False
    elif seen["headers"].get("content-type", "").startswith("multipart/"):
        writer.write(whole(json.dumps({"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}).encode()))
    else:
        return await behaved(reader, writer, SETTINGS.get("behave") or json.loads(body).get("behave", {}), body)
    return True


async def behaved(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behave: dict[str, Any], body: bytes
) -> bool:
    kind = behave.get("kind", "echo")
    if kind == "stream":
        return await stream(reader, writer, behave)
    if kind == "silence":
        left = await asyncio.wait_for(reader.read(1), 30) == b""
        COUNTS["left"] += left
    elif kind == "garbage":
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\nwhat is this\r\n\r\n")
    elif kind == "raw":
        writer.write(behave["raw"].encode("latin-1"))
    elif kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "short":
        writer.write(whole(b"x" * 100, Content_Length=behave.get("length", "1000000")))
        await writer.drain()
        await asyncio.sleep(0.1)  # so that what came is passed on before the end shows
    elif kind == "answer":
        writer.write(whole(behave["body"].encode(), behave.get("status", 200), **behave.get("headers", {})))
        return True
    elif kind == "echo":
        writer.write(
            whole(body, X_Request_ID="theirs", Set_Cookie="a=b", X_Own="1", Connection="X-Own-Hop, keep-alive")
        )
        return True
    return False


async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    COUNTS["connections"] += 1
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        again = True
        while again:
            method, path, headers, body = await request_of(reader)
            seen = {"method": method, "path": path, "headers": headers}
            if not path.endswith(("/models", "/seen", "/settings", "/ready")):
                SEEN.append(seen | {"body": body[:2000].decode("latin-1")})
            again = await answer(reader, writer, seen, body)
            await writer.drain()
    writer.close()


async def main() -> None:
    SETTINGS.update(json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    tls = None
    if "tls" in SETTINGS:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(SETTINGS["tls"])
    server = await asyncio.start_server(connection, "127.0.0.1", int(sys.argv[1]), limit=1 << 24, backlog=4096, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - how a test learns the port
    await over.wait()


if __name__ == "__main__":
    asyncio.run(main())
