"""What somebody did, and the bytes by which it stands in the audit.

A line is one JSON object of text and whole numbers: keys sorted, no spaces, UTF-8. Its hash is SHA-256 over the hash of
the line before it (32 bytes) and the line's own bytes, so that no line can be changed, moved or taken out of the middle
without every later hash changing.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from freehold.access.key import DEFAULT_TENANT

Outcome = Literal["asked", "done"] | str
"""`asked`: written before it was tried; `done`; else the code of the error that ended it."""

GENESIS = bytes(32)
"""Stands for the line before the first one."""
LONGEST = 512  # characters of one text: what is longer is cut, since clients choose some of them

_HASH = re.compile("[0-9a-f]{64}")
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal takes for a command, ends a line, turns the order of what follows, or is no character."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that was done. `what` is a verb behind the noun it changes: `keys.create`, `model.load`.

    `who` is the name of a key, or of a person at a terminal; `where` is the address, node or server that matters to it:
    whence a login came, where a request was answered. `model` and `digest` are empty where no model is concerned.
    `details` have values of their own for this verb; they never hold a key or the content of a request, which stands in
    `content` where that is wanted. `at` is when, in seconds since 1970; None is when its line is written.
    """

    what: str
    who: str
    tenant: str = DEFAULT_TENANT
    model: str = ""
    digest: str = ""
    where: str = ""
    outcome: Outcome = "done"
    tokens_in: int = 0
    tokens_out: int = 0
    details: Mapping[str, str | int] = field(default_factory=dict)
    content: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    at: float | None = None

    @property
    def weight(self) -> int:
        """Characters of its content, beside which all else of it is small."""
        if not self.content:
            return 0
        return sum(len(said) for body in self.content.values() for said in body.values() if isinstance(said, str))


@dataclass(frozen=True, slots=True)
class Line:
    """One act as it stands in the audit: `number` counts from 1, `at_ms` is since 1970 by `node`'s clock."""

    number: int
    at_ms: int
    node: str
    act: Act

    def canonical(self) -> bytes:
        """The bytes that are hashed. What is empty is left out."""
        act = self.act
        told = {
            "what": act.what,
            "who": act.who,
            "tenant": act.tenant,
            "model": act.model,
            "digest": act.digest,
            "where": act.where,
            "outcome": act.outcome,
            "node": self.node,
        }
        document: dict[str, Any] = {name: fit(text) for name, text in told.items() if text}
        document |= {"number": self.number, "at": written(self.at_ms)}
        if act.tokens_in or act.tokens_out:
            document |= {"tokens_in": act.tokens_in, "tokens_out": act.tokens_out}
        if act.details:
            document["details"] = {
                fit(name): fit(value) if isinstance(value, str) else value for name, value in act.details.items()
            }
        if act.content:
            document["content"] = act.content  # as it was sent: no bound of a name is one of what is asked
        return msgspec.json.encode(document, order="sorted")


def hash_after(previous: bytes, canonical: bytes) -> bytes:
    """The hash of a line whose predecessor has the hash `previous`; 32 bytes."""
    return hashlib.sha256(previous + canonical).digest()


def is_hash(text: object) -> bool:
    """Whether this is a hash as it is kept: 64 hexadecimal digits in lower case."""
    return isinstance(text, str) and _HASH.fullmatch(text) is not None


def fit(text: str) -> str:
    """`text` as it can stand on one line of any file and in any database: no control characters, at most `LONGEST`."""
    return _UNFIT.sub("\ufffd", text[:LONGEST])


def written(at_ms: int) -> str:
    """A moment as RFC 3339 has it: UTC, with milliseconds."""
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
