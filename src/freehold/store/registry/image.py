"""An artifact as a container image: for image volumes of Kubernetes, `COPY --from` and `docker pull`.

Each file is one layer, an uncompressed tar (weights hardly compress, and so one changed file moves one layer), put
together as it is sent: nothing is written to disk. The same artifact with the same signatures gives the same bytes.

Wire facts: OCI image-spec 1.1 (config, layer, index); POSIX pax headers where a name or size needs them. An index names
the image for both processors, since containerd takes a single manifest only where its processor is the node's.
"""

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

import msgspec

from freehold.artifact.artifact import MANIFEST, SIGNATURES
from freehold.store import oci
from freehold.store.index import DIGEST
from freehold.store.registry.client import Repository
from freehold.store.registry.content import BytesContent, Content, FileContent
from freehold.store.registry.meter import Meter, Say
from freehold.store.registry.push import Pushed, bring
from freehold.store.registry.threads import side_by_side
from freehold.store.signatures import file_name, of_stored
from freehold.store.store import Store, Stored

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
PROCESSORS = ("amd64", "arm64")
EPOCH = "1970-01-01T00:00:00Z"  # a real time would make another image of the same files
_BLOCK = 1 << 20


class TarredFile:
    """A tar of one file and the folders above it, put together as it is read."""

    def __init__(self, name: str, content: Content) -> None:
        """Reads the whole content once, for the digest of the tar. Raises OSError."""
        self.name = name
        padding = -content.size % tarfile.BLOCKSIZE
        end = BytesContent(bytes(padding + 2 * tarfile.BLOCKSIZE))
        self._parts: tuple[Content, ...] = (BytesContent(b"".join(_headers(name, content.size))), content, end)
        self.size = sum(part.size for part in self._parts)
        summed = hashlib.sha256()
        for offset in range(0, self.size, _BLOCK):
            summed.update(self.read(offset, _BLOCK))
        self.digest = f"sha256:{summed.hexdigest()}"

    def read(self, offset: int, size: int) -> bytes:
        """As Content."""
        pieces = []
        for part in self._parts:
            if size > 0 and offset < part.size:
                pieces.append(part.read(offset, size))
                size -= len(pieces[-1])
            offset = max(0, offset - part.size)
        return b"".join(pieces)


def push_image(store: Store, stored: Stored, repository: Repository, tag: str, say: Say) -> Pushed:
    """Bring `stored` into `repository` as an image under `tag`, whose root folder is the artifact's.

    Its signatures lie in it as `signatures/*.json`. Raises as `push`.
    """
    meter = Meter(f"push {stored.ref} as image", say)
    layers = [TarredFile(name, content) for name, content in _files(store, stored)]
    configs = {processor: BytesContent(_config(stored, layers, processor)) for processor in PROCESSORS}
    everything: list[Content] = [*layers, *configs.values()]
    contents = {one.digest: one for one in everything}
    outcomes = side_by_side(lambda one: bring(one, repository, meter), list(contents.values()), meter)
    named = []
    for processor, config in configs.items():
        raw = _manifest(config, layers)
        repository.put_manifest(oci.digest_of(raw), raw, oci.IMAGE_MANIFEST)
        platform = {"architecture": processor, "os": "linux"}
        named.append(_descriptor(oci.IMAGE_MANIFEST, BytesContent(raw)) | {"platform": platform})
    index = _encode({"schemaVersion": 2, "mediaType": oci.IMAGE_INDEX, "manifests": named})
    repository.put_manifest(tag, index, oci.IMAGE_INDEX)
    sent = sum(one == "sent" for one in outcomes)
    return Pushed(oci.digest_of(index), meter.moved, sent, 0, len(outcomes) - sent, 0)


def _files(store: Store, stored: Stored) -> Iterator[tuple[str, Content]]:
    """Every file of the artifact in name order, its manifest and its signatures."""
    for name, entry in sorted(stored.manifest.files.items()):
        path = store.blobs.verify(f"sha256:{entry.sha256}")
        yield name, FileContent(path, f"sha256:{entry.sha256}", entry.size)
    yield MANIFEST, BytesContent(store.blobs.read(stored.digest))
    signatures = {file_name(one): msgspec.json.encode(one) for one in of_stored(store, stored)}
    for name, raw in sorted(signatures.items()):
        yield f"{SIGNATURES}/{name}", BytesContent(raw)


def _headers(name: str, size: int) -> Iterator[bytes]:
    for folder in reversed(PurePosixPath(name).parents[:-1]):
        info = tarfile.TarInfo(f"{folder}/")
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        yield info.tobuf(tarfile.PAX_FORMAT)
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    yield info.tobuf(tarfile.PAX_FORMAT)


def _config(stored: Stored, layers: Sequence[TarredFile], processor: str) -> bytes:
    labels = {oci.TITLE: stored.manifest.name, DIGEST: stored.digest}
    if stored.manifest.license:
        labels[oci.LICENSES] = stored.manifest.license
    return _encode(
        {
            "created": EPOCH,
            "architecture": processor,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
            "history": [{"created": EPOCH, "created_by": f"freehold models push: {layer.name}"} for layer in layers],
        }
    )


def _manifest(config: Content, layers: Sequence[TarredFile]) -> bytes:
    return _encode(
        {
            "schemaVersion": 2,
            "mediaType": oci.IMAGE_MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer) for layer in layers],
        }
    )


def _descriptor(media_type: str, content: Content) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": content.digest, "size": content.size}


def _encode(document: dict[str, Any]) -> bytes:
    return msgspec.json.encode(document)
