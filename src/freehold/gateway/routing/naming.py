"""A request under the name that another server knows the model by, and the model that a form names.

Nothing else of a body is understood here: fields that nobody knows keep their bytes.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from freehold.errors import FreeholdError
from freehold.gateway.routing.identify import may_name

_NAME = re.compile(rb"^content-disposition:\s*form-data\b.*;\s*name=\"?model\"?\s*(;|$)", re.IGNORECASE | re.MULTILINE)
_BOUNDARY = re.compile(rb"^multipart/form-data\s*;.*?\bboundary=(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE)


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def renamed(body: bytes, model: str) -> bytes:
    """A JSON object with another model; every other value keeps its bytes. As it is where it names none."""
    if not may_name(body):
        return body
    try:
        fields: Mapping[str, msgspec.Raw] = _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    written = bytes(fields.get("model", b""))
    if not written.startswith(b'"') or written in (b'""', msgspec.json.encode(model)):
        return body
    return msgspec.json.encode({**fields, "model": model})


def addressed(body: bytes, model: str, apart: bytes = b"") -> bytes:
    """A JSON object that names `model` and no other, however `body` was written: whoever reads it next may read of two
    members the first, or what is no JSON to us.

    With the secret `apart` its prompt shares what a server remembers of prompts only with those of the same secret, and
    of the same `cache_salt` where the client gives one (a parameter of vLLM's). Raises `json_malformed`.
    """
    try:
        fields: Mapping[str, msgspec.Raw] = _FIELDS.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FreeholdError("json_malformed", reason=error) from None
    own = {"model": model}
    if apart:
        own["cache_salt"] = blake2b(bytes(fields.get("cache_salt", b"")), key=apart, digest_size=16).hexdigest()
    return msgspec.json.encode({**fields, **own})


def boundary(content_type: bytes) -> bytes | None:
    """What separates the parts of a form; None for any other content."""
    match = _BOUNDARY.match(content_type)
    return (match[1] or match[2]) if match else None


class Form:
    """The beginning of a multipart form (RFC 7578), as far as it takes to find the value of its field `model`."""

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        self._delimiter = b"\r\n--" + separator
        self._data = bytearray(b"\r\n")  # as if a part had ended before the first delimiter, too
        self._from = 0  # what is looked for is not before this
        self._head = -1  # where the head of the part that is being read begins; -1: within its content
        self._value = 0  # where its content begins
        self._is_model = False
        self._found: slice | None = None

    @property
    def arrived(self) -> bytes:
        """All that was fed."""
        return bytes(memoryview(self._data)[2:])

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return len(self._data) - 2

    def names_another(self) -> bool:
        """Whether one more part of what was fed, behind the one that was found, is called `model`."""
        assert self._found is not None, "feed returned a name"
        rest = Form(self._separator)
        try:
            return rest.feed(bytes(self._data[self._found.stop :])) is not None
        except UnicodeDecodeError:
            return True

    def feed(self, piece: bytes) -> str | None:
        """The model, as soon as it is known. Raises ValueError when its name is no text."""
        self._data += piece
        while self._found is None:
            if self._head >= 0:
                end = self._find(b"\r\n\r\n")
                if end < 0:
                    return None
                self._is_model = _NAME.search(bytes(self._data[self._head : end])) is not None
                self._head, self._value, self._from = -1, end + 4, end + 4
            else:
                end = self._find(self._delimiter)
                if end < 0:
                    return None
                if self._is_model:
                    self._found = slice(self._value, end)
                self._head = self._from = end + len(self._delimiter)
        return self._data[self._found].decode("utf-8")

    def renamed(self, model: str) -> bytes:
        """All that was fed, with another model in its place."""
        assert self._found is not None, "feed returned a name"
        data = self._data.copy()
        data[self._found] = model.encode("utf-8")
        return bytes(memoryview(data)[2:])

    def _find(self, end: bytes) -> int:
        place = self._data.find(end, self._from)
        if place < 0:
            self._from = max(self._from, len(self._data) - len(end))
        return place
