"""Errors of the TensorFlow door."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
