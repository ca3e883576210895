"""Errors of connecting models to Dify."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
