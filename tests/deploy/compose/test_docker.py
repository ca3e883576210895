"""The docker command line: what is found of it, and what it says without a daemon."""

import os
import sys
from pathlib import Path

import pytest

from freehold.deploy.compose.docker import PLUGIN, STANDALONE, Docker
from freehold.errors import FreeholdError

NOWHERE = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}


def programs(folder: Path, **scripts: str) -> dict[str, str]:
    """An environment whose only programs are these, in Python."""
    for name, script in scripts.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
        program.chmod(0o755)
    return {"PATH": str(folder)}


V2, NO_V2 = "sys.exit(0)", "sys.exit(sys.argv[1] == 'compose')"


def test_the_plugin_goes_before_the_program(tmp_path: Path) -> None:
    """Who has both uses v2."""
    assert Docker.find(programs(tmp_path, docker=V2, docker_compose=V2)).compose_words == PLUGIN
    assert Docker.find(programs(tmp_path, docker=NO_V2, docker_compose=V2)).compose_words == STANDALONE


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    """Docker itself, or its Compose."""
    with pytest.raises(FreeholdError) as no_docker:
        Docker.find({"PATH": str(tmp_path)})
    assert no_docker.value.code == "compose_docker_missing"
    with pytest.raises(FreeholdError) as no_compose:
        Docker.find(programs(tmp_path, docker=NO_V2))
    assert no_compose.value.code == "compose_missing"


@pytest.mark.parametrize("words", [("ps",), ("pull", "x"), ("inspect", "x")])
def test_a_daemon_that_is_down_is_told_with_its_address(words: tuple[str, ...]) -> None:
    """By the real command line; DOCKER_HOST says where."""
    docker = Docker(NOWHERE)
    with pytest.raises(FreeholdError) as down:
        docker.run(*words)
    assert down.value.code == "compose_daemon_down"
    assert "unix:///nowhere/docker.sock" in down.value.cause
    with pytest.raises(FreeholdError):
        docker.inspected(["x"])


def test_compose_without_a_daemon_says_the_same(tmp_path: Path) -> None:
    """docker-compose writes a hundred lines of its own inside, which nobody is shown."""
    (tmp_path / "compose.yaml").write_text("services: {a: {image: x}}\n")
    with pytest.raises(FreeholdError) as down:
        Docker(NOWHERE, STANDALONE).compose("-f", str(tmp_path / "compose.yaml"), "ps")
    assert down.value.code == "compose_daemon_down"


def test_lines_come_as_they_are_written_and_end_when_nobody_reads(tmp_path: Path) -> None:
    """Both streams, and a program that would never end."""
    script = "import time\nprint('out', flush=True)\nprint('err', file=sys.stderr, flush=True)\ntime.sleep(600)"
    lines = Docker(programs(tmp_path, docker=script)).lines("logs", "--follow", "x")
    assert [next(lines), next(lines)] == ["out", "err"]
    lines.close()


def test_containers_that_are_gone_are_left_out(tmp_path: Path) -> None:
    """They may go between two commands."""
    script = """print('[{"Id": "a"}]')\nprint("Error: No such container: b", file=sys.stderr)\nsys.exit(1)"""
    assert Docker(programs(tmp_path, docker=script)).inspected(["a", "b"]) == [{"Id": "a"}]
    assert Docker({}).inspected([]) == []
