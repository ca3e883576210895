"""Errors of signatures."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
