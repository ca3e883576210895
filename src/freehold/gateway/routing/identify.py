"""Which model a request names: in its path, its header `x-model-id`, its query `model_id` or its body's `model`.

One decision, pure, that Nginx and Envoy make alike when they are rendered from the same routes. An empty value is no
value; all that are present must agree. Where path, header or query name the model, a body that cannot be read is
somebody else's to judge. Below a model's own path one with tensors as bytes names none, whatever these look like.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs

import msgspec

from freehold.errors import FreeholdError

HEADER = b"x-model-id"
QUERY = "model_id"
BYTES = b"inference-header-content-length"
"""With this header a body has tensors as bytes, behind its JSON or alone."""

_JSON = b"application/json"
_SHOWN = 80  # characters of a name in a message


class _Body(msgspec.Struct):
    model: str | None = None


class _Written(msgspec.Struct):
    model: msgspec.Raw = msgspec.Raw(b"null")


_NAMED = msgspec.json.Decoder(_Body)
_WRITTEN = msgspec.json.Decoder(_Written)
_TEXT = msgspec.json.Decoder(str)
_ANY = msgspec.json.Decoder(msgspec.Raw)  # read through, and nothing made of it


def identify(
    method: str,
    path_model: str | None,
    headers: Mapping[bytes, bytes],
    query: bytes,
    body: bytes,
    *,
    lenient: bool = False,
) -> str | None:
    """The name, or None where there is none. `headers` by their lower-case names; `query` as it came on the wire.

    `lenient`: `body` has been unpacked, and is read as JSON of whatever type it is said to be. Raises `model_conflict`;
    `body_encoding_unsupported` and `json_malformed` where only such a body could have named the model.
    """
    header = headers.get(HEADER)
    outer = (
        path_model or None,
        header.decode("utf-8", "replace").strip() or None if header else None,
        _in_query(query) if query else None,
    )
    reads = method == "POST" and (lenient or is_json(headers.get(b"content-type")))
    reads = reads and not (path_model and BYTES in headers)
    packed = not lenient and method == "POST" and is_packed(headers.get(b"content-encoding"))
    if packed or not reads or (any(outer) and not may_name(body)):
        inner, reason = None, ""
    else:
        inner, reason = named(body)
    names = [name for name in (*outer, inner) if name is not None]
    if names:
        if names.count(names[0]) != len(names):
            places = ("path", "header x-model-id", "query model_id", "body")
            raise conflict(dict(zip(places, (*outer, inner), strict=True)))
        return names[0]
    if packed:
        encoding = headers[b"content-encoding"].decode("latin-1")
        raise FreeholdError("body_encoding_unsupported", encoding=encoding[:40])
    if reason:
        raise FreeholdError("json_malformed", reason=reason)
    return None


def is_json(content_type: bytes | None) -> bool:
    """Whether a body of this type is read as JSON: parameters and letters' case do not matter, none counts as JSON."""
    return not content_type or content_type == _JSON or content_type.partition(b";")[0].strip().lower() == _JSON


def is_packed(encoding: bytes | None) -> bool:
    """Whether a body under this Content-Encoding is not the bytes that are meant."""
    return encoding is not None and encoding.strip().lower() not in (b"", b"identity")


def may_name(body: bytes) -> bool:
    """Whether a look at `model` in this body can tell anything: large tensors need not be parsed for it."""
    return b"model" in body or b"\\" in body


def named(body: bytes) -> tuple[str | None, str]:
    """The `model` of a JSON object, of several the last one; and why it cannot be told, where it cannot."""
    try:
        return _NAMED.decode(body).model or None, ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _named_slowly(body)


def _named_slowly(body: bytes) -> tuple[str | None, str]:
    """As `named`, where the first look stumbled: a document that is no object, a value that another one follows.

    Nothing is made of what need not be known: the lists within 8 MB of `[],` would take 270 MB, and nearly a second.
    """
    try:
        try:
            written = bytes(_WRITTEN.decode(body).model)
        except msgspec.ValidationError:  # no object, but JSON it must be
            _ANY.decode(body)
            return None, ""
        if written == b"null":
            return None, ""
        return (_TEXT.decode(written) or None, "") if written.startswith(b'"') else (None, "`model` is not a text")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, str(error)


def _in_query(query: bytes) -> str | None:
    """The first value of the parameter, percent-decoded as UTF-8."""
    values = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(QUERY)
    return values[0] or None if values else None


def conflict(names: Mapping[str, str | None]) -> FreeholdError:
    """The error of a request that names one model at one place and another one at another."""
    said = ", ".join(f"{place}: {name[:_SHOWN]}" for place, name in names.items() if name is not None)
    return FreeholdError("model_conflict", said=said)
