"""Requests written byte by byte: no client of ours or of others stands between a test and the socket."""

import http.client
import json
import socket
from typing import Any, NamedTuple

Address = tuple[str, int]
Json = dict[str, Any]


class Answer(NamedTuple):
    """What came back; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, or that part of it which the answer says is JSON."""
        length = self.headers.get("inference-header-content-length")
        return json.loads(self.body if length is None else self.body[: int(length)])

    def tail(self) -> bytes:
        """What follows the JSON."""
        return self.body[int(self.headers["inference-header-content-length"]) :]


def exchange(address: Address, line: str, body: bytes = b"", *headers: str, length: bool = True) -> Answer:
    """Send `line` ("POST /path"), just these headers beside Host and Content-Length, and `body`; read the answer."""
    lines = [f"{line} HTTP/1.1", f"Host: {address[0]}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        response = http.client.HTTPResponse(connection, method=line.partition(" ")[0])
        response.begin()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


def infer(address: Address, model: str, message: Json, tail: bytes = b"", *headers: str) -> Answer:
    """An inference: JSON, then bytes; with bytes the header that says where they begin is added."""
    text = json.dumps(message).encode()
    counted = [f"Inference-Header-Content-Length: {len(text)}"] if tail else []
    return exchange(address, f"POST /v2/models/{model}/infer", text + tail, *counted, *headers)


def tensor(name: str, datatype: str, shape: list[int], **more: object) -> Json:
    """One input of a request."""
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def binary(size: int) -> Json:
    """The parameters of an input whose bytes follow the JSON."""
    return {"binary_data_size": size}
