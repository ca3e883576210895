"""What is said about an artifact in a registry: reports, evaluations, signatures, found from what they are about.

A registry of distribution-spec 1.1 lists them itself. For one without that API the specification has a fallback: an
index under the tag `sha256-<hex of the subject>`, which clients keep. Nothing in the protocol makes changing it safe:
of two clients that read, add and write at once, one loses.

So each referrer also gets a tag of its own, `sha256-<hex of the subject>.<hex of the referrer>`, which nobody else
writes. These tags only ever grow, and the index is made from them: whoever adds a referrer sets its tag first, then
writes the index until it holds every tagged referrer that is there at the moment after the write. Whichever write of
the index comes last is therefore followed by its own writer's look at the tags. If a tag is missing, it writes again;
if a tag comes after that look, its writer has its own turn still before it. So when all are done nothing is missing,
whatever the timing. A writer that is killed in between leaves an index that is short, and the tag, which is read too.
"""

import re

import msgspec

from freehold.errors import FreeholdError
from freehold.store import oci
from freehold.store.oci import Descriptor, ImageIndex, ImageManifest
from freehold.store.registry.client import Repository

SHORT = 32  # hex digits of the referrer in its own tag: tags have at most 128 characters
ROUNDS = 100  # of writing the index; each means that somebody else wrote in between


def list_referrers(repository: Repository, subject: str) -> list[Descriptor]:
    """What the registry knows to be said about the manifest `subject`, each once."""
    listed = _from_api(repository, subject)
    if listed is None:
        known = {one.digest: one for one in _from_index(repository, subject)}
        listed = [*known.values(), *_from_tags(repository, subject, set(known))]
    return list({one.digest: one for one in listed}.values())


def put_referrer(repository: Repository, subject: str, raw: bytes) -> None:
    """Write a manifest that says something about `subject`, so that it is found from there.

    Its blobs must be in the repository. Raises FreeholdError as the client, and `registry_contended`.
    """
    own = describe(raw, msgspec.json.decode(raw, type=ImageManifest))
    if repository.put_manifest(own.digest, raw, own.media_type):
        return
    repository.put_manifest(_own_tag(subject, own.digest), raw, own.media_type)
    _complete_index(repository, subject)


def describe(raw: bytes, image: ImageManifest) -> Descriptor:
    """A referrer as an index lists it; `raw` are the bytes of `image`."""
    return Descriptor(
        media_type=image.media_type or oci.IMAGE_MANIFEST,
        digest=oci.digest_of(raw),
        size=len(raw),
        artifact_type=image.artifact_type or image.config.media_type,
        annotations=image.annotations,
    )


def _from_api(repository: Repository, subject: str) -> list[Descriptor] | None:
    """What the referrers API lists; None where there is none."""
    found: list[Descriptor] = []
    headers = {"Accept": oci.IMAGE_INDEX}
    for page in repository.pages(f"referrers/{subject}", headers=headers, fine=frozenset({200, 404, 405})):
        if not page.found:
            return None
        found += repository.decode(page.content, ImageIndex).manifests
    return found


def _from_index(repository: Repository, subject: str) -> tuple[Descriptor, ...]:
    """What the fallback tag lists."""
    fetched = repository.manifest(_tag(subject))
    if fetched is None or fetched.media_type != oci.IMAGE_INDEX:
        return ()
    return repository.decode(fetched.raw, ImageIndex).manifests


def _from_tags(repository: Repository, subject: str, known: set[str]) -> list[Descriptor]:
    """The referrers with tags of their own that are not `known`."""
    beginnings = {digest.removeprefix("sha256:")[:SHORT] for digest in known}
    own = re.compile(rf"{_tag(subject)}\.([0-9a-f]{{{SHORT}}})")
    found: list[Descriptor] = []
    for match in filter(None, map(own.fullmatch, repository.tags())):
        if match[1] in beginnings:
            continue
        fetched = repository.manifest(match[0])
        image = repository.decode(fetched.raw, ImageManifest) if fetched is not None else None
        if fetched is not None and image is not None and image.subject is not None and image.subject.digest == subject:
            found.append(describe(fetched.raw, image))
    return found


def _complete_index(repository: Repository, subject: str) -> None:
    """Write the index of the fallback tag until it holds every referrer that has a tag of its own."""
    seen: dict[str, Descriptor] = {}
    for _ in range(ROUNDS):
        listed = {one.digest: one for one in _from_index(repository, subject)}
        tagged = _from_tags(repository, subject, set(listed))
        missing = [one for one in seen.values() if one.digest not in listed]
        if not tagged and not missing:
            return
        seen |= listed | {one.digest: one for one in tagged}
        _write_index(repository, subject, seen)
    raise FreeholdError("registry_contended", place=repository, tag=_tag(subject))


def _write_index(repository: Repository, subject: str, listed: dict[str, Descriptor]) -> None:
    """Write the index of the fallback tag, without what has been deleted since it was listed."""
    try:
        repository.put_manifest(_tag(subject), _index(listed), oci.IMAGE_INDEX)
    except FreeholdError as error:
        gone = [digest for digest in listed if not repository.has_manifest(digest)]
        if error.code != "registry_refused" or not gone:
            raise
        for digest in gone:
            del listed[digest]
        repository.put_manifest(_tag(subject), _index(listed), oci.IMAGE_INDEX)


def _index(listed: dict[str, Descriptor]) -> bytes:
    manifests = tuple(listed[digest] for digest in sorted(listed))
    return msgspec.json.encode(ImageIndex(schema_version=2, media_type=oci.IMAGE_INDEX, manifests=manifests))


def _tag(subject: str) -> str:
    """The fallback tag, as the specification forms it."""
    return subject.replace(":", "-")


def _own_tag(subject: str, digest: str) -> str:
    return f"{_tag(subject)}.{digest.removeprefix('sha256:')[:SHORT]}"
