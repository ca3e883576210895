"""Artifacts at rest: the OCI image layout on disk, tags with their history, registries, signatures."""

from freehold.store.store import Referrer, Store, Stored

__all__ = ["Referrer", "Store", "Stored"]
