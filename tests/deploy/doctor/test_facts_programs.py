"""Docker's and Compose's facts, from programs that print what theirs print."""

import json

import pytest

from freehold.deploy.doctor.facts_programs import compose, docker, parse_info
from freehold.deploy.doctor.reading import UnreadableError
from tests.deploy.doctor.conftest import Program

INFO = {
    "ServerVersion": "26.1.3",
    "Runtimes": {"runc": {}, "nvidia": {}},
    "RegistryConfig": {"Mirrors": ["https://me:secret@mirror.corp.local/"]},
    "Driver": "overlay2",
    "DockerRootDir": "/var/lib/docker",
}
VERSION = "echo 'Docker version 26.1.3, build b72abbb'"


def test_a_daemon_tells_its_version_runtimes_and_mirrors(program: Program) -> None:
    """Without the password of a mirror."""
    program("docker", f"case \"$1\" in --version) {VERSION};; info) echo '{json.dumps(INFO)}';; esac")
    assert docker() == {
        "client": "26.1.3",
        "server": "26.1.3",
        "runtimes": ["nvidia", "runc"],
        "mirrors": ["https://mirror.corp.local/"],
        "storage": "overlay2",
        "folder": "/var/lib/docker",
    }


def test_a_client_without_a_daemon_tells_why(program: Program) -> None:
    """The daemon's refusal in its own words."""
    refusal = "permission denied while trying to connect to the Docker daemon socket"
    program("docker", f'case "$1" in --version) {VERSION};; *) echo "{refusal}" >&2; exit 1;; esac')
    found = docker()
    assert found["client"] == "26.1.3"
    assert found["trouble"].endswith(refusal)
    assert "server" not in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("[]", "no object"),
        ("{}", "no daemon answers"),
        ('{"ServerErrors": ["Cannot connect to the Docker daemon"]}', "Cannot connect"),
        ('{"ServerErrors": "?"}', "no daemon answers"),
    ],
)
def test_information_without_a_server_says_so(text: str, said: str) -> None:
    """Clients of some ages print an error in JSON and succeed."""
    with pytest.raises(UnreadableError, match=said):
        parse_info(text)


def test_information_of_another_shape_leaves_parts_out() -> None:
    """A daemon that tells only its version has one."""
    found = parse_info('{"ServerVersion": "20.10.24", "Runtimes": [], "RegistryConfig": null}')
    assert (found["server"], found["runtimes"], found["mirrors"]) == ("20.10.24", [], [])


def test_both_composes_are_looked_for(program: Program) -> None:
    """The plugin is one of docker's words, version 1 a program of its own."""
    program("docker", "echo v2.27.0")
    program("docker-compose", "echo 1.29.2")
    assert compose() == {"v2": "2.27.0", "v1": "1.29.2"}
    program("docker", 'echo "unknown flag: --short" >&2; exit 125')
    assert compose() == {"v1": "1.29.2"}
    program("docker-compose", "echo not a version")
    with pytest.raises(UnreadableError, match="unknown flag"):
        compose()
