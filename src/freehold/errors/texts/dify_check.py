"""Errors of `freehold dify check`."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
