"""Errors of the room `engine`."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
}
