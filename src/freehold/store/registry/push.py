"""An artifact and what is said about it, to a registry: missing blobs first, the tag last."""

from dataclasses import dataclass
from typing import Literal

from freehold.errors import FreeholdError
from freehold.store.collect import read_image
from freehold.store.oci import IMAGE_MANIFEST, Descriptor, ImageManifest
from freehold.store.registry.client import Repository
from freehold.store.registry.content import Content, FileContent
from freehold.store.registry.meter import Meter, Say
from freehold.store.registry.places import Place, Places
from freehold.store.registry.referrers import list_referrers, put_referrer
from freehold.store.registry.threads import side_by_side
from freehold.store.registry.upload import mount, upload
from freehold.store.store import Store, Stored

How = Literal["there", "mounted", "sent"]


@dataclass(frozen=True)
class Pushed:
    """What a push did. `moved` is bytes of content that were sent; blobs by how they came to be in the registry."""

    oci_digest: str
    moved: int
    sent: int
    mounted: int
    there: int
    referrers: int
    """How many manifests that say something about it were sent too."""


def push(store: Store, stored: Stored, repository: Repository, tag: str, say: Say) -> Pushed:
    """Bring `stored` into `repository` under `tag`. Raises FreeholdError as the client, and `store_blob_missing`.

    What is there already is not sent, what another repository of the registry is known to have is mounted. Whoever
    sees the tag sees all of it: blobs, manifest, signatures.
    """
    places = Places(store.root)
    meter = Meter(f"push {stored.ref}", say)
    sending = _Sending(store, repository, meter, places.neighbours(str(repository), store.blobs))
    raw = store.blobs.read(stored.oci_digest)
    outcomes = sending.blobs_of(read_image(store.blobs, stored.oci_digest))
    repository.put_manifest(stored.oci_digest, raw, IMAGE_MANIFEST)
    referrers = sending.referrers_of(stored.oci_digest, outcomes)
    repository.put_manifest(tag, raw, IMAGE_MANIFEST)
    places.note(Place(str(repository), stored.name, stored.oci_digest))
    count = {how: sum(one == how for one in outcomes) for how in ("sent", "mounted", "there")}
    return Pushed(stored.oci_digest, meter.moved, count["sent"], count["mounted"], count["there"], referrers)


def lacking(store: Store, stored: Stored, repository: Repository) -> int:
    """Bytes of content of `stored` that `repository` does not have. Raises FreeholdError as the client."""
    image = read_image(store.blobs, stored.oci_digest)
    wanted = {one.digest: one.size for one in (image.config, *image.layers)}
    return sum(size for digest, size in wanted.items() if not repository.has_blob(digest))


def bring(content: Content, repository: Repository, meter: Meter, neighbour: str | None = None) -> How:
    """Have `content` in `repository`, by the cheapest way."""
    if repository.has_blob(content.digest):
        return "there"
    if neighbour is not None and mount(repository, content.digest, neighbour):
        return "mounted"
    meter.expect(content.size)
    upload(repository, content, meter)
    return "sent"


@dataclass(frozen=True)
class _Sending:
    """One push under way."""

    store: Store
    repository: Repository
    meter: Meter
    neighbours: dict[str, str]

    def blobs_of(self, image: ImageManifest) -> list[How]:
        """Have every blob of `image` there."""
        wanted = {one.digest: one for one in (image.config, *image.layers)}
        return side_by_side(self._blob, list(wanted.values()), self.meter)

    def referrers_of(self, subject: str, outcomes: list[How]) -> int:
        """Send what is said about `subject` and is not known there, and what is said about that."""
        known = {one.digest for one in list_referrers(self.repository, subject)}
        sent = 0
        for referrer in self.store.referrers(subject):
            if referrer.digest not in known:
                outcomes += self.blobs_of(read_image(self.store.blobs, referrer.digest))
                put_referrer(self.repository, subject, self.store.blobs.read(referrer.digest))
                sent += 1
            sent += self.referrers_of(referrer.digest, outcomes)
        return sent

    def _blob(self, blob: Descriptor) -> How:
        if not self.store.blobs.has(blob.digest, blob.size):
            raise FreeholdError("store_blob_missing", digest=blob.digest, path=self.store.root)
        content = FileContent(self.store.blobs.path(blob.digest), blob.digest, blob.size)
        return bring(content, self.repository, self.meter, self.neighbours.get(blob.digest))
