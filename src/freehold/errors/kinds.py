"""What sort of failure an error is, in words that no transport owns."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The sort of a failure. One table in `http` maps it to a status code."""

    INVALID = "invalid"  # the request, file or setting is wrong; the same again fails again
    UNAUTHENTICATED = "unauthenticated"  # no key, or a wrong one
    FORBIDDEN = "forbidden"  # a key that may not do this
    NOT_FOUND = "not_found"
    METHOD = "method"  # the path exists, this method does not
    SLOW_CLIENT = "slow_client"  # the body did not arrive in time
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    OVERLOADED = "overloaded"  # refused by admission: the same again may pass later
    INTERNAL = "internal"  # a defect of ours
    UNSUPPORTED = "unsupported"  # known, not offered here
    UPSTREAM = "upstream"  # a server that this one asks failed, or answered what cannot be passed on
    TIMEOUT = "timeout"  # a server that this one asks was silent for too long: it may still do what it was asked
    UNAVAILABLE = "unavailable"  # not ready, or going away


class Entry(NamedTuple):
    """One row of the error table. Texts are `str.format` templates over the error's details."""

    kind: Kind
    cause: str
    fix: str
    cause_zh: str
    fix_zh: str
