"""Whether a request can have arrived whole, asked of the kernel when a connection has ended without an answer.

A server that had closed its side before it could read a request refuses its bytes, and one that has taken them
acknowledges them. Linux counts both: so a request is known not to have arrived, where time could only suggest it.
"""

import asyncio
import socket
import struct

_TCP_INFO: int | None = getattr(socket, "TCP_INFO", None)  # not every system has it
_ACKNOWLEDGED = struct.Struct("=Q")  # tcpi_bytes_acked, with one for the connection's beginning
_ACKNOWLEDGED_AT = 120
_SENT = struct.Struct("=QQ")  # tcpi_bytes_sent and of these tcpi_bytes_retrans
_SENT_AT = 200  # in struct tcp_info of linux/tcp.h, which only grows at its end; since Linux 4.19


def has_arrived(transport: asyncio.Transport) -> bool:
    """Whether all that was written to `transport` may have been received; True where that cannot be told."""
    if transport.get_write_buffer_size():
        return False
    carrier = transport.get_extra_info("socket")
    if _TCP_INFO is None or carrier is None:
        return True
    try:
        told = carrier.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _SENT_AT + _SENT.size)
    except OSError:
        return True  # closed already, or no TCP
    if len(told) < _SENT_AT + _SENT.size:
        return True
    (acknowledged,) = _ACKNOWLEDGED.unpack_from(told, _ACKNOWLEDGED_AT)
    sent, again = _SENT.unpack_from(told, _SENT_AT)
    return bool(acknowledged - 1 >= sent - again)
