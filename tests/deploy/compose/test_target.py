"""Docker Compose as the place of a rollout, on a real engine: what starts, what it says, and what is left behind."""

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.config import Gpus
from freehold.deploy.compose.render import HOST_LABEL
from freehold.deploy.compose.target import PROJECT, SERVICE, ComposeTarget
from freehold.deploy.services.secret_files import ACCESS
from freehold.deploy.services.units import Mount, SecretFile
from freehold.errors import FreeholdError
from tests.deploy.compose.conftest import Yard
from tests.deploy.compose.deployments import INTERNAL


@pytest.fixture(scope="module")
def target(yard: Yard) -> ComposeTarget:
    """A version of a model and a gateway, ready."""
    target = yard.target()
    wanted = yard.deployment(yard.unit("11111111"))
    target.verify(wanted, wanted.units)
    target.start(wanted, (*wanted.units, wanted.gateway))
    there = yard.settled(target)
    assert {host: one.state for host, one in there.items()} == {
        "gateway-aaaaaaaa": "ready",
        "minilm-11111111": "ready",
    }, [one.reason for one in there.values()]
    return target


def test_the_gateway_answers_and_a_file_for_it_is_seen_while_it_runs(yard: Yard, target: ComposeTarget) -> None:
    """The folder is mounted, so that a file which takes another's place is there in the container."""
    assert yard.ask(target, "/readyz")[0] == 200
    target.route(yard.deployment(), "models: [] # another\n")
    status, body = yard.ask(target, "/x")
    assert (status, json.loads(body)["text"]) == (200, "models: [] # another\n")
    assert (Path(yard.data) / "gateway" / "written").read_text() == "state"


def test_a_gateway_takes_the_place_of_another_with_the_file_in_force(yard: Yard, target: ComposeTarget) -> None:
    """What is rolled out decides what it reads, not what it was rendered with. Its key goes with each request."""
    target.route(yard.deployment(), "models: [] # in force\n")
    other = replace(yard.gateway("bbbbbbbb"), secrets=(INTERNAL, ACCESS))
    target.start(yard.deployment(yard.unit("11111111")), [other])
    assert yard.settled(target)["gateway-bbbbbbbb"].state == "ready"
    told = json.loads(yard.ask(target, "/x")[1])
    key = (yard.folder / "secrets" / "access").read_text()
    assert (told["text"], told["key"]) == ("models: [] # in force\n", f"Bearer {key}")
    assert {one.host for one in target.running()} == {"gateway-bbbbbbbb", "minilm-11111111"}


def test_versions_that_fail_say_why_beside_the_one_that_runs(yard: Yard, target: ComposeTarget) -> None:
    """One ends at once, one fails its proof, one needs more memory than it may have."""
    units = (
        yard.unit("22222222", "crash\n"),
        yard.unit("33333333", "failing\n"),
        yard.unit("44444444", "hog\n", memory_mb=64),
    )
    wanted = yard.deployment(*units)
    target.start(wanted, units)
    there = yard.settled(target)
    codes = {host: one.reason and one.reason.code for host, one in there.items() if one.state == "failed"}
    assert codes == {
        "minilm-22222222": "compose_service_failed",
        "minilm-33333333": "compose_service_failed",
        "minilm-44444444": "compose_oom_killed",
    }
    assert there["minilm-11111111"].state == "ready"
    crashed = there["minilm-22222222"].reason
    assert crashed is not None
    assert crashed.cause == "minilm-22222222 failed: /models/x is not there. [source_not_found]"
    target.stop([unit.host for unit in units])
    assert not (yard.folder / "config" / "minilm-22222222").exists()
    assert (yard.folder / "config" / "minilm-11111111").is_dir()


def test_a_machine_without_nvidia_says_so_in_our_words(yard: Yard, target: ComposeTarget) -> None:
    """Docker's own error, when it starts a service and when it only checks one; the half-made one can be removed."""
    wanted = yard.deployment(yard.unit("55555555", gpus=Gpus(1), gpu_ids=("0",)))
    for step in (target.verify, target.start):
        with pytest.raises(FreeholdError) as refused:
            step(wanted, wanted.units)
        assert refused.value.code == "compose_gpu_runtime"
    assert yard.settled(target)["minilm-55555555"].state == "failed"
    target.stop(["minilm-55555555"])
    assert "minilm-55555555" not in yard.settled(target)


