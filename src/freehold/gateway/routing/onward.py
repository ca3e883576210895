"""What the head of a request says when it is passed on: the model's name there, and how far the request has come."""

from urllib.parse import parse_qsl, unquote_to_bytes, urlencode

from freehold.errors import FreeholdError
from freehold.gateway.routing.identify import HEADER, QUERY
from freehold.http import Call

HOPS = b"x-freehold-hops"
"""Counts the gateways that a request came through: two that name each other would else pass it on for ever."""
MOST_HOPS = 8

Headers = tuple[tuple[bytes, bytes], ...]

_FIRST: Headers = ((HOPS, b"1"),)


def onward(call: Call, there: str) -> Headers:
    """The headers that stand in place of the client's own. Raises `gateway_loop`."""
    hops, model = call.header(HOPS), call.header(HEADER)
    if hops is None and not model:
        return _FIRST
    count = int(hops) + 1 if hops is not None and hops.isdigit() and len(hops) < 4 else 1
    if count > MOST_HOPS:
        raise FreeholdError("gateway_loop", hops=count - 1)
    counted = (HOPS, b"%d" % count)
    return ((HEADER, there.encode("utf-8")), counted) if model else (counted,)


def query_there(query: bytes, there: str) -> bytes:
    """The query with the model's name there, where it names a model."""
    if QUERY.encode("ascii") not in (unquote_to_bytes(query) if b"%" in query else query):
        return query
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode([(name, there if name == QUERY and value else value) for name, value in pairs]).encode("ascii")
