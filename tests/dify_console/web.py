"""Requests, answers and routes of the console: how it is used is watched here."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from tests.dify_console.state import Dify

_METHODS = ("GET", "POST", "PUT", "DELETE")


class RefusedError(Exception):
    """An error that the API answers with, in its envelope."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Reply:
    """An answer: a document, or bytes of another type."""

    body: Any = None
    status: int = 200
    cookies: dict[str, str] = field(default_factory=dict)
    type: str = "application/json"


@dataclass
class Call:
    """A request. `words` are the parts of its path that the route leaves open."""

    dify: Dify
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes
    words: dict[str, str] = field(default_factory=dict)

    def body(self, required: str, optional: str = "") -> dict[str, Any]:
        """The JSON body: these keys and no other."""
        try:
            document = json.loads(self.content)
        except ValueError:
            document = None
        needed, allowed = set(required.split()), {*required.split(), *optional.split()}
        if not isinstance(document, dict) or not needed <= set(document) <= allowed:
            given = sorted(document) if isinstance(document, dict) else self.content[:80].decode()
            raise self.misused(f"the body has {given}, wanted are {sorted(needed)}, allowed {sorted(allowed)}")
        return document

    def params(self, allowed: str) -> dict[str, str]:
        """The query: these names and no other."""
        if not set(self.query) <= set(allowed.split()):
            raise self.misused(f"the query has {sorted(self.query)}, allowed are {allowed}")
        return self.query

    def cookies(self) -> dict[str, str]:
        return {name: morsel.value for name, morsel in SimpleCookie(self.headers.get("cookie", "")).items()}

    def bearer(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    def misused(self, why: str) -> RefusedError:
        """Note a request that Dify would not understand, and refuse it."""
        self.dify.misuse.append(f"{self.method} {self.path}: {why}")
        return RefusedError(400, "invalid_param", why)


@dataclass(frozen=True)
class Route:
    """One path of the API, `{word}` for what is open in it, and what answers it."""

    name: str
    answer: Callable[[Call], Reply]
    guard: Callable[[Call], None] | None = None

    def match(self, method: str, path: str) -> dict[str, str] | None:
        wanted, _, pattern = self.name.partition(" ")
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern), path)
        return found.groupdict() if found is not None and wanted == method else None


def answered(routes: Sequence[Route], call: Call) -> Reply:
    """What Dify answers: of the first route that fits, or its error."""
    known = any(route.match(method, call.path) is not None for method in _METHODS for route in routes)
    for route in routes:
        words = route.match(call.method, call.path)
        if words is None:
            continue
        call.words = words
        if route.name in call.dify.broken:
            status, document = call.dify.broken[route.name]
            return Reply(document, status)
        try:
            if route.guard is not None:
                route.guard(call)
            reply = route.answer(call)
        except RefusedError as refused:
            return Reply({"code": refused.code, "message": refused.message, "status": refused.status}, refused.status)
        change = call.dify.changed.get(route.name)
        return reply if change is None else Reply(change(reply.body), reply.status, reply.cookies)
    if not known:
        call.dify.misuse.append(f"{call.method} {call.path}: Dify has no such path")
    status = 405 if known else 404
    return Reply({"code": "not_found", "message": "no such path or method", "status": status}, status)