def test_a_port_that_is_taken_is_named(yard: Yard, target: ComposeTarget) -> None:
    """By another container, and by a program of the machine; the deployment that has it goes on."""
    other = replace(target, name=f"{yard.name}-other", folder=yard.folder / "other")
    with pytest.raises(FreeholdError) as refused:
        other.start(yard.deployment(), [yard.gateway()])
    assert refused.value.code == "compose_port_taken"
    assert refused.value.details["port"] == str(yard.port)
    with yard.engine.network(), socket.create_server(("127.0.0.1", 0)) as busy:
        with pytest.raises(FreeholdError) as refused:
            other.start(yard.deployment(), [yard.gateway("cccccccc", published=f"127.0.0.1:{busy.getsockname()[1]}")])
        assert refused.value.code == "compose_port_taken"
    other.stop([one.host for one in other.running()])
    assert other.running() == []
    assert yard.ask(target, "/readyz")[0] == 200


def test_what_a_deployment_lacks_is_told_before_anything_is_changed(yard: Yard, target: ComposeTarget) -> None:
    """A secret, a folder, an image."""
    missing = {
        "secret_missing": yard.unit("66666666", secrets=(SecretFile("corp", "${env:NOT_SET_ANYWHERE}"),)),
        "compose_mount_missing": yard.unit("66666666", mounts=(Mount("/nowhere/models", "/models"),)),
        "compose_registry_unreachable": yard.unit("66666666", image="localhost:1/freehold:1"),
    }
    before = {path: path.read_text() for path in yard.folder.glob("*.yaml")}
    for code, one in missing.items():
        wanted = yard.deployment(one)
        with pytest.raises(FreeholdError) as refused:
            target.verify(wanted, wanted.units)
        assert refused.value.code == code
    assert {path: path.read_text() for path in yard.folder.glob("*.yaml")} == before


def test_a_project_of_another_folder_is_left_alone(yard: Yard, target: ComposeTarget) -> None:
    """Somebody else's, or one that was deployed with another FREEHOLD_HOME, by root say: nothing of it is stopped."""
    stranger = replace(target, folder=yard.folder / "of another home")
    wanted = yard.deployment(yard.unit("77777777"))
    for act in (stranger.running, lambda: stranger.verify(wanted, wanted.units), lambda: stranger.stop(["gateway"])):
        with pytest.raises(FreeholdError, match="compose_project_taken") as refused:
            act()
        assert str(yard.folder) in refused.value.cause
    assert {one.state for one in target.running()} == {"ready"}


def test_what_is_left_of_a_gateway_goes_without_the_files_of_the_one_that_runs(
    yard: Yard, target: ComposeTarget
) -> None:
    """Compose was killed while it put one in the place of another: two containers have the same service."""
    words = ("create", "--label", f"{PROJECT}={yard.name}", "--label", f"{SERVICE}=gateway")
    yard.engine.docker(*words, "--label", f"{HOST_LABEL}=gateway-00000000", yard.image, "true")
    target.stop(["gateway-00000000"])
    assert {one.host for one in target.running()} == {"gateway-bbbbbbbb", "minilm-11111111"}
    assert (yard.folder / "config" / "gateway" / "etc" / "freehold" / "freehold.yaml").is_file()


def test_logs_are_those_of_a_version_or_of_what_a_unit_has_now(yard: Yard, target: ComposeTarget) -> None:
    """Whoever asks for another one is told which there are."""
    assert "asked /readyz" in list(target.logs("minilm-11111111"))
    assert list(target.logs("minilm", tail=1)) == ["asked /readyz"]
    following = target.logs("gateway", follow=True)
    assert next(following).startswith("asked")
    following.close()
    with pytest.raises(FreeholdError) as unknown:
        target.logs("nobody")
    assert unknown.value.code == "compose_service_unknown"
    assert "minilm-11111111" in str(unknown.value.details["known"])


def test_all_goes_when_all_is_stopped(yard: Yard, target: ComposeTarget) -> None:
    """Containers, networks and files of services; secrets and state stay. It answers no more, and says so."""
    target.stop([one.host for one in target.running()])
    assert target.running() == []
    assert yard.name not in yard.engine.docker("network", "ls")
    assert list((yard.folder / "config").iterdir()) == []
    assert (yard.folder / "secrets" / "internal").is_file()
    with pytest.raises(FreeholdError) as silent:
        yard.ask(target, "/readyz")
    assert silent.value.code == "compose_gateway_silent"
