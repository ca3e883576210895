"""Errors of Dify's plugin packages."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
