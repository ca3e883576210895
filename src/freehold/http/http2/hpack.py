"""HPACK, header compression for HTTP/2 (RFC 7541): read in full, written without a table of our own.

What we write is literal, so that the same bytes mean the same on every connection and can be made once.
"""

from freehold.http.http2.frames import Code
from freehold.http.http2.huffman import HuffmanError, decode

Header = tuple[bytes, bytes]

TABLE_BYTES = 4096
"""What a table may take where nothing else was agreed, which we never do; an entry counts 32 more than its strings."""
_LARGEST = 1 << 24  # no number in a header block is meant to be larger

_NAMES = (
    b":authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status"
    b" accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow"
    b" authorization cache-control content-disposition content-encoding content-language content-length"
    b" content-location content-range content-type cookie date etag expect expires from host if-match"
    b" if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards"
    b" proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie"
    b" strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)
_VALUES = dict(
    zip(
        (*range(2, 15), 16),
        b"GET|POST|/|/index.html|http|https|200|204|206|304|400|404|500|gzip, deflate".split(b"|"),
        strict=True,
    )
)
_STATIC: tuple[Header, ...] = tuple(
    (name, _VALUES.get(number, b"")) for number, name in enumerate(_NAMES.split(), start=1)
)


class HpackError(ValueError):
    """A header block that cannot be read, or holds too much; what follows on its connection cannot be read either."""

    code = Code.COMPRESSION_ERROR


class Decoder:
    """The reading side of one connection."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: of the names and values of one block, each header counting 32 more."""
        self._most_bytes = most_bytes
        self._table: list[Header] = []  # the newest first
        self._table_bytes = 0
        self._limit = TABLE_BYTES

    def decode(self, block: bytes) -> list[Header]:
        """The headers of a block, in their order. Raises HpackError."""
        found: list[Header] = []
        size, place, end = 0, 0, len(block)
        try:
            while place < end:
                first = block[place]
                if first & 0x80:
                    number, place = _integer(block, place, 0x7F)
                    header = self._entry(number)
                elif first & 0x40:
                    header, place = self._literal(block, place, 0x3F)
                    self._remember(header)
                elif first & 0x20:
                    limit, place = _integer(block, place, 0x1F)
                    if found or limit > TABLE_BYTES:
                        raise HpackError("the table's size is changed where it may not be")
                    self._limit = limit
                    self._forget()
                    continue
                else:
                    header, place = self._literal(block, place, 0x0F)
                found.append(header)
                size += 32 + len(header[0]) + len(header[1])
                if size > self._most_bytes:
                    raise HpackError(f"headers of more than {self._most_bytes} bytes")
        except (IndexError, HuffmanError) as error:
            raise HpackError(str(error)) from None
        return found

    def _literal(self, block: bytes, place: int, mask: int) -> tuple[Header, int]:
        number, place = _integer(block, place, mask)
        if number:
            name = self._entry(number)[0]
        else:
            name, place = _string(block, place)
        value, place = _string(block, place)
        return (name, value), place

    def _entry(self, number: int) -> Header:
        if not number:
            raise HpackError("entry 0 of the table")
        return _STATIC[number - 1] if number <= len(_STATIC) else self._table[number - 1 - len(_STATIC)]

    def _remember(self, header: Header) -> None:
        self._table.insert(0, header)
        self._table_bytes += 32 + len(header[0]) + len(header[1])
        self._forget()

    def _forget(self) -> None:
        while self._table_bytes > self._limit:
            name, value = self._table.pop()
            self._table_bytes -= 32 + len(name) + len(value)


def encode(headers: list[Header] | tuple[Header, ...]) -> bytes:
    """A block of these headers, their names in lower case, that needs no table."""
    return b"".join(
        b"\0" + _sized(len(name), 0x7F) + name + _sized(len(value), 0x7F) + value for name, value in headers
    )


def _integer(block: bytes, place: int, mask: int) -> tuple[int, int]:
    """The number whose first bits are those of `mask` at `place`, and where it ends. Raises IndexError, HpackError."""
    value = block[place] & mask
    place += 1
    if value < mask:
        return value, place
    shift = 0
    while True:
        byte = block[place]
        place += 1
        value += (byte & 0x7F) << shift
        if value > _LARGEST or shift > 28:
            raise HpackError("a number that is too large")
        if byte < 0x80:
            return value, place
        shift += 7


def _string(block: bytes, place: int) -> tuple[bytes, int]:
    is_packed = block[place] & 0x80
    size, place = _integer(block, place, 0x7F)
    text = block[place : place + size]
    if len(text) < size:
        raise HpackError("a string that ends early")
    return (decode(text) if is_packed else text), place + size


def _sized(value: int, mask: int) -> bytes:
    if value < mask:
        return bytes((value,))
    out = bytearray((mask,))
    value -= mask
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
