"""Errors of the room `protocol`."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
}
