"""Errors of parity reports and traces."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
