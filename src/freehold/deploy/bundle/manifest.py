"""`manifest.json` of a bundle: what it has, from where, and every file's digest. Nothing of it is signed one by one:
the signature beside it names this file's digest, and this file names all the others."""

import re
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from freehold.errors import FreeholdError
from freehold.store.oci import UNREADABLE

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
SUMS = "SHA256SUMS"
CONFIGURATION = "freehold.yaml"
BLOBS = "blobs/sha256/"
WHEELS = "wheels/"
PLUGINS = "plugins/"
MODELS = "models/"
LARGEST_MANIFEST = 64 << 20  # bytes
LONGEST_NAME = 240  # bytes

_IMAGE = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]{0,511}")
"""No word that Docker would read as an option; what else a name must be, registries and engines say."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


class File(msgspec.Struct, frozen=True):
    """A file of the bundle: hexadecimal sha256, and size in bytes."""

    sha256: str
    size: int


class Image(msgspec.Struct, frozen=True, omit_defaults=True):
    """A container image. `name` is the one of renderings without a mirror; `digest` that of the manifest carried.

    `id` is the digest of its configuration, "" where all platforms are carried. `index`: the digest that the tag had at
    its registry, where that is an index of which one platform is carried. `source`: a registry's repository, or
    "engine" for an image that only a Docker Engine had: its manifest was made here, of the layers that it gave.
    """

    name: str
    digest: str
    media_type: str
    source: str
    id: str = ""
    index: str = ""


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True):
    """An artifact of the store: its name and tag there, its OCI manifest, and those of what is said about it."""

    name: str
    tag: str
    oci_digest: str
    referrers: tuple[str, ...] = ()


class ModelFolder(msgspec.Struct, frozen=True):
    """A model that is a folder or file: the id and source in the configuration, and where its files lie here."""

    id: str
    source: str
    folder: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of a bundle. `platform` is that of the images, "linux/amd64" say, or "all"; `files` lacks only this file and
    its signature."""

    version: Literal[1]
    freehold: str
    platform: str
    images: tuple[Image, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    models: tuple[ModelFolder, ...] = ()
    files: dict[str, File] = {}

    def encode(self) -> bytes:
        """The bytes: the same for the same content, without a time in them."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1) + b"\n"


def decode(raw: bytes, place: object) -> Manifest:
    """Raises `bundle_invalid` for what is no manifest of a bundle, or names what no bundle may have, and
    `bundle_incomplete` for one without a configuration."""
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except UNREADABLE as error:
        raise FreeholdError("bundle_invalid", place=place, entry=MANIFEST, reason=str(error)) from None
    for name, file in manifest.files.items():
        reason = unsafe(name) or ("" if _SHA256.fullmatch(file.sha256) and file.size >= 0 else "no digest or size")
        if not reason and name.startswith(BLOBS) and name != f"{BLOBS}{file.sha256}":
            reason = "a blob's name is not its digest"
        if reason:
            raise FreeholdError("bundle_invalid", place=place, entry=name[:LONGEST_NAME], reason=reason)
    for image in manifest.images:
        if not _IMAGE.fullmatch(image.name):
            raise FreeholdError(
                "bundle_invalid", place=place, entry=image.name[:LONGEST_NAME], reason="no image's name"
            )
    if CONFIGURATION not in manifest.files:
        raise FreeholdError("bundle_incomplete", place=place, entry=CONFIGURATION)
    return manifest


def unsafe(name: str) -> str:
    """Why a bundle may have no entry of that name; "" where it may: a plain path below the bundle, in one spelling."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or str(path) != name or ".." in path.parts or name == ".":
        return "its name leads out of the bundle, or is not in its plain form"
    if not name.isprintable() or "\\" in name:
        return "its name has characters that no bundle uses"
    if len(name.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
        return f"its name is longer than {LONGEST_NAME} bytes"
    return ""
