"""Artifacts that pods pull, brought from this machine's store to `deploy.pull_from` before anything is changed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from freehold.config import Source
from freehold.deploy.releases.plan import Transfer
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError
from freehold.store import Store, Stored
from freehold.store.http_client import open_client
from freehold.store.registry.client import Repository
from freehold.store.registry.credentials import find_credentials
from freehold.store.registry.push import lacking, push


def push_artifacts(
    deployment: Deployment, units: Sequence[Unit], store: Store, environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Have all that `units` pull in the registry, with its signatures; only what is missing moves.

    Raises what `store.registry.push` does.
    """
    with _repositories(deployment, environ) as repository_of:
        for stored in _stored(units, store):
            # by its digest where no tag leads to it any more: the registry's tag stays with what it means now
            push(store, stored, repository_of(stored), stored.tag or stored.oci_digest, say)


def transfers(
    deployment: Deployment, units: Sequence[Unit], store: Store, environ: Mapping[str, str]
) -> tuple[Transfer, ...]:
    """What `push_artifacts` would move, and where to. Raises what asking a registry does."""
    with _repositories(deployment, environ) as repository_of:
        asked = [(stored, repository_of(stored)) for stored in _stored(units, store)]
        sizes = [(stored, place, lacking(store, stored, place)) for stored, place in asked]
    return tuple(Transfer(stored.ref, f"oci://{place}", size) for stored, place, size in sizes if size)


def _stored(units: Sequence[Unit], store: Store) -> Iterator[Stored]:
    """What `units` pull, each once, as far as it is in the store: else the registry has it, or their check says so."""
    pulled = {pull.name for unit in units for pull in unit.pulls}
    known = {
        (model.parsed_source.name, digest)
        for unit in units
        for model in unit.models
        if (digest := unit.artifacts.get(model.id)) and model.parsed_source.name in pulled
    }
    for name, digest in sorted(known):
        try:
            yield store.find(Source("store", name, digest=digest))
        except FreeholdError:  # an older release, whose artifact has left the store since it was pushed
            continue


@contextmanager
def _repositories(deployment: Deployment, environ: Mapping[str, str]) -> Iterator[Callable[[Stored], Repository]]:
    place = deployment.settings.pull_from or ""
    with open_client(deployment.config.network, environ) as client:
        credentials = find_credentials(place.partition("/")[0], environ)
        yield lambda stored: Repository(f"{place}/{stored.name}", client, credentials)
