"""Errors of releases, plans and locks."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
