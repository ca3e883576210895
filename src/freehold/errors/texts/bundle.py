"""Errors of bundles for closed networks."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
