"""Errors of registries, push and pull."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
