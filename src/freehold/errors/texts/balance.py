"""Errors of servers of a model that are shared out, cast out and taken back."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
