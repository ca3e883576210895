"""What comes before a rollout: digests of images, room for what comes, artifacts where pods pull them."""

import os
from collections.abc import Mapping, Sequence

from freehold.cli.deployments import Given
from freehold.cli.progress import Say
from freehold.cli.references import local_store
from freehold.deploy.releases.plan import Transfer
from freehold.deploy.releases.release import Releases
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Target
from freehold.errors import FreeholdError


def image_digests(
    given: Given, releases: Releases, environ: Mapping[str, str]
) -> tuple[Mapping[str, str], tuple[FreeholdError, ...]]:
    """What the tags of its images mean: to this machine's engine, or for a cluster at their registries.

    One whose registry does not tell is what it is in the release in force; the troubles come with it.
    """
    if given.settings.target == "systemd":
        return {}, ()
    plain = Deployment.of(given.config)
    images = [unit.image for unit in (*plain.units, plain.gateway)]
    if given.settings.target == "compose":
        from freehold.deploy.compose.digests import digests as of_engine
        from freehold.deploy.compose.docker import Docker

        return of_engine(Docker.find(environ), images), ()
    from freehold.deploy.kubernetes.digests import digests as of_registries

    current = releases.current()
    known = {} if current is None else {name: digest for name, digest in current.images.items() if digest}
    found, troubles = of_registries(images, given.config.network, environ)
    return {**known, **found}, tuple(trouble for trouble in troubles if trouble.details["image"] not in known)


def check_fit(deployment: Deployment, units: Sequence[Unit], old: Deployment | None, target: Target, say: Say) -> None:
    """Raises, with the table, where there is no room for services that come: `fit_too_large` or `fit_card_taken` on
    this machine, beside what runs of `old` and of themselves; `cluster_nodes_too_small` on a cluster, where its nodes
    may be listed. Else it says so. Raises `fit_files_changed` where a model is not what it was."""
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
    else:
        from freehold.deploy.kubernetes.cluster import Cluster
        from freehold.deploy.kubernetes.nodes import refusal as refusal_of
        from freehold.deploy.kubernetes.nodes import rooms

        assert isinstance(target, Cluster), "target_of gives no other"
        try:
            refusal = refusal_of(rooms(units, target.nodes()))
        except FreeholdError as error:
            if error.code != "cluster_forbidden":
                raise
            say(f"whether a node is large enough is not checked: {error.cause}")
            return
    if refusal is not None:
        raise refusal


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
