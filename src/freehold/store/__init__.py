"""Artifacts at rest: the OCI image layout on disk, tags with their history, registries, signatures."""
