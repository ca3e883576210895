"""Errors of requests that a second model answers for comparison."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
