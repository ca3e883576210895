"""What clients may hold of a server without sending it work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, bytes, and connections."""

    head_s: float = 10.0  # from the first byte of a request to the end of its head
    head_bytes: int = 64 * 1024
    keep_alive_s: int = 75  # longer than the idle time of proxies in front (60 s), so that they close first
    linger_s: float = 5.0  # how long a body that nobody wants is drained after its answer
    stalled_s: float = 60.0  # how long a client may leave a large answer unread
    connections: int = 4096


CROWD = Bounds(connections=16_384, head_bytes=16 * 1024)
"""For a node that computes nothing: many clients that mostly wait, whose unfinished heads together take no more."""
