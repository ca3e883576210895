"""What tags of images mean at a real registry."""

from pathlib import Path

import pytest

from freehold.config import Network
from freehold.deploy.kubernetes.digests import digests, parts
from freehold.store.http_client import open_client
from freehold.store.oci import IMAGE_MANIFEST, digest_of
from freehold.store.registry.client import Repository
from tests.docker_registry import docker_registry, free_port

MANIFEST = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "manifests": []}'


@pytest.mark.parametrize(
    ("image", "read"),
    [
        ("redis", ("docker.io", "redis", "latest")),
        ("vllm/vllm-openai:v1", ("docker.io", "vllm/vllm-openai", "v1")),
        ("localhost/app", ("localhost", "app", "latest")),
        ("harbor.corp.test:8443/a/b:2", ("harbor.corp.test:8443", "a/b", "2")),
    ],
)
def test_a_name_is_read_as_docker_reads_it(image: str, read: tuple[str, str, str]) -> None:
    """The colon of a port stands before a slash."""
    assert parts(image) == read


def test_a_tag_is_what_its_registry_says(tmp_path: Path) -> None:
    """What has a digest is not asked for; what is not there, or does not answer, keeps its tag, and that is told."""
    with docker_registry(tmp_path) as host, open_client(Network(), {}) as client:
        index = MANIFEST.replace(b"image.manifest", b"image.index")
        Repository(f"{host}/app", client).put_manifest("1", index, IMAGE_MANIFEST.replace("manifest", "index"))
        silent = f"127.0.0.1:{free_port()}/app:1"
        images = [f"{host}/app:1", f"{host}/app:2", f"{host}/app:1@sha256:{'0' * 64}", silent]
        found, untold = digests(images, Network(), {"DOCKER_CONFIG": str(tmp_path)})
    assert found == {f"{host}/app:1": digest_of(index)}
    assert list(untold) == [f"{host}/app:2", silent]
    assert "has no tag 2" in untold[f"{host}/app:2"]
