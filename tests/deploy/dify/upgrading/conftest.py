"""The same servers and worlds as backups have."""

from tests.deploy.dify.backup.conftest import make_world, numbers, pgvector, postgres, world

__all__ = ["make_world", "numbers", "pgvector", "postgres", "world"]
