"""Check: one fact about a machine or cluster, found and needed, why it matters, and the exact fix, in two languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Union

Status = Literal["ok", "warn", "fail", "skip"]
STATUSES: tuple[Status, ...] = ("ok", "warn", "fail", "skip")

Level = Literal["needed", "wished", "unasked"]
"""How much a profile wants something that may be absent: without it a check fails, warns, or is skipped."""

Language = Literal["en", "zh"]


class Text(NamedTuple):
    """The same words in English and Chinese."""

    en: str
    zh: str


INSIDE = Text("this is a container", "当前在容器内")
"""Why something of the host is not judged."""

Words = Union[str, Text]
"""A `str` is the same in every language: numbers, names, paths."""


def in_both(words: Words) -> Text:
    """Words as a Text."""
    return words if isinstance(words, Text) else Text(words, words)


@dataclass(frozen=True)
class Check:
    """What one check found. `fix` is what to do where it fails, and is there when it does not."""

    id: str
    status: Status
    found: Text
    needed: Text
    why: Text
    fix: Text

    def told(self, language: Language) -> dict[str, str]:
        """As data of the wire: id, status, found, needed, why, fix."""
        row = {"id": self.id, "status": str(self.status)}
        for name in ("found", "needed", "why", "fix"):
            row[name] = getattr(getattr(self, name), language)
        return row


@dataclass(frozen=True)
class Topic:
    """What a check is about: why it matters, and the usual fix. Its methods make the Check of one machine."""

    id: str
    why: Text
    fix: Text

    def judged(self, status: Status, found: Words, needed: Words, fix: Words | None = None) -> Check:
        """A check of this status; `fix` where there is a better one than the topic's."""
        return Check(
            self.id, status, in_both(found), in_both(needed), self.why, self.fix if fix is None else in_both(fix)
        )

    def ok(self, found: Words, needed: Words) -> Check:
        """All is well."""
        return self.judged("ok", found, needed)

    def lacking(self, level: Level, found: Words, needed: Words, fix: Words | None = None) -> Check:
        """Something is absent or too old: a failure where it is needed, a warning where it is wished for."""
        status: dict[Level, Status] = {"needed": "fail", "wished": "warn", "unasked": "skip"}
        return self.judged(status[level], found, needed, fix)

    def unknown(self, reason: str | None, needed: Words) -> Check:
        """The fact could not be read: nothing is judged."""
        reason = reason or "-"
        return self.judged("skip", Text(f"unknown: {reason}", f"未知：{reason}"), needed)
