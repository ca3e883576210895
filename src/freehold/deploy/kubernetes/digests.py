"""Which images tags mean at their registries: what a release pins."""

from collections.abc import Iterable, Mapping

from freehold.config import Network
from freehold.deploy.services.images import split
from freehold.errors import FreeholdError
from freehold.store.http_client import open_client
from freehold.store.registry.client import Patience, Repository
from freehold.store.registry.credentials import find_credentials

_HUB = "docker.io"
_PATIENCE = Patience(tries=2)


def digests(
    images: Iterable[str], network: Network, environ: Mapping[str, str]
) -> tuple[Mapping[str, str], tuple[FreeholdError, ...]]:
    """By name, the digest of an image; and `deploy_image_unpinned` for each that its registry does not tell."""
    found: dict[str, str] = {}
    troubles: list[FreeholdError] = []
    with open_client(network, environ) as client:
        for image in dict.fromkeys(images):
            if "@" in image:
                continue
            host, name, tag = parts(image)
            try:
                repository = Repository(f"{host}/{name}", client, find_credentials(host, environ), patience=_PATIENCE)
                manifest = repository.manifest(tag)
                if manifest is not None:
                    found[image] = manifest.digest
                    continue
                reason = f"{repository} has no tag {tag}"
            except FreeholdError as error:
                reason = error.cause
            troubles.append(FreeholdError("deploy_image_unpinned", image=image, reason=reason))
    return found, tuple(troubles)


def parts(image: str) -> tuple[str, str, str]:
    """Registry, repository and tag of an image's name, as Docker reads it."""
    host, path = split(image)
    name, colon, tag = path.rpartition(":")
    return (host or _HUB, name, tag) if colon else (host or _HUB, path, "latest")
