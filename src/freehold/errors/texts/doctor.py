"""Errors of checking a machine or a cluster."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
