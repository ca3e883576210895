"""Errors of the room `config`."""

from freehold.errors.kinds import Entry, Kind

ENTRIES: dict[str, Entry] = {
}
