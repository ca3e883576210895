"""Errors of Dify's own Compose installation."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
