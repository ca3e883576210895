"""Errors of fetching models from hubs."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
