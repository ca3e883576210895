"""A bundle put together: in a folder beside its place, where a later try goes on, and only then under its name."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from freehold import __version__
from freehold.artifact.artifact import FULL, link_or_copy, sha256_of, sync_folder
from freehold.deploy.bundle import tar
from freehold.deploy.bundle.contents import Wanted, files_below
from freehold.deploy.bundle.engine import Engine
from freehold.deploy.bundle.manifest import (
    BLOBS,
    CONFIGURATION,
    MANIFEST,
    PLUGINS,
    SIGNATURE,
    SUMS,
    WHEELS,
    File,
    Image,
    Manifest,
    unsafe,
)
from freehold.deploy.bundle.reading import Bundle
from freehold.errors import FreeholdError
from freehold.store import oci
from freehold.store.blobs import Blobs
from freehold.store.locks import try_exclusive
from freehold.store.oci import Descriptor, ImageIndex, digest_of
from freehold.store.registry.download import download
from freehold.store.registry.meter import Meter, Say
from freehold.store.registry.threads import side_by_side
from freehold.store.signing import sign

SPARE = 16 << 20  # bytes: manifests, headers, and what a file system keeps for itself
TAR = ".tar"
_KEPT = frozenset({"blobs", "incoming", "wheels"})
"""What a later try goes on with; all else is laid anew, and what nobody knows is not signed."""
_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}\n'


@dataclass(frozen=True)
class Row:
    """One thing of a plan: `size` in bytes, None where it is known only when it has come. `missing`: how many of them
    neither the place nor a row above has."""

    sort: str
    name: str
    size: int | None
    missing: int | None


@dataclass(frozen=True)
class Created:
    """`digest` is that of the manifest; `moved` bytes came over the network, `size` is that of all files."""

    place: Path
    digest: str
    size: int
    moved: int
    signer: str


@dataclass(frozen=True)
class Creation:
    """One bundle on its way to `output`, a folder or, with the suffix .tar, one file. `store`: of the artifacts."""

    wanted: Wanted
    output: Path
    store: Blobs
    engine: Engine | None
    older: Bundle | None

    @classmethod
    def begin(cls, wanted: Wanted, output: Path, store: Blobs, engine: Engine | None) -> "Creation":
        """What lies at `output` is an older bundle, of which content is taken, or nothing.

        Raises FreeholdError `bundle_output_taken` for anything else.
        """
        if output.exists() and output.is_file() != (output.suffix == TAR):
            raise FreeholdError("bundle_output_taken", path=output, reason="a file ends in .tar, and a folder does not")
        try:
            older = Bundle.open(output) if output.is_file() or (output.is_dir() and any(output.iterdir())) else None
        except FreeholdError as error:
            raise FreeholdError("bundle_output_taken", path=output, reason=error.cause) from None
        return cls(wanted, output, store, engine, older)

    @property
    def work(self) -> Path:
        """Where it is put together."""
        return self.output.with_name(f"{self.output.name}.parts")

    def plan(self) -> tuple[Row, ...]:
        """What it will have, and what of that must come. Changes nothing."""
        return self._rows(self._has)

    def create(self, key: ec.EllipticCurvePrivateKey | None, say: Say) -> Created:
        """Put it together, sign it with `key`, and give it its name; what was there before is gone only then.

        Raises FreeholdError `bundle_full`, before anything is fetched where that can be known, `bundle_unwritable`,
        `bundle_busy`, and what registries, Docker and pip say.
        """
        with self._errors():
            self.work.mkdir(parents=True, exist_ok=True)
            held = try_exclusive(self.work)
            if held is None:
                raise FreeholdError("bundle_busy", path=self.work)
            try:
                self._clear()
                self._require_room()
                meter = Meter("bundle", say)
                manifest = self._complete(meter, say)
                digest = digest_of(manifest.encode())
                signer = ""
                if key is not None:
                    signature = sign(self.output.name, digest, digest, key)
                    (self.work / SIGNATURE).write_bytes(msgspec.json.encode(signature))
                    signer = signature.key
                self._place(manifest, say)
            finally:
                os.close(held)
        return Created(self.output, digest, sum(file.size for file in manifest.files.values()), meter.moved, signer)

    def _clear(self) -> None:
        """Remove what a try that was killed left, and the next one does not go on with."""
        for entry in self.work.iterdir():
            if entry.name not in _KEPT:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _require_room(self) -> None:
        here = Blobs(self.work)
        lacking = _missing(self._rows(lambda part: here.has(part.digest, part.size)))
        needed = lacking + SPARE + (_missing(self._rows(lambda _: False)) if self.output.suffix == TAR else 0)
        free = shutil.disk_usage(self.work).free
        if free < needed:
            place = self.output.parent
            raise FreeholdError("bundle_full", path=place, needed=needed // 1_000_000, free=free // 1_000_000)

    def _complete(self, meter: Meter, say: Say) -> Manifest:
        """Bring what is missing, remove blobs that are not wanted, and write what the bundle says of itself."""
        blobs = Blobs(self.work)
        for folder in (blobs.folder, blobs.incoming):
            folder.mkdir(parents=True, exist_ok=True)
        self._lay_files()
        self._take_older(blobs)
        images = self._bring_images(blobs, meter, say)
        for one in self.wanted.artifacts:
            for part in one.blobs:
                blobs.copy(self.store.path(part.digest), part.digest, part.size)
        kept = {part.digest for one in self.wanted.artifacts for part in one.blobs}
        kept |= {digest for _, digests in images for digest in digests}
        for path in blobs.folder.iterdir():
            if f"sha256:{path.name}" not in kept:
                path.unlink()
        shutil.rmtree(blobs.incoming)
        return self._describe(tuple(image for image, _ in images))

    def _take_older(self, blobs: Blobs) -> None:
        """Content of the bundle that is there, instead of the network: each verified as it is copied."""
        wanted = {part.digest: part for found in self.wanted.images for part in found.blobs}
        for digest, part in wanted.items():
            name = f"{BLOBS}{digest.removeprefix('sha256:')}"
            if self.older is None or name not in self.older.files or blobs.has(digest, part.size):
                continue
            stretch = self.older.files[name]
            if stretch.size == part.size and stretch.summed() == digest:
                with blobs.writing(part.size) as file:
                    for block in stretch.blocks():
                        file.write(block)
                    blobs.keep(file, digest)

    def _bring_images(self, blobs: Blobs, meter: Meter, say: Say) -> list[tuple[Image, set[str]]]:
        """Every image with the digests of all that it consists of, which are here then."""
        missing = {
            part.digest: (found.repository, part)
            for found in self.wanted.images
            for part in found.blobs
            if found.repository is not None and not blobs.has(part.digest, part.size)
        }
        meter.expect(sum(part.size for _, part in missing.values()))
        side_by_side(lambda one: download(one[0], one[1], blobs, meter), list(missing.values()), meter)
        brought: list[tuple[Image, set[str]]] = []
        for found in self.wanted.images:
            image, manifests = found.image, found.manifests
            if found.repository is None:
                assert self.engine is not None, "who else has it"
                saving = Meter(f"docker save {image.name}", say)
                saving.expect(found.size)
                image, raw = self.engine.save(image.name, blobs, saving)
                manifests = (raw,)
            digests = {blobs.put(raw) for raw in manifests}
            parts = {part.digest for part in found.blobs} or _parts_of(manifests[0])
            brought.append((image, digests | parts))
        return brought

    def _lay_files(self) -> None:
        """What is no blob: the configuration, models, plugins and wheels."""
        (self.work / CONFIGURATION).write_text(self.wanted.configuration, encoding="utf-8")
        for model, place in self.wanted.models:
            for name, path in files_below(place):
                target = self.work / model.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(path.resolve(), target)
        for path in self.wanted.plugins:
            (self.work / PLUGINS).mkdir(exist_ok=True)
            shutil.copyfile(path, self.work / PLUGINS / path.name)
        if self.wanted.wheels is None:
            shutil.rmtree(self.work / WHEELS, ignore_errors=True)
        else:
            (self.work / WHEELS).mkdir(exist_ok=True)
            self.wanted.wheels(self.work / WHEELS)

    def _describe(self, images: tuple[Image, ...]) -> Manifest:
        """Write index, checksums and manifest; the manifest."""
        listed = [(image.name, image.digest, image.media_type) for image in images]
        listed += [
            (f"{one.artifact.name}:{one.artifact.tag}", one.artifact.oci_digest, oci.IMAGE_MANIFEST)
            for one in self.wanted.artifacts
        ]
        descriptors = tuple(
            Descriptor(
                media_type=media_type,
                digest=digest,
                size=(self.work / BLOBS / digest.removeprefix("sha256:")).stat().st_size,
                annotations={oci.REF_NAME: name},
            )
            for name, digest, media_type in listed
        )
        index = ImageIndex(schema_version=2, media_type=oci.IMAGE_INDEX, manifests=descriptors)
        (self.work / "index.json").write_bytes(msgspec.json.encode(index))
        (self.work / "oci-layout").write_bytes(_LAYOUT)
        names = _names(self.work)
        for name in names:
            if reason := unsafe(name):
                raise FreeholdError("bundle_name_unfit", entry=name, reason=reason)
        files = {name: _file(self.work / name, name) for name in names}
        sums = "".join(f"{file.sha256}  {name}\n" for name, file in files.items())
        (self.work / SUMS).write_text(sums, encoding="utf-8")
        files[SUMS] = _file(self.work / SUMS, SUMS)
        manifest = Manifest(
            version=1,
            freehold=__version__,
            platform=self.wanted.platform,
            images=images,
            artifacts=tuple(one.artifact for one in self.wanted.artifacts),
            models=tuple(model for model, _ in self.wanted.models),
            files=files,
        )
        (self.work / MANIFEST).write_bytes(manifest.encode())
        return manifest

    def _place(self, manifest: Manifest, say: Say) -> None:
        """Give it its name, durably."""
        first = [name for name in (MANIFEST, SIGNATURE) if (self.work / name).exists()]
        if self.output.suffix == TAR:
            meter = Meter(f"write {self.output.name}", say)
            meter.expect(sum(file.size for file in manifest.files.values()))
            tar.pack(self.work, [*first, *manifest.files], self.output, meter)
            shutil.rmtree(self.work)
            return
        aside = self.output.with_name(f".{self.output.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        if self.output.exists():
            self.output.rename(aside)
        self.work.rename(self.output)
        sync_folder(self.output.parent)
        shutil.rmtree(aside, ignore_errors=True)

    def _rows(self, has: Callable[[Descriptor], bool]) -> tuple[Row, ...]:
        """As `plan`, where `has` says what is there."""
        seen: set[str] = set()

        def row(sort: str, name: str, parts: Sequence[Descriptor]) -> Row:
            missing = sum(part.size for part in parts if part.digest not in seen and not has(part))
            seen.update(part.digest for part in parts)
            return Row(sort, name, sum(part.size for part in parts), missing)

        rows = []
        for found in self.wanted.images:
            name, size = found.image.name, found.size
            is_local = found.repository is None
            rows.append(Row("image", name, size, size) if is_local else row("image", name, found.blobs))
        for one in self.wanted.artifacts:
            rows.append(row("artifact", f"{one.artifact.name}:{one.artifact.tag}", one.blobs))
        for model, place in self.wanted.models:
            size = sum(path.stat().st_size for _, path in files_below(place))
            rows.append(Row("model", model.source, size, size))
        rows += [Row("plugin", path.name, path.stat().st_size, path.stat().st_size) for path in self.wanted.plugins]
        if self.wanted.wheels is not None:
            rows.append(Row("wheels", f"freehold {__version__} and what it needs", None, None))
        return tuple(rows)

    def _has(self, part: Descriptor) -> bool:
        """Whether content is at the place, in an older bundle or from an earlier try."""
        name = part.digest.removeprefix("sha256:")
        if self.older is not None and f"{BLOBS}{name}" in self.older.files:
            return True
        return Blobs(self.work).has(part.digest, part.size)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unwritable(error) from None
        except FreeholdError as error:
            if error.code in ("store_full", "store_unwritable") and isinstance(error.__cause__, OSError):
                raise self._unwritable(error.__cause__) from None
            raise

    def _unwritable(self, error: OSError) -> FreeholdError:
        if error.errno in FULL - {errno.EFBIG}:
            free = shutil.disk_usage(self.output.absolute().parent).free
            needed = _missing(self.plan())
            return FreeholdError(
                "bundle_full", path=self.output.parent, needed=needed // 1_000_000, free=free // 1_000_000
            )
        return FreeholdError("bundle_unwritable", path=self.output, reason=error.strerror or str(error))


def _missing(rows: Sequence[Row]) -> int:
    return sum(row.missing or 0 for row in rows)


def _parts_of(raw: bytes) -> set[str]:
    image = msgspec.json.decode(raw, type=oci.ImageManifest)
    return {part.digest for part in (image.config, *image.layers)}


def _names(folder: Path) -> list[str]:
    """Every file below, what is small and what others need first, blobs last."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(names, key=lambda name: (name.startswith(BLOBS), "/" in name, name))


def _file(path: Path, name: str) -> File:
    """A blob was verified when it came, and is named by its digest."""
    sha256 = path.name if name.startswith(BLOBS) else sha256_of(path)
    return File(sha256, path.stat().st_size)
