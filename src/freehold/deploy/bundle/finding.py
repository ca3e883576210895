"""Where the images of a bundle come from: their registries, manifests unchanged, or the Docker Engine of this machine.

A tag of several platforms means an index. A bundle for one platform carries that platform's manifest, whose digest
pins it as well, and notes the index's: an index whose other manifests are absent is refused by registries, and one
that is cut would have another digest. A bundle for all of them carries the index as it is, and everything it names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx2

from freehold.config import Deploy
from freehold.deploy.bundle.engine import ENGINE, Engine, Local
from freehold.deploy.bundle.manifest import Image
from freehold.deploy.bundle.platforms import ALL, Index, Platform, chosen, is_index, known
from freehold.deploy.kubernetes.digests import parts
from freehold.deploy.services.images import located
from freehold.errors import FreeholdError
from freehold.store.oci import Descriptor, ImageManifest
from freehold.store.registry.client import Fetched, Patience, Repository
from freehold.store.registry.credentials import find_credentials

_ABSENT = frozenset({"bundle_image_unknown", "registry_login_needed", "registry_forbidden"})
"""How a registry says that it has no such image: some do not tell strangers what they have."""


@dataclass(frozen=True)
class Found:
    """An image and how it comes. From a registry: its manifests in the order in which they are pushed, and its blobs.
    From an engine: `size` is about what it takes, and nothing of it is here yet."""

    image: Image
    repository: Repository | None = None
    manifests: tuple[bytes, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class Finder:
    """Finds images for `platform` ("linux/amd64", or "all"). `mirror`: the registry that has them all; `plain_http` is
    about it alone."""

    client: httpx2.Client
    environ: Mapping[str, str]
    platform: str
    engine: Engine | None
    mirror: str | None = None
    plain_http: bool | None = None
    patience: Patience | None = None

    def find(self, name: str) -> Found:
        """One that no registry gave is its engine's; so is one that its registry does not give, and the engine has.

        Raises FreeholdError as the client, `bundle_image_unknown`, `bundle_platform_missing`.
        """
        local = self.engine.local(name) if self.engine is not None and "@" not in name else None
        if local is not None and not self._was_given(name, local):
            return self._of_engine(name, local)
        try:
            return self._of_registry(name)
        except FreeholdError as error:
            if local is None or error.code not in _ABSENT:
                raise
            return self._of_engine(name, local)

    def _was_given(self, name: str, local: Local) -> bool:
        """Whether a registry gave it by this name, or the mirror. Where else it was pushed to says nothing of that."""
        sources = {_place(located(name, Deploy(registry=registry), {})) for registry in (None, self.mirror)}
        return any(_place(one.partition("@")[0]) in sources for one in local.digests)

    def _of_engine(self, name: str, local: Local) -> Found:
        if self.platform not in (ALL, local.platform):
            raise self._missing(name, local.platform, "Docker")
        return Found(Image(name, "", "", ENGINE, local.id), size=local.size)

    def _of_registry(self, name: str) -> Found:
        host, path, tag = parts(located(name.partition("@")[0], Deploy(registry=self.mirror), {}))
        reference = name.partition("@")[2] or tag
        credentials = find_credentials(host, self.environ)
        plain_http = self.plain_http if self.mirror is not None else None
        repository = Repository(f"{host}/{path}", self.client, credentials, plain_http, self.patience)
        fetched = repository.manifest(reference)
        if fetched is None:
            raise FreeholdError("bundle_image_unknown", image=name, place=repository, reference=reference)
        return self._of(name, repository, fetched)

    def _of(self, name: str, repository: Repository, fetched: Fetched) -> Found:
        source = str(repository)
        if not is_index(fetched.raw):
            manifest = repository.decode(fetched.raw, ImageManifest)
            self._require(name, repository, manifest)
            image = Image(name, fetched.digest, fetched.media_type, source, manifest.config.digest)
            return Found(image, repository, (fetched.raw,), tuple(_blobs(manifest)))
        members = repository.decode(fetched.raw, Index).manifests
        if self.platform == ALL:
            children = [self._manifest(repository, one.digest) for one in members]
            blobs = [blob for one in children for blob in _blobs(repository.decode(one.raw, ImageManifest))]
            image = Image(name, fetched.digest, fetched.media_type, source)
            return Found(image, repository, (*(one.raw for one in children), fetched.raw), tuple(blobs))
        member = chosen(members, self.platform)
        if member is None:
            raise self._missing(name, known(members), repository)
        child = self._manifest(repository, member.digest)
        manifest = repository.decode(child.raw, ImageManifest)
        image = Image(name, child.digest, child.media_type, source, manifest.config.digest, fetched.digest)
        return Found(image, repository, (child.raw,), tuple(_blobs(manifest)))

    def _manifest(self, repository: Repository, digest: str) -> Fetched:
        found = repository.manifest(digest)
        if found is None:
            raise FreeholdError("bundle_image_unknown", image=repository, place=repository, reference=digest)
        return found

    def _require(self, name: str, repository: Repository, manifest: ImageManifest) -> None:
        """A manifest that stands alone tells its platform in its configuration."""
        answer = repository.ask("GET", f"blobs/{manifest.config.digest}")
        platform = repository.decode(answer.content, Platform)
        if platform.os and not platform.means(self.platform):
            raise self._missing(name, str(platform), repository)

    def _missing(self, name: str, there: str, place: object) -> FreeholdError:
        return FreeholdError("bundle_platform_missing", image=name, wanted=self.platform, known=there, place=place)


def _place(name: str) -> tuple[str, str]:
    """Registry and repository; of Docker Hub's own images in one of their two spellings."""
    host, path, _ = parts(name)
    return host, path.removeprefix("library/")


def _blobs(manifest: ImageManifest) -> Iterator[Descriptor]:
    yield manifest.config
    yield from manifest.layers
