"""The OCI documents that the store consists of, and the one image that an artifact has.

Wire facts: OCI image-spec 1.1 (layout, index, manifest, descriptor), media types of layers from ModelPack
(`application/vnd.cncf.model.*`).
"""

import hashlib
from pathlib import PurePosixPath

import msgspec

from freehold.artifact import Manifest
from freehold.artifact.artifact import MANIFEST

LAYOUT_VERSION = "1.0.0"
IMAGE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
IMAGE_INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_BYTES = b"{}"
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises; the last for a document of nothing but brackets."""

ARTIFACT = "application/vnd.freehold.artifact.v1+json"
CONFIG = "application/vnd.freehold.manifest.v1+json"
REPORT = "application/vnd.freehold.report.v1+json"
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"
"""The artifact type under which cosign keeps signatures as referrers."""
SIGNER = "vnd.freehold.key"
"""The annotation of a signature that tells whose key made it: a hint that proves nothing."""

TITLE = "org.opencontainers.image.title"
REF_NAME = "org.opencontainers.image.ref.name"
CREATED = "org.opencontainers.image.created"
LICENSES = "org.opencontainers.image.licenses"
FILE_PATH = "org.cncf.model.filepath"

_WEIGHTS = "application/vnd.cncf.model.weight.v1.raw"
_WEIGHT_CONFIG = "application/vnd.cncf.model.weight.config.v1.raw"
_DOCUMENT = "application/vnd.cncf.model.doc.v1.raw"
_DATASET = "application/vnd.cncf.model.dataset.v1.raw"
_WEIGHT_SUFFIXES = frozenset({".onnx", ".data", ".safetensors", ".bin", ".engine", ".plan"})
_DOCUMENT_STEMS = frozenset({"readme", "license", "notice"})


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A pointer to content: its type, "sha256:<hex>" and size in bytes."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: dict[str, str] = {}


class ImageManifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An image manifest; one with `subject` refers to another manifest."""

    schema_version: int
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class ImageIndex(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`index.json`, and what a registry answers when it is asked for referrers."""

    schema_version: int
    media_type: str = ""
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str] = {}


def digest_of(data: bytes) -> str:
    """ "sha256:<hex>" of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def describe(data: bytes, media_type: str, title: str = "") -> Descriptor:
    """The descriptor of `data`; `title` is the name of the file that it is."""
    annotations = {TITLE: title} if title else {}
    return Descriptor(media_type=media_type, digest=digest_of(data), size=len(data), annotations=annotations)


def image_of(raw: bytes, manifest: Manifest) -> bytes:
    """The OCI manifest of the artifact whose `manifest.json` is `raw`, as bytes: one artifact, one OCI digest.

    The config is `manifest.json` itself, so the config's digest is the artifact's. Layers are its files in name order,
    uncompressed, as they lie in the folder.
    """
    layers = tuple(
        Descriptor(
            media_type=layer_type(name),
            digest=f"sha256:{entry.sha256}",
            size=entry.size,
            annotations={TITLE: name, FILE_PATH: name},
        )
        for name, entry in sorted(manifest.files.items())
    )
    annotations = {TITLE: manifest.name} | ({LICENSES: manifest.license} if manifest.license else {})
    image = ImageManifest(
        schema_version=2,
        media_type=IMAGE_MANIFEST,
        artifact_type=ARTIFACT,
        config=describe(raw, CONFIG, MANIFEST),
        layers=layers,
        annotations=annotations,
    )
    return msgspec.json.encode(image)


def referrer_of(
    subject: Descriptor, artifact_type: str, layers: tuple[Descriptor, ...], annotations: dict[str, str]
) -> bytes:
    """The OCI manifest of something that is said about `subject`: a report, an evaluation, a signature."""
    image = ImageManifest(
        schema_version=2,
        media_type=IMAGE_MANIFEST,
        artifact_type=artifact_type,
        config=describe(EMPTY_BYTES, EMPTY),
        layers=layers,
        subject=Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        annotations=dict(sorted(annotations.items())),
    )
    return msgspec.json.encode(image)


def layer_type(name: str) -> str:
    """The ModelPack media type of an artifact's file, by its name."""
    path = PurePosixPath(name.lower())
    if path.parts[0] == "goldens":
        return _DATASET
    if path.suffix in _WEIGHT_SUFFIXES:
        return _WEIGHTS
    return _DOCUMENT if path.suffix == ".md" or path.stem in _DOCUMENT_STEMS else _WEIGHT_CONFIG


def mismatch(image: ImageManifest, manifest: Manifest) -> str:
    """What in `image` is not as the artifact's manifest says, for a message; "" where they agree."""
    layers = {layer.annotations.get(TITLE, ""): (layer.digest, layer.size) for layer in image.layers}
    files = {name: (f"sha256:{entry.sha256}", entry.size) for name, entry in manifest.files.items()}
    if len(layers) != len(image.layers):
        return "two layers have one title"
    wrong = sorted(name for name in layers.keys() | files.keys() if layers.get(name) != files.get(name))
    return f"layers and files differ: {', '.join(wrong[:5])}" if wrong else ""
