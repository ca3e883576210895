"""The one table from kinds of failure to HTTP and gRPC, and the body each family of clients reads."""

import msgspec

from freehold.errors import FreeholdError, Kind
from freehold.http.call import Dialect, Response

STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.METHOD: 405,
    Kind.SLOW_CLIENT: 408,
    Kind.CONFLICT: 409,
    Kind.TOO_LARGE: 413,
    Kind.MEDIA_TYPE: 415,
    Kind.OVERLOADED: 429,
    Kind.INTERNAL: 500,
    Kind.UNSUPPORTED: 501,
    Kind.UPSTREAM: 502,
    Kind.UNAVAILABLE: 503,
    Kind.TIMEOUT: 504,
}

GRPC_STATUS: dict[Kind, str] = {
    Kind.INVALID: "INVALID_ARGUMENT",
    Kind.UNAUTHENTICATED: "UNAUTHENTICATED",
    Kind.FORBIDDEN: "PERMISSION_DENIED",
    Kind.NOT_FOUND: "NOT_FOUND",
    Kind.METHOD: "UNIMPLEMENTED",
    Kind.SLOW_CLIENT: "DEADLINE_EXCEEDED",
    Kind.CONFLICT: "FAILED_PRECONDITION",
    Kind.TOO_LARGE: "RESOURCE_EXHAUSTED",  # what gRPC itself says of a message over its limit
    Kind.MEDIA_TYPE: "UNIMPLEMENTED",
    Kind.OVERLOADED: "RESOURCE_EXHAUSTED",
    Kind.INTERNAL: "INTERNAL",
    Kind.UNSUPPORTED: "UNIMPLEMENTED",
    Kind.UPSTREAM: "UNAVAILABLE",
    Kind.UNAVAILABLE: "UNAVAILABLE",
    Kind.TIMEOUT: "DEADLINE_EXCEEDED",
}
"""The same in the names of gRPC's status codes."""

# the names that OpenAI's own API and Text Embeddings Inference use; clients branch on them
_OPENAI_TYPE: dict[Kind, str] = {
    Kind.UNAUTHENTICATED: "authentication_error",
    Kind.FORBIDDEN: "permission_error",
    Kind.NOT_FOUND: "not_found_error",
    Kind.OVERLOADED: "rate_limit_error",
    Kind.INTERNAL: "server_error",
    Kind.UNSUPPORTED: "server_error",
    Kind.UPSTREAM: "server_error",
    Kind.UNAVAILABLE: "server_error",
    Kind.TIMEOUT: "server_error",
}
_TEI_TYPE: dict[Kind, str] = {
    Kind.TOO_LARGE: "validation",
    Kind.OVERLOADED: "overloaded",
    Kind.INTERNAL: "backend",
    Kind.UNSUPPORTED: "backend",
    Kind.UPSTREAM: "backend",
    Kind.UNAVAILABLE: "unhealthy",
    Kind.TIMEOUT: "backend",
}

_encode = msgspec.json.Encoder().encode


def respond(error: FreeholdError, dialect: Dialect) -> Response:
    """The answer that tells a client of `dialect` about `error`: always JSON, always with cause and fix."""
    return Response(_body(error, dialect), STATUS[error.kind], headers=_headers(error))


def _body(error: FreeholdError, dialect: Dialect) -> bytes:
    message = f"{error.cause} {error.fix}"
    if dialect == "oip":
        return _encode({"error": f"{message} [{error.code}]"})
    if dialect == "tei":
        return _encode({"error": message, "error_type": _TEI_TYPE.get(error.kind, "validation")})
    param = error.details.get("param")
    return _encode(
        {
            "error": {
                "message": message,
                "type": _OPENAI_TYPE.get(error.kind, "invalid_request_error"),
                "param": param if isinstance(param, str) else None,
                "code": error.code,
            }
        }
    )


def _headers(error: FreeholdError) -> tuple[tuple[bytes, bytes], ...]:
    if error.kind is Kind.UNAUTHENTICATED:
        return ((b"www-authenticate", b'Bearer realm="freehold"'),)
    if error.kind is Kind.METHOD:
        return ((b"allow", str(error.details.get("allowed", "")).encode("ascii")),)
    retry_after = error.details.get("retry_after_s", 1 if error.kind is Kind.OVERLOADED else None)
    if not isinstance(retry_after, int):
        return ()
    limits = error.details.get("headers")  # what is left of the limits that refused it
    return ((b"retry-after", b"%d" % retry_after), *(limits if isinstance(limits, tuple) else ()))
