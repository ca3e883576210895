"""An event stream passed on in whole events.

The bytes stay what they are; only where a chunk ends changes. Two things rest on it: a keep-alive comment of ours never
falls into the middle of an event, and a stream that its server cuts short ends, for the client, behind the last event
that came whole.
"""

LONGEST = 16 << 20  # bytes of one event; a generated image in base64 has some 4 MB
_LONGEST_END = 4  # bytes of the longest of the ends below


class Events:
    """Cuts one stream behind its events."""

    def __init__(self) -> None:
        self._begun = bytearray()  # an event whose end has not come

    def feed(self, chunk: bytes) -> bytes:
        """The events that `chunk` completes; b"" for none. Raises ValueError when one is longer than `LONGEST`."""
        if not self._begun and chunk.endswith(b"\n\n"):
            return chunk
        start = max(0, len(self._begun) - _LONGEST_END)
        self._begun += chunk
        end = _end_of_last(self._begun, start)
        if not end:
            if len(self._begun) > LONGEST:
                raise ValueError(f"one event is longer than {LONGEST} bytes")
            return b""
        whole = bytes(self._begun[:end])
        del self._begun[:end]
        return whole

    def rest(self) -> bytes:
        """What came behind the last whole event: not every server ends its last one."""
        return bytes(self._begun)


def _end_of_last(data: bytearray, start: int) -> int:
    """Where the last whole event of `data` ends, looking from `start`; 0 for none. Lines end in LF, CRLF or CR."""
    ends = (data.rfind(end, start) + len(end) for end in (b"\n\n", b"\n\r\n", b"\r\r") if data.find(end, start) >= 0)
    return max(ends, default=0)
