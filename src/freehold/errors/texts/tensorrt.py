"""Errors of TensorRT and foreign model repositories."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
