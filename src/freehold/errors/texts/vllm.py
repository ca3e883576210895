"""Errors of models that vLLM or another server runs in a deployment."""

from freehold.errors.kinds import Entry

ENTRIES: dict[str, Entry] = {}
