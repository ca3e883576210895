"""Errors of the room `adapt`."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
}
