"""JSON bodies in and out: one place that turns every way of being malformed into a FreeholdError."""

import re
from typing import TypeVar

import msgspec
import numpy as np

from freehold.errors import FreeholdError

MAX_NESTING = 100
MAX_ECHO = 200

T = TypeVar("T")

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_FINITE = re.compile(rb"(?:^|[\[,:\s])-?(NaN|Infinity)\b")
_NOT_BRACKETS = bytes(code for code in range(256) if code not in b"[]{}")
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_BLOCK = 1 << 20

_encoder = msgspec.json.Encoder()
encode = _encoder.encode
"""msgspec's JSON encoder. It writes NaN and infinity as null: callers with float data check for it."""


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body by type.

    Raises FreeholdError `json_malformed`, `json_not_finite` (a bare NaN or Infinity), `json_too_deep` (over 100 levels)
    and `request_invalid` (well-formed, but a field is missing or of another type).
    """
    if may_nest(body) and nesting(body) > MAX_NESTING:
        raise FreeholdError("json_too_deep", limit=MAX_NESTING)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise FreeholdError("request_invalid", reason=reason(error)) from error
    except msgspec.DecodeError as error:
        if not body.strip():
            raise FreeholdError("json_malformed", reason="the body is empty") from error
        found = _NOT_FINITE.search(_STRING.sub(b'""', body))
        if found:
            raise FreeholdError("json_not_finite", value=found[1].decode()) from error
        raise FreeholdError("json_malformed", reason=reason(error)) from error
    except UnicodeDecodeError as error:
        raise FreeholdError("json_malformed", reason="a string is not UTF-8") from error
    except RecursionError as error:
        raise FreeholdError("json_too_deep", limit=MAX_NESTING) from error


def brief(value: object) -> str:
    """A client's value as an error may repeat it: an answer must not grow with what was sent."""
    text = str(value)
    return text if len(text) <= MAX_ECHO else f"{text[:MAX_ECHO]}..."


def reason(error: Exception) -> str:
    """msgspec's sentence, without its own lead-in and full stop."""
    return str(error).removeprefix("JSON is malformed: ").rstrip(".")


def may_nest(body: bytes) -> bool:
    """False when the text has too few opening brackets to nest too deep: most have, and then `nesting` is not needed.

    `find` passes over long runs of digits 40 times faster than `count` does.
    """
    openings = 0
    for bracket in (b"[", b"{"):
        place = body.find(bracket)
        while place >= 0:
            openings += 1
            if openings > MAX_NESTING:
                return True
            place = body.find(bracket, place + 1)
    return False


def nesting(body: bytes) -> int:
    """The deepest level of arrays and objects in a JSON text; brackets inside strings do not count."""
    steps = _STRING.sub(b"", body).translate(_STEPS, _NOT_BRACKETS)
    level = deepest = 0
    for start in range(0, len(steps), _BLOCK):
        levels = np.frombuffer(steps, np.int8, min(_BLOCK, len(steps) - start), start).cumsum(dtype=np.int64)
        deepest = max(deepest, level + int(levels.max()))
        level += int(levels[-1])
    return deepest
