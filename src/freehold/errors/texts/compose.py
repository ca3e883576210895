"""Errors of Docker and Compose."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
