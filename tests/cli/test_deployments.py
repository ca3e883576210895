"""From a configuration, or from a name, to a deployment and the place where it runs."""

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from freehold.cli.deployments import Given, hold_of, named, releases_of, rendered, target_of, unless_half_done
from freehold.config import Config, ModelConfig
from freehold.config.deploying import Storage
from freehold.config.shapes import Access
from freehold.deploy.compose.target import ComposeTarget
from freehold.deploy.dify.backup import underway
from freehold.deploy.dify.upgrading import journal
from freehold.deploy.kubernetes.cluster import Cluster
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError
from freehold.machine import read_cpu
from tests.deploy.compose.test_docker import NO_V2, programs
from tests.deploy.world import World, deployment

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: me, user: {token: abc}}]
"""


def test_a_configuration_is_kept_as_it_was_given(folder: Path, mlp: Path) -> None:
    """Comments and all; state lies beside its file, wherever it is read from."""
    text = f"# ours\nmodels: [{{id: soft, source: {mlp}}}]\n"
    (folder / "freehold.yaml").write_text(text)
    given = Given.read(None, os.environ, folder)
    assert given.text == text
    assert given.settings.data == str(folder / "data")
    (unit,) = given.deployment({}, os.environ).units
    assert unit.memory_mb is not None


def test_memory_is_computed_for_the_threads_that_its_service_starts(folder: Path, mlp: Path) -> None:
    """All that the models of one service may use together; where nobody says, this machine's or a usual node's."""
    model = "{id: %s, source: " + str(mlp) + ", service: s, resources: {cpu: %s}}"
    text = f"models: [{model % ('a', 1.5)}, {model % ('b', 2)}, {{id: c, source: {mlp}}}]\ndeploy: {{}}\n"
    (folder / "freehold.yaml").write_text(text)
    given = Given.read(None, os.environ, folder)
    cores = [known.cores for known in given.facts(os.environ).values()]
    assert cores == [3, 3, read_cpu().usable_cores]


def test_a_model_alone_is_a_configuration(folder: Path, mlp: Path) -> None:
    """Whose text says so."""
    given = Given.read(str(mlp), os.environ, folder)
    assert str(mlp) in given.text


def test_a_model_that_is_not_here_may_lie_on_a_cluster(folder: Path) -> None:
    """On this machine it is an error."""
    text = "models: [{id: m, source: /models/m}]\ndeploy: {target: TARGET, storage: {claim: models}}\n"
    for target in ("compose", "kubernetes"):
        (folder / f"{target}.yaml").write_text(text.replace("TARGET", target))
    assert Given.read("kubernetes.yaml", os.environ, folder).deployment({}, os.environ).units[0].memory_mb is None
    with pytest.raises(FreeholdError, match="/models/m"):
        Given.read("compose.yaml", os.environ, folder).deployment({}, os.environ)


def test_a_name_is_said_configured_or_the_only_one(folder: Path) -> None:
    """In this order."""
    assert named(None, os.environ, folder) == "freehold"
    (folder / "home" / "releases" / "shop").mkdir(parents=True)
    assert named(None, os.environ, folder) == "shop"
    (folder / "freehold.yaml").write_text(
        'models: [{id: far, source: "https://llm.corp.example/v1"}]\ndeploy: {name: office}\n'
    )
    assert named(None, os.environ, folder) == "office"
    assert named("other", os.environ, folder) == "other"


def test_the_target_is_that_of_the_configuration(folder: Path) -> None:
    """With the key that the configuration names, which nothing shows."""
    environ = {**os.environ, **programs(folder, docker=NO_V2, docker_compose=""), "HOME": str(folder)}
    (folder / "corp-key").write_text("s3cret-value\n")
    releases = releases_of("freehold", environ)
    config = Config(
        models=(ModelConfig(id="m", source="/models/m"),), access=Access(key=f"${{file:{folder}/corp-key}}")
    )
    target = target_of(Deployment.of(config), releases, environ)
    assert isinstance(target, ComposeTarget)
    assert target.key == "s3cret-value"
    assert "s3cret-value" not in repr(target)
    (folder / "kubeconfig").write_text(KUBECONFIG)
    cluster = target_of(deployment("fp32", target="kubernetes"), releases, {**environ, "KUBECONFIG": "kubeconfig"})
    assert isinstance(cluster, Cluster)
    assert hold_of(cluster) == cluster.held
    with hold_of(World())("deploy"):
        pass


def test_files_for_people_are_those_of_the_target() -> None:
    """As `freehold render` writes them."""
    assert "compose.yaml" in rendered(deployment("fp32"))
    on_cluster = deployment("fp32", target="kubernetes", storage=Storage("models"))
    assert "kustomization.yaml" in rendered(on_cluster)


def test_nothing_is_changed_while_dify_is_half_restored_or_half_upgraded(folder: Path) -> None:
    """Its data is of no version, or not all there."""
    releases = releases_of("shop", {"FREEHOLD_HOME": str(folder)})
    hold = unless_half_done(releases, nullcontext)
    underway.begin(releases.folder, Path("/b.age"))
    with pytest.raises(FreeholdError) as refused, hold("deploy"):
        pytest.fail("it was changed")
    assert (refused.value.code, refused.value.details["backup"]) == ("dify_restore_interrupted", "/b.age")
    underway.end(releases.folder)
    journal.begin(releases.folder / journal.FILE, journal.Journal("1.15.0", "1.16.0", "/b.age", "1"))
    with pytest.raises(FreeholdError) as refused, hold("deploy"):
        pytest.fail("it was changed")
    assert (refused.value.code, refused.value.details["backup"]) == ("dify_upgrade_interrupted", "/b.age")
