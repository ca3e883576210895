"""Errors of upgrades of Dify."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
