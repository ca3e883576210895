"""A client of gRPC by the package h2, which no server's or client's gRPC knows: it sends what real ones never do."""

import socket
from types import TracebackType
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.settings import SettingCodes, Settings

PATIENCE_S = 20.0


class RawClient:
    """One connection; `window` is what it takes unasked of an answer."""

    def __init__(self, place: str, window: int = 65_535) -> None:
        host, _, port = place.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        settings = H2Configuration(
            client_side=True,
            header_encoding=None,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
        )
        self.http2 = H2Connection(settings)
        self.http2.local_settings = Settings(client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.http2.initiate_connection()
        self.flush()

    def call(
        self,
        path: bytes,
        message: bytes | None,
        *metadata: tuple[bytes, bytes],
        kind: bytes = b"application/grpc",
        announced: int | None = None,
    ) -> tuple[list[bytes], dict[bytes, bytes]]:
        """The messages of the answer, and its headers with its trailers. `announced`: how long the message is said to
        be, and the request does not end behind what is sent of it."""
        number = self.begin(path, *metadata, kind=kind, ended=message is None)
        if message is not None:
            size = len(message) if announced is None else announced
            self.http2.send_data(number, b"\0" + size.to_bytes(4, "big") + message, end_stream=announced is None)
            self.flush()
        return self.answer(number)

    def begin(
        self, path: bytes, *metadata: tuple[bytes, bytes], kind: bytes = b"application/grpc", ended: bool = False
    ) -> int:
        """Send the headers of a request; its number."""
        number: int = self.http2.get_next_available_stream_id()
        own = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
        self.http2.send_headers(number, [*own, (b"content-type", kind), (b"te", b"trailers"), *metadata], ended)
        self.flush()
        return number

    def answer(self, number: int) -> tuple[list[bytes], dict[bytes, bytes]]:
        """What comes on that stream, up to its end."""
        data, told = bytearray(), {}
        while True:
            for event in self.events():
                if getattr(event, "stream_id", None) != number:
                    continue
                if isinstance(event, DataReceived):
                    data += event.data
                    self.http2.acknowledge_received_data(event.flow_controlled_length, number)
                    self.flush()
                elif isinstance(event, ResponseReceived | TrailersReceived):
                    told.update(event.headers)
                elif isinstance(event, StreamReset):
                    told[b":reset"] = b"%d" % event.error_code
                    return _messages(bytes(data)), told
                elif isinstance(event, StreamEnded):
                    return _messages(bytes(data)), told

    def left(self) -> ConnectionTerminated | None:
        """How the server left the connection, once it has; None where it said nothing."""
        last = None
        while events := self.events():
            for event in events:
                last = event if isinstance(event, ConnectionTerminated) else last
                if last is not None:
                    return last
        return last

    def events(self) -> list[Any]:
        """What came; nothing where the server closed the connection."""
        while data := self.socket.recv(1 << 16):
            events: list[Any] = self.http2.receive_data(data)
            self.flush()
            if events:
                return events
        return []

    def flush(self) -> None:
        """Send what is to be sent."""
        self.socket.sendall(self.http2.data_to_send())

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()


def _messages(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = int.from_bytes(data[1:5], "big")
        found.append(data[5 : 5 + size])
        data = data[5 + size :]
    return found
