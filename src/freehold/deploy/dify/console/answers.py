"""What Dify answered: read by its shape, or told as an error without anything secret."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from freehold.errors import FreeholdError

T = TypeVar("T")

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for content that is no JSON of a shape: a ValidationError is a DecodeError."""

_TOLD = 300  # characters of Dify's own words
_NAMES = 12  # keys of a reply that are named
_TAG = re.compile(r"<[^>]*>?")
_SHORT = 4  # a secret of fewer characters is no secret, and would hide parts of words


class Complaint(msgspec.Struct, frozen=True):
    """The body of an error of Dify's API: `code` is a word, `message` mostly a sentence; or of a check's, `error`."""

    code: str = ""
    message: Any = ""
    error: Any = ""


@dataclass(frozen=True)
class Answer:
    """One answer. `step` is the method and path that was asked; `version` what X-Version says of Dify, "" without it.

    `secrets` is never told, wherever it stands in the content.
    """

    step: str
    status: int
    content: bytes = field(repr=False)
    version: str = ""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The word by which Dify names an error, "" where the content is none of its API."""
        return self._complaint().code

    @property
    def words(self) -> str:
        """Why, in Dify's words, in one line; of what has none, its outline."""
        complaint = self._complaint()
        message = complaint.message or complaint.error or outline(self.content)
        return hidden(" ".join(str(message).split()), self.secrets)[:_TOLD]

    @property
    def is_json(self) -> bool:
        """Whether it is a document at all, and no page of something else."""
        try:
            msgspec.json.decode(self.content)
        except UNREADABLE:
            return False
        return True

    def read(self, kind: type[T]) -> T:
        """The content as `kind`. Raises `dify_console_shape`."""
        try:
            return msgspec.json.decode(self.content or b"{}", type=kind)
        except UNREADABLE as error:
            raise self.misshapen(str(error)) from None

    def misshapen(self, reason: str) -> FreeholdError:
        """The error for content that is not what this step is answered with."""
        return FreeholdError(
            "dify_console_shape",
            step=self.step,
            status=self.status,
            reason=reason,
            got=hidden(outline(self.content), self.secrets),
            version=self.version or "?",
        )

    def refusal(self) -> FreeholdError:
        """The error for a status that is no success."""
        if self.code == "not_setup":
            return FreeholdError("dify_console_not_set_up", step=self.step)
        if self.status == 401:
            return FreeholdError("dify_console_session", step=self.step, reason=self.words)
        if self.status == 403:
            return FreeholdError("dify_console_forbidden", step=self.step, reason=self.words)
        return FreeholdError("dify_console_refused", step=self.step, status=self.status, reason=self.words)

    def _complaint(self) -> Complaint:
        try:
            return msgspec.json.decode(self.content, type=Complaint)
        except UNREADABLE:
            return Complaint()


def hidden(text: str, secrets: Iterable[str]) -> str:
    """`text` with stars in place of secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORT:
            text = text.replace(secret, "***")
    return text


def outline(content: bytes) -> str:
    """What content is, by the names of its keys: values may be tokens. Of a page that is no JSON, how it begins."""
    try:
        return _outlined(msgspec.json.decode(content)) if content.strip() else "nothing"
    except UNREADABLE:
        return " ".join(_TAG.sub(" ", content[:_TOLD].decode("utf-8", "replace")).split()) or "no text"


def _outlined(value: object, deep: bool = True) -> str:
    if isinstance(value, dict):
        names = [f"{name}: {_outlined(inner, deep=False)}" if deep else str(name) for name, inner in value.items()]
        return "{" + ", ".join(names[:_NAMES]) + (", ..." if len(names) > _NAMES else "") + "}"
    if isinstance(value, list):
        return f"[{_outlined(value[0], deep=False)}, ...]" if value else "[]"
    return {str: "text", bool: "true or false", type(None): "null"}.get(type(value), "number")
