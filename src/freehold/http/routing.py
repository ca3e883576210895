"""Finding what stands at a path: one dictionary look-up for fixed paths, two for paths with captures."""

import re
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

from freehold.http.call import Dialect

T = TypeVar("T")

REMEMBERED = 1024
"""Paths whose way is remembered: clients ask for the few models of a node, attackers for anything."""
LONGEST = 512
"""Characters of a path that is remembered: a head may have a hundred times as many."""

_CAPTURE = re.compile(r"\{([a-z_]+)\}")


class _Shape(Generic[T]):
    """All captured paths that agree in how many segments they have and which of these are captures."""

    __slots__ = ("captures", "fixed", "table")

    def __init__(self, fixed: tuple[int, ...], captures: tuple[int, ...]) -> None:
        self.fixed = fixed
        self.captures = captures
        self.table: dict[tuple[str, ...], tuple[tuple[str, ...], dict[str, T]]] = {}


class Router(Generic[T]):
    """Rows of (method, path, what stands there); `{name}` in a path captures one segment.

    Escapes are decoded after the path is split, so that `%2F` stays inside a name.
    """

    def __init__(self, rows: Iterable[tuple[str, str, T]]) -> None:
        self._exact: dict[str, dict[str, T]] = {}
        self._shapes: dict[int, list[_Shape[T]]] = {}
        self._found: dict[str, tuple[Mapping[str, T], dict[str, str]]] = {}
        for method, path, target in rows:
            methods = self._methods_at(path)
            if method in methods:
                raise ValueError(f"{method} {path} is declared twice")
            methods[method] = target

    def find(self, path: str) -> tuple[Mapping[str, T], dict[str, str]] | None:
        """What stands at `path`, by method, and what its captures hold.

        `path` is as it came on the wire, escapes and all; a slash at its end is tolerated.
        """
        methods = self._exact.get(path)
        if methods is not None:
            return methods, {}
        found = self._found.get(path)
        if found is None:
            found = self._find(path)
            if found is not None and len(path) <= LONGEST:
                if len(self._found) >= REMEMBERED:
                    self._found.clear()
                self._found[path] = found
        return found

    def _find(self, path: str) -> tuple[Mapping[str, T], dict[str, str]] | None:
        if path.endswith("/"):
            path = path[:-1]
            methods = self._exact.get(path)
            if methods is not None:
                return methods, {}
        return self._find_captured(path.split("/"))

    def _find_captured(self, segments: list[str]) -> tuple[Mapping[str, T], dict[str, str]] | None:
        for shape in self._shapes.get(len(segments), ()):
            found = shape.table.get(tuple([segments[index] for index in shape.fixed]))
            if found is None:
                continue
            names, methods = found
            params: dict[str, str] = {}
            for name, index in zip(names, shape.captures, strict=True):
                value = _decoded(segments[index])
                if not value:
                    break
                params[name] = value
            else:
                return methods, params
        return None

    def _methods_at(self, path: str) -> dict[str, T]:
        segments = path.split("/")
        captures = tuple(index for index, segment in enumerate(segments) if _CAPTURE.fullmatch(segment))
        if not captures:
            return self._exact.setdefault(path, {})
        fixed = tuple(index for index in range(len(segments)) if index not in captures)
        shapes = self._shapes.setdefault(len(segments), [])
        shape = next((shape for shape in shapes if shape.captures == captures), None)
        if shape is None:
            shape = _Shape(fixed, captures)
            shapes.append(shape)
        names = tuple(segments[index][1:-1] for index in captures)
        known_names, methods = shape.table.setdefault(tuple(segments[index] for index in fixed), (names, {}))
        if known_names != names:
            raise ValueError(f"{path} names its captures {names}, another route at the same path {known_names}")
        return methods


def dialect_at(path: str) -> Dialect:
    """The dialect in which to say that there is nothing at `path`."""
    return "oip" if path == "/v2" or path.startswith("/v2/") else "openai"


def _decoded(segment: str) -> str | None:
    """A captured segment without its escapes; None when they are not UTF-8."""
    if "%" not in segment:
        return segment
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return None
