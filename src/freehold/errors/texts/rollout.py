"""Errors of a model that takes another one's place step by step."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
