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
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """By name, the digest of an image; and why not, for those that registries do not tell."""
    found: dict[str, str] = {}
    untold: dict[str, str] = {}
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
                untold[image] = f"{repository} has no tag {tag}."
            except FreeholdError as error:
                untold[image] = error.cause
    return found, untold


def parts(image: str) -> tuple[str, str, str]:
    """Registry, repository and tag of an image's name, as Docker reads it."""
    host, path = split(image)
    name, colon, tag = path.rpartition(":")
    return (host or _HUB, name, tag) if colon else (host or _HUB, path, "latest")
