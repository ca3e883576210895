"""Errors of the room `machine`."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
}
