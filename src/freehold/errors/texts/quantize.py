"""Errors of quantization."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
