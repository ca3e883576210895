"""Small images in a registry, artifacts, and bundles of them."""

import gzip
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from freehold.artifact import Manifest, write_manifest
from freehold.artifact.manifest import MadeBy
from freehold.deploy.bundle.contents import Wanted, artifacts_of
from freehold.deploy.bundle.creating import Created, Creation
from freehold.deploy.bundle.finding import Finder
from freehold.store import Store
from freehold.store.oci import IMAGE_INDEX, IMAGE_MANIFEST, REPORT, digest_of
from freehold.store.registry.client import Patience, Repository
from freehold.store.registry.content import BytesContent
from freehold.store.registry.meter import Meter
from freehold.store.registry.upload import upload
from tests.deploy.configured import configured

CONFIGURATION = "models: [{id: mlp, source: mlp:1}]\ndeploy: {registry: mirror.corp:5000}\n"
KEY = ec.generate_private_key(ec.SECP256R1())
IMPATIENT = Patience(tries=2, first_pause_s=0.01)


def layer(text: str, size: int = 0) -> bytes:
    """A compressed layer with one file, of which `size` bytes do not compress."""
    raw = io.BytesIO()
    noise = np.random.default_rng(len(text)).bytes(size)
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo("etc/said")
        info.size = len(text.encode()) + size
        archive.addfile(info, io.BytesIO(text.encode() + noise))
    return gzip.compress(raw.getvalue(), 1, mtime=0)


def push_image(repository: Repository, tag: str, layers: Sequence[bytes], architecture: str = "amd64") -> str:
    """An image of these layers under a tag, or its digest where that is empty; its digest."""
    diffs = [digest_of(gzip.decompress(one)) for one in layers]
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diffs},
    }
    blobs = [json.dumps(config).encode(), *layers]
    for blob in blobs:
        upload(repository, BytesContent(blob), Meter("made", lambda _: None))
    types = ["application/vnd.oci.image.config.v1+json"]
    types += ["application/vnd.oci.image.layer.v1.tar+gzip"] * len(layers)
    described = [
        {"mediaType": kind, "digest": digest_of(blob), "size": len(blob)}
        for kind, blob in zip(types, blobs, strict=True)
    ]
    # spaces, as no program of ours writes them: bytes that are made again would have another digest
    document = {"schemaVersion": 2, "mediaType": IMAGE_MANIFEST, "config": described[0], "layers": described[1:]}
    raw = json.dumps(document, indent=3).encode()
    repository.put_manifest(tag or digest_of(raw), raw, IMAGE_MANIFEST)
    return digest_of(raw)


def push_index(
    repository: Repository, tag: str, images: dict[str, Sequence[bytes]], media_type: str | None = IMAGE_INDEX
) -> str:
    """An image of several architectures under a tag; the digest of its index, which says that it is of `media_type`."""
    members = []
    for architecture, layers in images.items():
        digest = push_image(repository, "", layers, architecture)
        found = repository.manifest(digest)
        assert found is not None
        platform = {"os": "linux", "architecture": architecture} | (
            {"variant": "v8"} if architecture == "arm64" else {}
        )
        members.append({"mediaType": IMAGE_MANIFEST, "digest": digest, "size": len(found.raw), "platform": platform})
    said = {} if media_type is None else {"mediaType": media_type}
    raw = json.dumps({"schemaVersion": 2, **said, "manifests": members}, indent=3).encode()
    repository.put_manifest(tag, raw, IMAGE_INDEX)
    return digest_of(raw)


def stored(root: Path, text: str = "weights") -> Store:
    """A store with the artifact mlp:1 and something that is said about it."""
    folder = root / "artifact"
    folder.mkdir(parents=True)
    (folder / "weights.bin").write_text(text)
    known = {"schema": 1, "name": "mlp", "kind": "tensor", "layout": "tensor", "precision": "fp32", "files": {}}
    known |= {"inputs": (), "outputs": (), "made_by": MadeBy("test", "1", f"sha256:{'0' * 64}")}
    write_manifest(folder, Manifest(**known))
    store = Store(root / "store")
    store.attach(store.add(folder, "mlp"), REPORT, {"report.json": b"{}"})
    return store


@dataclass(frozen=True)
class Site:
    """A machine with a network: a registry where images come from, a store, and a folder for bundles."""

    registry: str
    client: httpx2.Client
    root: Path
    store: Store

    def push(self, name: str, tag: str, *texts: str, size: int = 0) -> str:
        """An image with a layer for each text in the registry; its digest."""
        return push_image(self.repository(name), tag, [layer(text, size) for text in texts])

    def repository(self, name: str) -> Repository:
        """One of the registry."""
        return Repository(f"{self.registry}/{name}", self.client, patience=IMPATIENT)

    def finder(self, platform: str = "linux/amd64", registry: str = "") -> Finder:
        """Finds images in the registry, or in another one, as in a mirror; there is no Docker Engine."""
        return Finder(self.client, {}, platform, None, registry or self.registry, patience=IMPATIENT)

    def wanted(self, *images: str, **more: object) -> Wanted:
        """A bundle of these images and the artifact mlp:1."""
        found = tuple(self.finder().find(name) for name in images)
        config = configured("models: [{id: mlp, source: mlp:1}]")
        given = {"images": found, "artifacts": artifacts_of(config, self.store), **more}
        return Wanted("linux/amd64", CONFIGURATION, **given)  # type: ignore[arg-type]  # keyword by keyword

    def create(self, wanted: Wanted, name: str = "bundle.tar", *, signed: bool = True) -> Created:
        """The bundle, signed with KEY."""
        creation = Creation.begin(wanted, self.root / name, self.store.blobs, None)
        return creation.create(KEY if signed else None, lambda _: None)
