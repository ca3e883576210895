"""Artifacts at rest: named, tagged, found by digest, opened as folders."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from freehold.artifact import Artifact, Manifest
from freehold.artifact.artifact import MANIFEST, unfit
from freehold.config.source import NAME, TAG, Source
from freehold.errors import FreeholdError
from freehold.store.blobs import Blobs
from freehold.store.collect import UNUSED_DAYS, Collected, read_image, sweep
from freehold.store.folders import Folders
from freehold.store.history import Move
from freehold.store.index import Attached, Entry, Index
from freehold.store.index_file import IndexFile
from freehold.store.locks import exclusive, shared
from freehold.store.oci import (
    EMPTY_BYTES,
    IMAGE_MANIFEST,
    TITLE,
    UNREADABLE,
    Descriptor,
    ImageManifest,
    describe,
    image_of,
    mismatch,
    referrer_of,
)

log = logging.getLogger(__name__)

_SHOWN = 8  # names or tags that an error lists
_LONGEST = 128  # characters of a name


@dataclass(frozen=True)
class Stored:
    """One artifact under one name. `tag` is "" where none leads to it; `size` in bytes; `made_at`: added here.

    `digest` is the artifact's (of its `manifest.json`), `oci_digest` that of its manifest in registries.
    """

    name: str
    tag: str
    digest: str
    oci_digest: str
    manifest: Manifest
    size: int
    made_at: datetime

    @property
    def ref(self) -> str:
        """How commands are told of it: name:tag, or name@digest."""
        return f"{self.name}:{self.tag}" if self.tag else f"{self.name}@{self.digest}"


@dataclass(frozen=True)
class Referrer:
    """What is said about an artifact: a report, an evaluation, a signature. `files` by their titles."""

    digest: str
    artifact_type: str
    annotations: dict[str, str]
    files: dict[str, Descriptor]


class Store:
    """An OCI image layout at `root`, with one writer of its index at a time and readers that wait for nobody.

    `folders` is where artifacts become folders for engines, best on the same file system; both come into being with
    the first write. Any method raises `store_damaged` or `store_unreadable` where the layout cannot be read, and those
    that write `store_full`, `store_unwritable` or `store_busy`.
    """

    def __init__(self, root: Path, folders: Path | None = None) -> None:
        self.root = root
        self.blobs = Blobs(root)
        self.folders = Folders(folders or root.parent / "cache" / "artifacts", self.blobs)
        self._file = IndexFile(root, lambda digest: read_image(self.blobs, digest))
        self._manifests: dict[str, Manifest] = {}

    def add(self, folder: Path, name: str, tag: str = "") -> Stored:
        """Take in an artifact folder. Without a tag it gets the next number, or keeps the tag that it has already.

        A tag that leads elsewhere is moved. Raises `store_name_invalid`, `store_tag_invalid`, `artifact_invalid`,
        `artifact_corrupt`.
        """
        check_name(name, tag)
        artifact = Artifact.open(folder)
        pinned = folder / MANIFEST
        with self.writing():
            for file, entry in artifact.manifest.files.items():
                self.blobs.copy(folder / file, f"sha256:{entry.sha256}", entry.size)
            self.blobs.copy(pinned, artifact.digest, pinned.stat().st_size)
            return self.admit(image_of(self.blobs.read(artifact.digest), artifact.manifest), name, tag)

    def admit(self, image: bytes, name: str, tag: str = "") -> Stored:
        """Enter an artifact by its OCI manifest, whose blobs are all here; inside `writing`. Tags as in `add`.

        Raises `store_blob_missing`, `store_not_artifact` where manifest and blobs are no artifact of ours.
        """
        check_name(name, tag)
        described = self._described(image)
        digest = described.config.digest
        manifest = self._manifest(digest)
        if reason := mismatch(described, manifest):
            raise FreeholdError("store_not_artifact", digest=digest, reason=reason)
        for layer in described.layers:
            if not self.blobs.has(layer.digest, layer.size):
                raise FreeholdError("store_blob_missing", digest=layer.digest, path=self.root)
        size = described.config.size + sum(layer.size for layer in described.layers)
        entry = Entry(name, tag, digest, self.blobs.put(image), len(image), size, datetime.now(UTC))
        self.blobs.settle()
        chosen = entry

        def change(index: Index) -> Index:
            nonlocal chosen
            known = [one for one in index.named(name) if one.digest == digest and one.tag]
            if not tag and known:
                chosen = known[-1]
                return index
            chosen = msgspec.structs.replace(entry, tag=tag or self._next_number(index, name))
            return index.with_tag(chosen)

        entered = self._file.change(change).tagged(name, chosen.tag)
        assert entered is not None
        return self._stored(entered)

    def find(self, source: Source) -> Stored:
        """The artifact that name:tag, name@digest or a name (the one that came last) means.

        Raises `store_name_unknown`, `store_tag_unknown`, `store_digest_unknown`, which list what there is, and what
        reading its manifest raises.
        """
        return self._stored(_found(self._file.read(), source, self.root))

    def path_of(self, stored: Stored) -> Path:
        """The artifact as a folder for engines, which stays until this process ends. Do not write there.

        Blobs are verified by sha256 when the folder is made; a later open compares sizes. Raises `store_blob_missing`,
        `store_blob_corrupt`.
        """
        with self.blobs.errors(0), shared(self.root / "lock"):
            return self.folders.open(stored.digest, stored.manifest)

    def tag(self, source: Source, tag: str, name: str = "") -> Stored:
        """Let `tag` lead to the artifact that `source` means, under another `name` too if one is given.

        Raises as `find` and `add`.
        """
        check_name(name or source.name, tag)

        def change(index: Index) -> Index:
            entry = _found(index, source, self.root)
            return index.with_tag(msgspec.structs.replace(entry, name=name or entry.name, tag=tag))

        with self.writing():
            entered = self._file.change(change).tagged(name or source.name, tag)
        assert entered is not None
        return self._stored(entered)

    def untag(self, name: str, tag: str) -> str:
        """Take a tag away; its artifact stays, by its digest, which is returned. Raises as `find`."""
        gone = ""

        def change(index: Index) -> Index:
            nonlocal gone
            gone = _found(index, Source("store", name, tag), self.root).digest
            return index.without_tag(name, tag)

        with self.writing():
            self._file.change(change)
        return gone

    def remove(self, source: Source) -> list[Entry]:
        """Remove a tag, and the artifact with it where that was its last; by digest, every tag of the name.

        Its bytes go with the next `collect`. What was removed; raises as `find`.
        """
        gone: list[Entry] = []

        def change(index: Index) -> Index:
            entry = _found(index, source, self.root)
            gone[:] = [entry]
            if source.digest:
                gone[:] = [one for one in index.named(entry.name) if one.digest == entry.digest]
            return index.without(gone)

        with self.writing():
            self._file.change(change)
        return gone

    def history(self, name: str, tag: str = "") -> list[Move]:
        """The moves of a name's tags, or of one of them, the oldest first; those of tags that are gone too."""
        moves = self._file.history.moves(self._file.read().tags)
        return [move for move in moves if move.name == name and tag in ("", move.tag)]

    def attach(
        self,
        subject: Stored,
        artifact_type: str,
        files: Mapping[str, bytes],
        annotations: Mapping[str, str] | None = None,
    ) -> str:
        """Keep `files` as something said about `subject`, once; the OCI digest of its manifest."""
        layers = [(describe(data, _media_type(title), title), data) for title, data in files.items()]
        return self.attach_layers(subject, artifact_type, layers, annotations)

    def attach_layers(
        self,
        subject: Stored,
        artifact_type: str,
        layers: Sequence[tuple[Descriptor, bytes]],
        annotations: Mapping[str, str] | None = None,
    ) -> str:
        """As `attach`, for content in the form of another tool: `layers` are what describes it, and it."""
        size = len(self.blobs.read(subject.oci_digest))
        about = Descriptor(media_type=IMAGE_MANIFEST, digest=subject.oci_digest, size=size)
        described = tuple(layer for layer, _ in layers)
        with self.writing():
            for data in (EMPTY_BYTES, *(data for _, data in layers)):
                self.blobs.put(data)
            return self.admit_referrer(referrer_of(about, artifact_type, described, dict(annotations or {})))

    def admit_referrer(self, image: bytes) -> str:
        """Enter a manifest with a subject, whose blobs are all here; inside `writing`. Its OCI digest.

        Raises `store_blob_missing`, `store_not_artifact` where it has no subject, `store_digest_unknown` where the
        subject is not here.
        """
        described = self._described(image)
        if described.subject is None:
            raise FreeholdError("store_not_artifact", digest=describe(image, "").digest, reason="it has no subject")
        about = described.subject.digest
        for blob in (described.config, *described.layers):
            if not self.blobs.has(blob.digest, blob.size):
                raise FreeholdError("store_blob_missing", digest=blob.digest, path=self.root)
        kind = described.artifact_type or described.config.media_type
        attached = Attached(about, self.blobs.put(image), len(image), kind, described.annotations)
        self.blobs.settle()

        def change(index: Index) -> Index:
            if about not in index.own_roots:
                raise FreeholdError("store_subject_unknown", digest=about)
            return index.with_attached(attached)

        self._file.change(change)
        return attached.digest

    def detach(self, digest: str) -> None:
        """Forget what was attached with that OCI digest; its bytes go with the next `collect`."""
        with self.writing():
            self._file.change(lambda index: index.without_attached(digest))

    def referrers(self, subject: Stored | str, artifact_type: str = "") -> list[Referrer]:
        """What is said about an artifact (or about the manifest of that OCI digest), in the order of coming."""
        about = subject if isinstance(subject, str) else subject.oci_digest
        found = []
        for one in self._file.read().attached:
            if one.subject == about and artifact_type in ("", one.artifact_type):
                layers = read_image(self.blobs, one.digest).layers
                files = {layer.annotations.get(TITLE) or layer.digest: layer for layer in layers}
                found.append(Referrer(one.digest, one.artifact_type, one.annotations, files))
        return found

    def collect(
        self, *, plan: bool = False, untagged: bool = False, unused_days: float = UNUSED_DAYS, patience_s: float = 60.0
    ) -> Collected:
        """Remove what nothing refers to, and folders that no process holds and none has opened for `unused_days`.

        `untagged`: artifacts without a tag go too. `plan`: only say what would go. Raises `store_busy` where somebody
        adds or pulls for longer than `patience_s`.
        """
        if not self._file.exists():  # without an index nothing says what is needed
            return Collected()

        def bare(index: Index) -> Index:
            return index.without([entry for entry in index.entries if not entry.tag]) if untagged else index

        with self.blobs.errors(0), exclusive(self.root / "lock", patience_s):
            index = bare(self._file.read()) if plan else self._file.change(bare)
            return sweep(index, self.blobs, self.folders, plan=plan, unused_days=unused_days)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Blobs written inside are not collected before the index refers to them; makes the layout at its first use."""
        with self.blobs.errors(0):
            for folder in (self.blobs.folder, self.blobs.incoming):
                folder.mkdir(parents=True, exist_ok=True)
            with shared(self.root / "lock"):
                self._file.begin()
                yield

    def close(self) -> None:
        """Let go of the folders that `path_of` handed out."""
        self.folders.close()

    def list(self) -> list[Stored]:
        """Every artifact under every name and tag, in the order of names and of coming; damaged ones are logged."""
        listed = []
        for entry in sorted(self._file.read().entries, key=lambda entry: entry.name):
            try:
                listed.append(self._stored(entry))
            except FreeholdError as error:
                log.warning("%s:%s (%s): %s %s", entry.name, entry.tag, entry.digest, error.cause, error.fix)
        return listed

    def _next_number(self, index: Index, name: str) -> str:
        there = {int(entry.tag) for entry in index.named(name) if entry.tag.isdecimal()}
        return str(1 + max(there | self._file.history.numbers(name), default=0))

    def _stored(self, entry: Entry) -> Stored:
        manifest = self._manifest(entry.digest)
        return Stored(entry.name, entry.tag, entry.digest, entry.oci_digest, manifest, entry.size, entry.added)

    def _manifest(self, digest: str) -> Manifest:
        known = self._manifests.get(digest)
        if known is None:
            try:
                known = msgspec.json.decode(self.blobs.read(digest), type=Manifest)
            except UNREADABLE as error:
                raise FreeholdError("store_not_artifact", digest=digest, reason=str(error)) from error
            if reason := unfit(known):
                raise FreeholdError("store_not_artifact", digest=digest, reason=reason)
            self._manifests[digest] = known
        return known

    @staticmethod
    def _described(image: bytes) -> ImageManifest:
        try:
            return msgspec.json.decode(image, type=ImageManifest)
        except UNREADABLE as error:
            raise FreeholdError("store_not_artifact", digest=describe(image, "").digest, reason=str(error)) from error


def check_name(name: str, tag: str = "") -> None:
    """Raises `store_name_invalid`, `store_tag_invalid` for what cannot stand in a reference."""
    if not re.fullmatch(NAME, name) or len(name) > _LONGEST:
        raise FreeholdError("store_name_invalid", name=name[:80])
    if tag and not re.fullmatch(TAG, tag):
        raise FreeholdError("store_tag_invalid", tag=tag[:80])


def _found(index: Index, source: Source, root: Path) -> Entry:
    entries = index.named(source.name)
    if not entries:
        known = _few(dict.fromkeys(entry.name for entry in index.entries))
        raise FreeholdError("store_name_unknown", name=source.name, known=known, path=root)
    if source.digest:
        entry = next((one for one in reversed(entries) if one.digest == source.digest), None)
        if entry is None:
            known = _few(dict.fromkeys(one.digest for one in entries))
            raise FreeholdError("store_digest_unknown", name=source.name, digest=source.digest, known=known)
        return entry
    entry = index.tagged(source.name, source.version) if source.version else index.newest(source.name)
    if entry is None:
        known = _few(one.tag for one in entries if one.tag)
        raise FreeholdError("store_tag_unknown", name=source.name, tag=source.version, known=known)
    return entry


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[-_SHOWN:]) + (", ..." if len(listed) > _SHOWN else "") or "-"


def _media_type(title: str) -> str:
    return "application/json" if title.endswith(".json") else "application/octet-stream"
