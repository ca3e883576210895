"""Errors of what a configuration says of deployments."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
