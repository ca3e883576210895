"""Errors of Dify's console API."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
