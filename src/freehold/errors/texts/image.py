"""Errors of our own image."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
