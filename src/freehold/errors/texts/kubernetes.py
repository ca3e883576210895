"""Errors of Kubernetes."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
