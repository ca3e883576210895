"""An artifact and what is said about it, from a registry: missing blobs, each verified, and the name last."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from freehold.artifact import Manifest
from freehold.artifact.artifact import unfit
from freehold.errors import FreeholdError
from freehold.store import oci
from freehold.store.oci import Descriptor, ImageManifest
from freehold.store.registry.client import LARGEST_MANIFEST, Fetched, Repository
from freehold.store.registry.download import download
from freehold.store.registry.meter import Meter, Say
from freehold.store.registry.places import Place, Places
from freehold.store.registry.referrers import list_referrers
from freehold.store.registry.threads import side_by_side
from freehold.store.store import Store, Stored

DEEPEST = 4  # a signature of a report of an artifact has depth 2


@dataclass(frozen=True)
class Pulled:
    """What a pull did. `moved` is bytes of content that came; blobs by whether they had to."""

    stored: Stored
    moved: int
    received: int
    there: int
    referrers: int
    """How many manifests that say something about it came too."""


def pull(store: Store, repository: Repository, reference: str, name: str, tag: str, say: Say) -> Pulled:
    """Bring the artifact under the tag or OCI digest `reference` into `store`, as `name` with `tag`.

    An empty `tag` is the next free number. Raises FreeholdError as the client and the store, `registry_nothing_there`,
    `registry_not_artifact`.
    """
    fetched = repository.manifest(reference)
    if fetched is None:
        tags = _tags(repository)
        shown = ", ".join(tags[-8:]) or "-"
        raise FreeholdError("registry_nothing_there", place=repository, reference=reference, tags=shown)
    image = _image(repository, reference, fetched)
    with store.writing():
        receiving = _Receiving(store, repository, Meter(f"pull {repository}", say))
        receiving.blobs([image.config])
        manifest = _manifest(store, repository, reference, image)
        if reason := unfit(manifest) or oci.mismatch(image, manifest):
            raise FreeholdError("registry_not_artifact", place=repository, reference=reference, reason=reason)
        receiving.blobs(image.layers)
        referrers = receiving.referrers(fetched.digest)
        stored = store.admit(fetched.raw, name, tag)
        for raw in referrers:
            store.admit_referrer(raw)
    Places(store.root).note(Place(str(repository), name, fetched.digest))
    return Pulled(stored, receiving.meter.moved, receiving.received, receiving.there, len(referrers))


def newest_tag(repository: Repository) -> str:
    """What `oci://host/name` alone means: `latest` where there is such a tag, else the highest number.

    Raises `registry_tag_wanted`.
    """
    tags = _tags(repository)
    numbers = sorted((one for one in tags if one.isdecimal()), key=int)
    if "latest" in tags or not numbers:
        if "latest" not in tags and tags:
            raise FreeholdError("registry_tag_wanted", place=repository, tags=", ".join(tags[-8:]))
        return "latest"
    return numbers[-1]


def _tags(repository: Repository) -> list[str]:
    """The tags that people set; the others keep what is said about artifacts (`referrers`)."""
    return [one for one in repository.tags() if not one.startswith("sha256-")]


def _image(repository: Repository, reference: str, fetched: Fetched) -> ImageManifest:
    """The manifest, if it is one of an artifact of ours."""
    reason = ""
    if fetched.media_type in (oci.IMAGE_MANIFEST, ""):
        image = repository.decode(fetched.raw, ImageManifest)
        if image.config.media_type == oci.CONFIG and image.config.size <= LARGEST_MANIFEST:
            return image
        reason = f"its config is {image.config.media_type}"
    raise FreeholdError(
        "registry_not_artifact",
        place=repository,
        reference=reference,
        reason=reason or f"it is {fetched.media_type}",
    )


def _manifest(store: Store, repository: Repository, reference: str, image: ImageManifest) -> Manifest:
    """The artifact's own manifest, which has come."""
    try:
        return msgspec.json.decode(store.blobs.read(image.config.digest), type=Manifest)
    except oci.UNREADABLE as error:
        raise FreeholdError("registry_not_artifact", place=repository, reference=reference, reason=error) from error


@dataclass
class _Receiving:
    """One pull under way."""

    store: Store
    repository: Repository
    meter: Meter
    received: int = 0
    there: int = 0

    def blobs(self, wanted: Sequence[Descriptor]) -> None:
        """Have every one of `wanted` in the store."""
        distinct = {one.digest: one for one in wanted}
        missing = [one for one in distinct.values() if not self.store.blobs.has(one.digest, one.size)]
        self.there += len(distinct) - len(missing)
        self.received += len(missing)
        size = sum(one.size for one in missing)
        if shutil.disk_usage(self.store.root).free < size:
            raise FreeholdError("store_full", path=self.store.root, needed=size // 1_000_000 + 1)
        self.meter.expect(size)
        side_by_side(lambda one: download(self.repository, one, self.store.blobs, self.meter), missing, self.meter)

    def referrers(self, subject: str, depth: int = 1) -> list[bytes]:
        """What the registry knows to be said about `subject`, each behind what it is about; their blobs have come."""
        known = {one.digest for one in self.store.referrers(subject)}
        found: list[bytes] = []
        for one in list_referrers(self.repository, subject) if depth <= DEEPEST else ():
            fetched = self.repository.manifest(one.digest) if one.digest not in known else None
            if fetched is not None and fetched.media_type == oci.IMAGE_MANIFEST:
                image = self.repository.decode(fetched.raw, ImageManifest)
                if image.subject is None or image.subject.digest != subject:
                    continue  # it is listed for what it is not about
                self.blobs((image.config, *image.layers))
                found.append(fetched.raw)
            found += self.referrers(one.digest, depth + 1)
        return found
