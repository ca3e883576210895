"""A bundle as it was brought: opened without trust, then verified byte by byte."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec

from freehold.deploy.bundle import tar
from freehold.deploy.bundle.manifest import BLOBS, LARGEST_MANIFEST, MANIFEST, SIGNATURE, Manifest, decode, unsafe
from freehold.deploy.bundle.platforms import Index, Member, Platform, is_index
from freehold.deploy.bundle.stretch import Stretch
from freehold.errors import FreeholdError
from freehold.store.oci import IMAGE_INDEX, IMAGE_MANIFEST, UNREADABLE, Descriptor, ImageManifest, digest_of
from freehold.store.registry.client import LARGEST_MANIFEST as LARGEST_IMAGE
from freehold.store.registry.meter import Meter, Say
from freehold.store.registry.threads import side_by_side
from freehold.store.signing import SHOWN, PublicKey, Signature, Signed, check, names

_LARGEST_SIGNATURE = 1 << 20  # bytes

T = TypeVar("T")


class _Typed(msgspec.Struct, rename="camel"):
    media_type: str = ""


@dataclass(frozen=True)
class Bundle:
    """`digest` is that of the manifest, which names all else; `files` by name, each with the digest it should have."""

    place: Path
    manifest: Manifest
    digest: str
    files: Mapping[str, Stretch]
    signature: Signature | None

    @classmethod
    def open(cls, place: Path) -> "Bundle":
        """A folder or a tar whose names and sizes are those of its manifest; no content was compared.

        Raises FreeholdError `bundle_unreadable`, `bundle_truncated`, `bundle_invalid`, `bundle_incomplete`,
        `bundle_extra`.
        """
        try:
            there = _in_folder(place) if place.is_dir() else tar.entries(place)
            if MANIFEST not in there:
                raise FreeholdError("bundle_incomplete", place=place, entry=MANIFEST)
            raw = _short(place, MANIFEST, there[MANIFEST], LARGEST_MANIFEST)
            manifest = decode(raw, place)
            signature = _signature(place, there.get(SIGNATURE))
        except OSError as error:
            raise FreeholdError("bundle_unreadable", place=place, reason=error.strerror or str(error)) from None
        wanted = manifest.files
        for name in sorted(there.keys() - wanted.keys() - {MANIFEST, SIGNATURE}):
            raise FreeholdError("bundle_extra", place=place, entry=name)
        for name, file in wanted.items():
            if name not in there:
                raise FreeholdError("bundle_incomplete", place=place, entry=name)
            if there[name].size != file.size:
                sizes = {"wanted": f"{file.size} bytes", "found": f"{there[name].size} bytes"}
                raise FreeholdError("bundle_tampered", place=place, entry=name, **sizes)
        files = {name: replace(there[name], digest=f"sha256:{file.sha256}") for name, file in wanted.items()}
        return cls(place, manifest, digest_of(raw), files, signature)

    def signed_by(self, key: PublicKey) -> Signed:
        """Whose signature it has. Raises `bundle_unsigned`, `bundle_key_wrong`, `bundle_signature_other`."""
        if self.signature is None:
            raise FreeholdError("bundle_unsigned", place=self.place)
        if not key.verifies(self.signature):
            signer = self.signature.key[:SHOWN] or "an unknown key"
            raise FreeholdError("bundle_key_wrong", place=self.place, signer=signer, key=key.fingerprint[:SHOWN])
        if not names(self.signature, [self.digest]):
            raise FreeholdError("bundle_signature_other", place=self.place, digest=self.digest[:SHOWN])
        return check(str(self.place), [self.digest], [self.signature], [key])

    def verify(self, say: Say) -> None:
        """Read every byte. Raises FreeholdError `bundle_tampered`, `bundle_incomplete`, `bundle_unreadable`."""
        meter = Meter("verify", say)
        meter.expect(sum(file.size for file in self.files.values()))

        def compare(name: str) -> None:
            file = self.files[name]
            found = file.summed()
            if found != file.digest:
                raise FreeholdError(
                    "bundle_tampered", place=self.place, entry=name, wanted=file.digest[:19], found=found[:19]
                )
            meter.move(file.size)

        side_by_side(compare, list(self.files), meter)
        for digest in (*(one.digest for one in self.manifest.images), *self._artifacts()):
            self.contents(digest)

    def blob(self, digest: str) -> Stretch:
        """The content of `digest`. Raises `bundle_incomplete`."""
        name = f"{BLOBS}{digest.removeprefix('sha256:')}"
        if name not in self.files:
            raise FreeholdError("bundle_incomplete", place=self.place, entry=name)
        return self.files[name]

    def document(self, digest: str) -> bytes:
        """A manifest among the blobs, verified. Raises `bundle_tampered`, `bundle_invalid`, `bundle_incomplete`."""
        name, blob = f"{BLOBS}{digest.removeprefix('sha256:')}", self.blob(digest)
        raw = _short(self.place, name, blob, LARGEST_IMAGE)
        if digest_of(raw) != digest:
            raise FreeholdError(
                "bundle_tampered", place=self.place, entry=name, wanted=digest[:19], found=digest_of(raw)[:19]
            )
        return raw

    def media_type(self, digest: str) -> str:
        """What a manifest says that it is, or looks like: OCI's need not say it. Raises as `document`."""
        raw = self.document(digest)
        said = _decoded(self.place, digest, raw, _Typed).media_type
        return said or (IMAGE_INDEX if is_index(raw) else IMAGE_MANIFEST)

    def image(self, digest: str) -> ImageManifest:
        """The image manifest of `digest`. Raises as `document`."""
        return _decoded(self.place, digest, self.document(digest), ImageManifest)

    def members(self, digest: str) -> tuple[Member, ...]:
        """The manifests that an index of several platforms names; of another manifest none. Raises as `document`."""
        raw = self.document(digest)
        return _decoded(self.place, digest, raw, Index).manifests if is_index(raw) else ()

    def platform(self, digest: str) -> Platform:
        """What the configuration of an image says that it runs on. Raises as `document`."""
        config = self.image(digest).config.digest
        return _decoded(self.place, config, self.document(config), Platform)

    def contents(self, digest: str) -> tuple[Descriptor, ...]:
        """What an image consists of, each content once, all of it here; those of all platforms for an index.

        Raises as `document`, and `bundle_incomplete`.
        """
        manifests = [one.digest for one in self.members(digest)] or [digest]
        images = map(self.image, manifests)
        found = [part for image in images for part in (image.config, *image.layers)]
        for part in found:
            self.blob(part.digest)
        return tuple({part.digest: part for part in found}.values())

    def _artifacts(self) -> list[str]:
        return [digest for one in self.manifest.artifacts for digest in (one.oci_digest, *one.referrers)]


