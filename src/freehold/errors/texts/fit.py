"""Errors of models that do not fit a machine."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
