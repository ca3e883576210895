"""What comes before a rollout: digests of images, room for what comes, artifacts where pods pull them."""

import os
from collections.abc import Callable, Mapping, Sequence

from freehold.cli.deployments import Given
from freehold.cli.progress import Say
from freehold.cli.references import local_store
from freehold.deploy.releases.plan import Transfer
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Target
from freehold.deploy.topology.installation import installation
from freehold.errors import FreeholdError

Note = Callable[[FreeholdError], None]


def image_digests(given: Given, releases: Releases, environ: Mapping[str, str], note: Note) -> Mapping[str, str]:
    """What the tags of its images mean: to this machine's engine, or for a cluster at their registries.

    One whose registry does not tell is what it is in the release in force, else that is noted. Those of a bundle's lock
    file are known.
    """
    if given.settings.target == "systemd":
        return {}
    plain = Deployment.of(given.config)
    dify = installation(given.config)
    of_dify = [service.image for service in dify.services] if dify is not None else []
    every = (*(unit.image for unit in (*plain.units, plain.gateway)), *of_dify)
    images = [image for image in every if image not in given.locked]
    if given.settings.target == "compose":
        from freehold.deploy.compose.digests import digests as of_engine
        from freehold.deploy.compose.docker import Docker

        return of_engine(Docker.find(environ), images)
    from freehold.deploy.kubernetes.dify.objects import dify_of
    from freehold.deploy.kubernetes.digests import digests as of_registries

    beside = dify_of(plain)
    images += [service.image for service in beside.services if service.image not in given.locked] if beside else []
    current = releases.current()
    known = {} if current is None else {name: digest for name, digest in current.images.items() if digest}
    if beside is not None and current is not None:
        known |= releases.deployment(current).digests
    found, untold = of_registries(images, given.config.network, environ)
    reasons: dict[str, list[str]] = {}
    for image, reason in untold.items():
        if image not in known:
            reasons.setdefault(reason, []).append(image)
    for reason, unpinned in reasons.items():
        note(FreeholdError("deploy_image_unpinned", images=", ".join(unpinned), reason=reason))
    return {**known, **found}


def check_fit(
    deployment: Deployment, units: Sequence[Unit], old: Deployment | None, target: Target, note: Note
) -> None:
    """Raises, with the table, where there is no room for services that come: `fit_too_large` or `fit_card_taken` on
    this machine, beside what runs of `old` and of themselves. Raises `fit_files_changed` where a model is not what it
    was. Of a cluster it is noted where no node is large enough, since one may be added, or where nobody may ask."""
    if not units:
        return
    if deployment.settings.target == "compose":
        from freehold.cli.fit import check_files, fit_beside

        check_files(units, os.environ)
        there = {one.host for one in target.running() if one.state != "stopped"}
        known = [unit for one in (old, deployment) if one is not None for unit in (*one.units, one.gateway)]
        running = {unit.host: unit for unit in known if unit.host in there}
        coming = [unit for unit in (*units, deployment.gateway) if unit.host not in there]
        refusal = fit_beside(coming, tuple(running.values())).refusal()
        if refusal is not None:
            raise refusal
        return
    from freehold.deploy.kubernetes.cluster import Cluster
    from freehold.deploy.kubernetes.nodes import compared

    assert isinstance(target, Cluster), "target_of gives no other"
    found = compared(units, target.nodes)
    if found.trouble is not None:
        note(found.trouble)


def bring(deployment: Deployment, units: Sequence[Unit], say: Say) -> None:
    """Push the artifacts that `units` pull and their registry lacks. Raises what a push does."""
    if any(unit.pulls for unit in units):
        from freehold.deploy.kubernetes.artifacts import push_artifacts

        push_artifacts(deployment, units, local_store(os.environ), os.environ, say)


def to_bring(deployment: Deployment, units: Sequence[Unit]) -> tuple[Transfer, ...]:
    """What `bring` would push. Raises what asking a registry does."""
    if not any(unit.pulls for unit in units):
        return ()
    from freehold.deploy.kubernetes.artifacts import transfers

    return transfers(deployment, units, local_store(os.environ), os.environ)
