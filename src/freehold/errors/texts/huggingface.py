"""Errors of the Hugging Face door."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
