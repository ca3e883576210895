"""A way to a PostgreSQL that breaks between its commit and the word of it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass
class Way:
    """`port` leads to the server. While `breaks`, the answer to the next COMMIT is kept back, and both ends closed."""

    port: int
    breaks: bool = False


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """A way to `port` of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        way = Way(door.getsockname()[1])
        threading.Thread(target=_serve, args=(door, port, way), daemon=True).start()
        yield way
        door.shutdown(socket.SHUT_RDWR)


def _serve(door: socket.socket, port: int, way: Way) -> None:
    with suppress(OSError):  # the door is closed at the end
        while True:
            client, _ = door.accept()
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=_there, args=(client, server, way), daemon=True).start()
            threading.Thread(target=_pass, args=(server, client), daemon=True).start()


def _there(client: socket.socket, server: socket.socket, way: Way) -> None:
    with suppress(OSError):
        while data := client.recv(1 << 16):
            if way.breaks and b"COMMIT" in data:
                way.breaks = False
                client.shutdown(socket.SHUT_RDWR)
            server.sendall(data)
    with suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


def _pass(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while data := server.recv(1 << 16):
            client.sendall(data)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
    client.close()
    server.close()
