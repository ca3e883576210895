"""Errors of rolling out a release."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
