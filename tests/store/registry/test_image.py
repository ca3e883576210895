"""An artifact as a container image: what image-spec asks of it, and that its layers are the folder."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.artifact import Artifact
from freehold.store import Store, Stored, oci
from freehold.store.oci import digest_of
from freehold.store.registry.client import Repository
from freehold.store.registry.content import BytesContent
from freehold.store.registry.image import TarredFile, push_image
from freehold.store.signatures import attach, check_folder
from freehold.store.signing import new_pair, public_key, read_private, sign
from tests.docker_registry import silent

Open = Callable[..., Repository]


@pytest.fixture
def small(store: Store, make_artifact: Callable[..., Path]) -> Stored:
    """A small artifact in the store."""
    return store.add(make_artifact(b"w" * 3000, license="mit"), "m")


def document(repository: Repository, reference: str) -> Any:
    """A manifest of the registry."""
    fetched = repository.manifest(reference)
    assert fetched is not None
    return json.loads(fetched.raw)


def blob(repository: Repository, digest: str) -> bytes:
    """A blob of the registry, whose digest is right."""
    content = repository.ask("GET", f"blobs/{digest}").content
    assert digest_of(content) == digest
    return content


def unpacked(repository: Repository, image: Any, folder: Path) -> Path:
    """The layers, laid over one another as a container runtime does."""
    for layer in image["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(repository, layer["digest"]))) as tar:
            tar.extractall(folder, filter="data")
    return folder


def test_it_follows_image_spec(store: Store, small: Stored, repository: Repository) -> None:
    """An index for both processors; each config lists its layers' digests, uncompressed, in order, with a history."""
    done = push_image(store, small, repository, "1", silent)
    index = document(repository, "1")
    assert digest_of(repository.manifest("1").raw) == done.oci_digest  # type: ignore[union-attr] # it is there
    assert index["mediaType"] == oci.IMAGE_INDEX
    platforms = [one["platform"] for one in index["manifests"]]
    assert platforms == [{"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": "linux"}]
    for one in index["manifests"]:
        image = document(repository, one["digest"])
        assert image["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
        assert {layer["mediaType"] for layer in image["layers"]} == {"application/vnd.oci.image.layer.v1.tar"}
        config = json.loads(blob(repository, image["config"]["digest"]))
        assert (config["os"], config["architecture"]) == ("linux", one["platform"]["architecture"])
        assert config["rootfs"] == {"type": "layers", "diff_ids": [layer["digest"] for layer in image["layers"]]}
        assert len(config["history"]) == len(image["layers"])
        assert config["config"]["Labels"]["org.opencontainers.image.licenses"] == "mit"
        for layer in image["layers"]:
            assert len(blob(repository, layer["digest"])) == layer["size"]


def test_its_layers_are_the_artifact(store: Store, small: Stored, repository: Repository, tmp_path: Path) -> None:
    """Mounted, it is a folder that can be served: the same digest, every file as pinned."""
    push_image(store, small, repository, "1", silent)
    image = document(repository, document(repository, "1")["manifests"][0]["digest"])
    artifact = Artifact.open(unpacked(repository, image, tmp_path / "mounted"))
    artifact.check_files()
    assert artifact.digest == small.digest


def test_its_signatures_lie_in_it(store: Store, small: Stored, repository: Repository, tmp_path: Path) -> None:
    """A mounted image passes `require: {signed: true}` as the store does."""
    pair, _ = new_pair(b"")
    (tmp_path / "k").write_bytes(pair)
    key = read_private(tmp_path / "k", lambda: b"")
    attach(store, small, sign("m", small.digest, small.oci_digest, key))
    push_image(store, small, repository, "1", silent)
    image = document(repository, document(repository, "1")["manifests"][1]["digest"])
    folder = unpacked(repository, image, tmp_path / "mounted")
    assert check_folder("m", folder, [], [public_key(key.public_key())]).at is not None


def test_the_same_artifact_is_the_same_image(
    store: Store, small: Stored, repository: Repository, opened: Open, registry: str
) -> None:
    """Byte for byte: a second push sends nothing, elsewhere it gets the same digest."""
    first = push_image(store, small, repository, "1", silent)
    again = push_image(store, small, repository, "2", silent)
    other = push_image(store, small, opened(registry, "other/image"), "1", silent)
    assert (again.moved, again.sent) == (0, 0)
    assert first.oci_digest == again.oci_digest == other.oci_digest


@pytest.mark.parametrize("name", ["model.onnx", "goldens/raw.json", "a/b/c.txt", "long/" * 30 + "name", "模型.onnx"])
@pytest.mark.parametrize("size", [0, 1, 512, 1000])
def test_a_file_becomes_a_tar(name: str, size: int) -> None:
    """Any name and size, read in pieces of any length, is the tar that tarfile reads, owned by root, without a date."""
    content = BytesContent(b"x" * size)
    tarred = TarredFile(name, content)
    pieces = [tarred.read(offset, 300) for offset in range(0, tarred.size, 300)]
    whole = b"".join(pieces)
    assert (len(whole), digest_of(whole)) == (tarred.size, tarred.digest)
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        members = tar.getmembers()
        assert [one.name for one in members if one.isfile()] == [name]
        assert {(one.uid, one.gid, one.mtime) for one in members} == {(0, 0, 0)}
        file = tar.extractfile(members[-1])
        assert file is not None
        assert file.read() == b"x" * size


def test_a_file_of_ten_gigabytes_has_a_header(tmp_path: Path) -> None:
    """Sizes beyond eight gigabytes do not fit into the old header and get one of pax."""
    from freehold.store.registry.image import _headers

    raw = b"".join(_headers("model.onnx.data", 10_000_000_000))
    assert tarfile.TarFile(fileobj=io.BytesIO(raw)).next().size == 10_000_000_000  # type: ignore[union-attr] # it is there
