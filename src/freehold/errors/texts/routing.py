"""Errors of which model a request names, and where its route sends it."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
