"""Errors of what Nginx and Envoy can and cannot do of the routes."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