def _decoded(place: Path, digest: str, raw: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=shape)
    except UNREADABLE as error:
        raise FreeholdError("bundle_invalid", place=place, entry=digest, reason=str(error)) from None


def _in_folder(place: Path) -> Mapping[str, Stretch]:
    found: dict[str, Stretch] = {}
    for folder, folders, files in os.walk(place):
        for entry in (Path(folder) / name for name in (*folders, *files)):
            name = entry.relative_to(place).as_posix()
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise FreeholdError("bundle_invalid", place=place, entry=name, reason="it is a link, or no file")
            if entry.is_file():
                if reason := unsafe(name):
                    raise FreeholdError("bundle_invalid", place=place, entry=name[:200], reason=reason)
                found[name] = Stretch(entry, 0, entry.stat().st_size)
    return found


def _short(place: Path, name: str, file: Stretch, most: int) -> bytes:
    if file.size > most:
        raise FreeholdError("bundle_invalid", place=place, entry=name, reason=f"it has more than {most} bytes")
    return file.read(0, file.size)


def _signature(place: Path, file: Stretch | None) -> Signature | None:
    if file is None:
        return None
    try:
        return msgspec.json.decode(_short(place, SIGNATURE, file, _LARGEST_SIGNATURE), type=Signature)
    except UNREADABLE as error:
        raise FreeholdError("bundle_invalid", place=place, entry=SIGNATURE, reason=str(error)) from None
