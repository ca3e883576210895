"""Errors of certificates, and who issues them."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
