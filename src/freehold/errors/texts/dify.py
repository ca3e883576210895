"""Errors of a Dify that is deployed: its topology, secrets and settings."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
