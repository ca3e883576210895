"""Errors of converting raw models, and the isolated processes that do it."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
