"""Artifacts that pods pull, in a real registry before anything is changed."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from freehold.deploy.kubernetes.artifacts import push_artifacts, transfers
from freehold.deploy.services.deployment import Deployment
from freehold.store import Store
from freehold.store.http_client import open_client
from freehold.store.registry.client import Repository
from tests.cli.test_models import mlp_artifact
from tests.deploy.kubernetes.deployments import configured
from tests.docker_registry import docker_registry


def pulling(place: str, digest: str) -> Deployment:
    """Two services of one artifact, and one of another that is not in the store."""
    models = [{"id": name, "source": source} for name, source in (("a", "mlp:1"), ("b", "mlp:1"), ("gone", "old:7"))]
    made = configured({"models": models}, pull_from=place, storage={})
    units = tuple(replace(unit, artifacts=MappingProxyType({unit.name: digest})) for unit in made.units)
    return replace(made, units=units)


def test_what_is_missing_moves_once(tmp_path: Path) -> None:
    """An artifact of two services is one; where no tag leads to it any more, the registry's tags stay as they are."""
    store = Store(tmp_path / "store", tmp_path / "cache")
    stored = store.add(mlp_artifact(tmp_path / "artifact"), "mlp")
    environ = {"DOCKER_CONFIG": str(tmp_path)}
    said: list[str] = []
    with docker_registry(tmp_path) as host, open_client(configured({"models": []}).config.network, {}) as client:
        made = pulling(f"{host}/models", stored.digest)
        (transfer,) = transfers(made, made.units, store, environ)
        assert (transfer.ref, transfer.place) == ("mlp:1", f"oci://{host}/models/mlp")
        assert transfer.bytes > 0
        push_artifacts(made, made.units, store, environ, said.append)
        assert said[0].startswith("push mlp:1: ")
        assert transfers(made, made.units, store, environ) == ()
        repository = Repository(f"{host}/models/mlp", client)
        assert (repository.tags(), repository.has_manifest(stored.oci_digest)) == (["1"], True)
