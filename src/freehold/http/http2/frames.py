"""HTTP/2's frames, as bytes. Source: RFC 9113, sections 4, 6 and 7."""

import struct
from enum import IntEnum
from typing import Final

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = 9
"""Bytes of a frame before its payload: length, kind, flags, stream."""
LARGEST_PAYLOAD = 1 << 14
"""What either side may send where nothing else was agreed."""
LARGEST_WINDOW = (1 << 31) - 1
WINDOW = (1 << 16) - 1
"""Bytes that may be sent before any are acknowledged, where nothing else was agreed."""


class Kind(IntEnum):
    """What a frame is."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag:
    """Flags of those kinds that have them: plain numbers, as they are joined and tested with every frame."""

    ACK: Final = 0x1
    END_STREAM: Final = 0x1
    END_HEADERS: Final = 0x4
    PADDED: Final = 0x8
    PRIORITY: Final = 0x20


class Setting(IntEnum):
    """What either side may set."""

    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_HEADER_LIST_SIZE = 6


class Code(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


_HEAD = struct.Struct(">BHBBI")
_SETTING = struct.Struct(">HI")
_NUMBER = struct.Struct(">I")


class Http2Error(Exception):
    """A client that breaks the protocol: its connection is ended with `code`."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def head(size: int, kind: int, flags: int, stream: int) -> bytes:
    """The head of a frame with a payload of `size` bytes."""
    return _HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, stream)


def settings(values: dict[Setting, int]) -> bytes:
    """What this side sets."""
    payload = b"".join(_SETTING.pack(name, value) for name, value in values.items())
    return head(len(payload), Kind.SETTINGS, 0, 0) + payload


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Names and values in their order. Raises Http2Error."""
    if len(payload) % _SETTING.size:
        raise Http2Error(Code.FRAME_SIZE_ERROR, "SETTINGS of a wrong length")
    return list(_SETTING.iter_unpack(payload))


def acknowledged() -> bytes:
    """The other side's SETTINGS are in force."""
    return head(0, Kind.SETTINGS, Flag.ACK, 0)


def window_update(stream: int, size: int) -> bytes:
    """So many bytes more may be sent on `stream`; 0: on the connection."""
    return head(4, Kind.WINDOW_UPDATE, 0, stream) + _NUMBER.pack(size)


def read_number(payload: bytes) -> int:
    """The 31 bits that WINDOW_UPDATE and RST_STREAM carry. Raises Http2Error."""
    if len(payload) != _NUMBER.size:
        raise Http2Error(Code.FRAME_SIZE_ERROR, "a frame of a wrong length")
    number: int = _NUMBER.unpack(payload)[0]
    return number & LARGEST_WINDOW


def reset(stream: int, code: Code) -> bytes:
    """`stream` ends here."""
    return head(4, Kind.RST_STREAM, 0, stream) + _NUMBER.pack(code)


def ping(payload: bytes, *, ack: bool = False) -> bytes:
    """Is anybody there? or the answer to that."""
    return head(len(payload), Kind.PING, Flag.ACK if ack else 0, 0) + payload


def goaway(last: int, code: Code, reason: bytes = b"") -> bytes:
    """No stream after `last` is answered."""
    return head(8 + len(reason), Kind.GOAWAY, 0, 0) + _NUMBER.pack(last) + _NUMBER.pack(code) + reason


def unpadded(payload: bytes, flags: int) -> bytes:
    """The payload of DATA or HEADERS without its padding. Raises Http2Error."""
    if not flags & Flag.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error(Code.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]
