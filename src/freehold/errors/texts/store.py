"""Errors of the store on disk."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
