"""A machine's facts as one document of JSON, and the one way to read it.

The document: `{"freehold_doctor": 1, "taken": ISO time, "facts": {NAME: value}, "unknown": {NAME: reason}}`. It may
come from another machine, another version of this program, or an editor: whatever is absent or of another type reads
as None or as empty, so that no check ever trips over a fact.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

FORMAT = 1
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
"""Never text of a fact: another host's snapshot is shown on a terminal, which would obey them."""
LARGEST = float(1 << 63)  # above it no number is a fact of a machine


class SnapshotError(ValueError):
    """A file that is no snapshot; the message says why."""


@dataclass(frozen=True)
class Snapshot:
    """Facts of one machine, or one part of them. A path of names leads to a value: `number("memory", "limit")`."""

    facts: Any
    unknown: Any = None

    @classmethod
    def of(cls, document: object) -> Snapshot:
        """Raises SnapshotError for what no version of this program wrote."""
        if not isinstance(document, Mapping) or "freehold_doctor" not in document:
            raise SnapshotError('it has no "freehold_doctor": it is no snapshot of a machine')
        if document["freehold_doctor"] != FORMAT:
            raise SnapshotError(f"it has format {document['freehold_doctor']}, and this version reads {FORMAT}")
        if not isinstance(document.get("facts"), Mapping):
            raise SnapshotError('its "facts" are no object')
        return cls(document["facts"], document.get("unknown"))

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Read a document. Raises SnapshotError."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SnapshotError(f"it is not JSON: {error}") from None
        return cls.of(document)

    def has(self, *path: str) -> bool:
        """Whether there is anything at `path`."""
        return self._at(path) is not None

    def number(self, *path: str) -> float | None:
        """A finite number."""
        value = self._at(path)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not -LARGEST <= value <= LARGEST or math.isnan(value):
            return None
        return float(value)

    def text(self, *path: str) -> str | None:
        """Text that is not empty."""
        value = self._at(path)
        return _CONTROLS.sub(" ", value) if isinstance(value, str) and value else None

    def flag(self, *path: str) -> bool | None:
        """True or false."""
        value = self._at(path)
        return value if isinstance(value, bool) else None

    def texts(self, *path: str) -> tuple[str, ...]:
        """The texts of a list."""
        value = self._at(path)
        texts = value if isinstance(value, list) else ()
        return tuple(_CONTROLS.sub(" ", entry) for entry in texts if isinstance(entry, str))

    def each(self, *path: str) -> Iterator[Snapshot]:
        """The objects of a list, to be read in the same way."""
        value = self._at(path)
        for entry in value if isinstance(value, list) else ():
            if isinstance(entry, Mapping):
                yield Snapshot(entry)

    def named(self, *path: str) -> Iterator[tuple[str, Snapshot]]:
        """The objects of an object, by name."""
        value = self._at(path)
        for name, entry in value.items() if isinstance(value, Mapping) else ():
            if isinstance(entry, Mapping):
                yield str(name), Snapshot(entry)

    def reason(self, fact: str) -> str | None:
        """Why `fact` could not be read."""
        return Snapshot(self.unknown).text(fact)

    def _at(self, path: tuple[str, ...]) -> Any:
        value = self.facts
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value
