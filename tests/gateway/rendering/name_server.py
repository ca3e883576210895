"""A name server on loopback, of which a proxy asks where its upstreams are."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 20.0  # only a broken test waits this long


class NameServer:
    """Answers what `addresses` says of a name, for a minute: RFC 1035, as much of it as a resolver asks for."""

    def __init__(self, addresses: dict[str, str]) -> None:
        self.addresses = addresses
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    @contextmanager
    def running(self) -> "Iterator[NameServer]":
        """Answers while it lasts."""
        thread = threading.Thread(target=self._serve)
        thread.start()
        try:
            yield self
        finally:
            self._socket.sendto(b"", self._socket.getsockname())
            thread.join(PATIENCE_S)
            self._socket.close()

    def _serve(self) -> None:
        while True:
            asked, client = self._socket.recvfrom(512)
            if not asked:
                return
            self._socket.sendto(self._answer(asked), client)

    def _answer(self, asked: bytes) -> bytes:
        question = asked[12 : asked.index(b"\0", 12) + 5]
        labels, at = [], 0
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii"))
            at += 1 + question[at]
        address = self.addresses.get(".".join(labels))
        is_a = question[-4:-2] == b"\0\x01"
        record = b""
        if address is not None and is_a:
            record = b"\xc0\x0c\0\x01\0\x01" + (60).to_bytes(4, "big") + b"\0\x04" + socket.inet_aton(address)
        flags = b"\x81\x80" if address is not None else b"\x81\x83"
        counts = b"\0\x01" + (b"\0\x01" if record else b"\0\0") + b"\0\0\0\0"
        return asked[:2] + flags + counts + question + record
