"""What a store holds, as one immutable value: named artifacts, and what is said about them. `index.json` spells it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from freehold.errors import FreeholdError
from freehold.store.oci import (
    ARTIFACT,
    CONFIG,
    CREATED,
    IMAGE_INDEX,
    IMAGE_MANIFEST,
    REF_NAME,
    Descriptor,
    ImageIndex,
    ImageManifest,
)

DIGEST = "vnd.freehold.digest"
NAME = "vnd.freehold.name"
SIZE = "vnd.freehold.size"
SUBJECT = "vnd.freehold.subject"

Read = Callable[[str], ImageManifest]
"""The image manifest of a digest."""


class Entry(msgspec.Struct, frozen=True):
    """One artifact under one name. `tag` is "" where no tag of the name leads to it.

    `digest` is the artifact's own, `oci_digest` and `oci_size` its image manifest's; `size` is the bytes of its files
    and its `manifest.json`; `added` is when it came under this name.
    """

    name: str
    tag: str
    digest: str
    oci_digest: str
    oci_size: int
    size: int
    added: datetime


class Attached(msgspec.Struct, frozen=True):
    """A manifest that refers to another: a report, an evaluation, a signature. Sizes in bytes."""

    subject: str
    digest: str
    size: int
    artifact_type: str
    annotations: dict[str, str]


@dataclass(frozen=True)
class Index:
    """Entries and attached manifests in the order in which they came; `others` is what is not ours, kept as it is."""

    entries: tuple[Entry, ...] = ()
    attached: tuple[Attached, ...] = ()
    others: tuple[Descriptor, ...] = ()

    def named(self, name: str) -> tuple[Entry, ...]:
        """The entries of `name`."""
        return tuple(entry for entry in self.entries if entry.name == name)

    def tagged(self, name: str, tag: str) -> Entry | None:
        """Where a tag leads."""
        return next((entry for entry in self.entries if (entry.name, entry.tag) == (name, tag)), None)

    def newest(self, name: str) -> Entry | None:
        """The artifact that came last under `name`, by its newest tag where it has one."""
        tagged = [entry for entry in self.named(name) if entry.tag] or self.named(name)
        return max(reversed(tagged), key=lambda entry: entry.added, default=None)

    @property
    def tags(self) -> dict[tuple[str, str], str]:
        """The artifact digest of every (name, tag)."""
        return {(entry.name, entry.tag): entry.digest for entry in self.entries if entry.tag}

    def with_tag(self, entry: Entry) -> "Index":
        """`entry.tag` leads to `entry` alone; what it led to before stays, without it."""
        before = self.tagged(entry.name, entry.tag)
        if before is not None and before.oci_digest == entry.oci_digest:
            return self
        cleared = self.without_tag(entry.name, entry.tag)
        known = [one for one in cleared.named(entry.name) if one.oci_digest == entry.oci_digest]
        if known:
            entry = msgspec.structs.replace(entry, added=known[0].added)
        kept = tuple(one for one in cleared.entries if one not in known or one.tag)
        return replace(cleared, entries=(*kept, entry))

    def without_tag(self, name: str, tag: str) -> "Index":
        """The tag is gone; its artifact stays under the name, by its digest."""
        entry = self.tagged(name, tag)
        if entry is None:
            return self
        others = [one for one in self.entries if one is not entry]
        if any((one.name, one.oci_digest) == (name, entry.oci_digest) for one in others):
            return replace(self, entries=tuple(others))
        bare = msgspec.structs.replace(entry, tag="")
        return replace(self, entries=tuple(bare if one is entry else one for one in self.entries))

    def without(self, gone: Iterable[Entry]) -> "Index":
        """Those entries are gone, and what is attached to artifacts that have no entry left."""
        dropped = {(entry.name, entry.tag, entry.oci_digest) for entry in gone}
        entries = tuple(one for one in self.entries if (one.name, one.tag, one.oci_digest) not in dropped)
        return _attended(replace(self, entries=entries))

    def with_attached(self, attached: Attached) -> "Index":
        """`attached` is said about its subject, once."""
        kept = tuple(one for one in self.attached if one.digest != attached.digest)
        return replace(self, attached=(*kept, attached))

    def without_attached(self, digest: str) -> "Index":
        """That manifest is gone, and what was attached to it."""
        kept = tuple(one for one in self.attached if one.digest != digest)
        return _attended(replace(self, attached=kept))

    @property
    def own_roots(self) -> tuple[str, ...]:
        """The digest of every manifest of ours that the index names."""
        return (*(entry.oci_digest for entry in self.entries), *(one.digest for one in self.attached))


def _attended(index: Index) -> Index:
    """Without what is attached to nothing that is there."""
    there = {entry.oci_digest for entry in index.entries} | {other.digest for other in index.others}
    while True:  # what is attached may itself be a subject: the signature of a report
        kept = tuple(one for one in index.attached if one.subject in there)
        more = there | {one.digest for one in kept}
        if more == there:
            return replace(index, attached=kept)
        there = more


def encode(index: Index) -> bytes:
    """`index.json`."""
    manifests = (
        *map(_of_entry, index.entries),
        *map(_of_attached, index.attached),
        *index.others,
    )
    document = ImageIndex(schema_version=2, media_type=IMAGE_INDEX, manifests=manifests)
    return msgspec.json.encode(document)


def decode(raw: bytes, read: Read) -> Index:
    """The index that `raw` spells. Descriptors that other tools wrote are understood by their manifests (`read`).

    Raises msgspec.MsgspecError.
    """
    entries: list[Entry] = []
    attached: list[Attached] = []
    others: list[Descriptor] = []
    for descriptor in msgspec.json.decode(raw, type=ImageIndex).manifests:
        one = _ours(descriptor) or _foreign(descriptor, read)
        if isinstance(one, Entry):
            entries.append(one)
        elif isinstance(one, Attached):
            attached.append(one)
        else:
            others.append(descriptor)
    return Index(tuple(entries), tuple(attached), tuple(others))


def _of_entry(entry: Entry) -> Descriptor:
    annotations = {
        CREATED: entry.added.astimezone(UTC).isoformat(),
        NAME: entry.name,
        DIGEST: entry.digest,
        SIZE: str(entry.size),
    }
    if entry.tag:
        annotations = {REF_NAME: f"{entry.name}:{entry.tag}"} | annotations
    return Descriptor(
        media_type=IMAGE_MANIFEST,
        digest=entry.oci_digest,
        size=entry.oci_size,
        artifact_type=ARTIFACT,
        annotations=annotations,
    )


def _of_attached(attached: Attached) -> Descriptor:
    return Descriptor(
        media_type=IMAGE_MANIFEST,
        digest=attached.digest,
        size=attached.size,
        artifact_type=attached.artifact_type,
        annotations={SUBJECT: attached.subject} | attached.annotations,
    )


def _ours(descriptor: Descriptor) -> Entry | Attached | None:
    """What we wrote, without a look at its manifest; None for anything else."""
    notes = descriptor.annotations
    if SUBJECT in notes:
        return _attached(descriptor, notes[SUBJECT], notes)
    if not {NAME, DIGEST, SIZE, CREATED} <= notes.keys():
        return None
    try:
        added, size = datetime.fromisoformat(notes[CREATED]), int(notes[SIZE])
    except ValueError:
        return None
    if added.tzinfo is None:
        added = added.replace(tzinfo=UTC)
    name, tag = notes[NAME], notes.get(REF_NAME, "").partition(":")[2]
    return Entry(name, tag, notes[DIGEST], descriptor.digest, descriptor.size, size, added)


def _foreign(descriptor: Descriptor, read: Read) -> Entry | Attached | None:
    """What another tool copied into the layout, where it is an artifact of ours or refers to something."""
    if descriptor.media_type != IMAGE_MANIFEST:
        return None
    try:
        image = read(descriptor.digest)
    except FreeholdError:
        return None  # a layout may name what is not in it
    if image.subject is not None:
        told = msgspec.structs.replace(descriptor, artifact_type=image.artifact_type or image.config.media_type)
        return _attached(told, image.subject.digest, image.annotations)
    name, _, tag = descriptor.annotations.get(REF_NAME, "").partition(":")
    if image.config.media_type != CONFIG or not name:
        return None
    size = image.config.size + sum(layer.size for layer in image.layers)
    added = datetime.fromtimestamp(0, UTC)
    return Entry(name, tag or "latest", image.config.digest, descriptor.digest, descriptor.size, size, added)


def _attached(descriptor: Descriptor, subject: str, notes: dict[str, str]) -> Attached:
    said = {key: value for key, value in notes.items() if key != SUBJECT}
    return Attached(subject, descriptor.digest, descriptor.size, descriptor.artifact_type, said)
