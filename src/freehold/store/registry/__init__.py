"""Registries: artifacts pushed to and pulled from whatever speaks the OCI distribution API."""
