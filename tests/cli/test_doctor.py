"""`freehold doctor`: this machine and others, with and without a configuration."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.doctor import examined
from freehold.config import load
from tests.deploy.doctor.known import MACHINES

Freehold = Callable[..., Any]
KEYS = {"id", "status", "found", "needed", "why", "fix"}


def by_id(ran: Any) -> dict[str, Any]:
    return {row["id"]: row for row in ran.data["checks"]}


def test_this_machine_is_judged_without_a_configuration(freehold: Freehold) -> None:
    """Every requirement of the handbook is a whole check, and the runtime opened a session."""
    ran = freehold("doctor", "--profile", "minimal", "--json")
    assert ran.code == (0 if ran.data["ok"] else 1)
    rows = by_id(ran)
    assert all(set(row) == KEYS and all(row.values()) for row in rows.values())
    wanted = {"cores", "memory", "disk_space", "disk_speed", "os", "kernel", "cgroups", "cpu", "python", "docker"}
    wanted |= {"compose", "nvidia_driver", "cuda", "nvidia_toolkit", "kubernetes", "storage_class", "ingress_class"}
    wanted |= {"clock", "dns", "ports", "proxies", "mirrors", "ca", "registry", "open_files", "shm", "session:cpu"}
    assert wanted <= rows.keys()
    assert rows["session:cpu"]["status"] == "ok"
    assert sum(ran.data["summary"].values()) == len(ran.data["checks"])


def test_a_configuration_says_what_the_machine_is_for(freehold: Freehold, folder: Path) -> None:
    """Its port, registry, authority, upstreams and devices; its target chooses the profile."""
    (folder / "freehold.yaml").write_text(
        "models:\n"
        '  - {id: far, source: "https://freehold.invalid/v1"}\n'
        "  - {id: card, source: a.onnx, device: cuda}\n"
        "network: {ca: ca.pem}\n"
        'deploy: {port: 18080, registry: "127.0.0.1:1/mirror"}\n'
        "dify: {version: 1.15.0}\n"
    )
    (folder / "ca.pem").write_text("no certificate")
    report = examined(load(None, os.environ, folder), registry="127.0.0.1:2")
    found = {check.id: check for check in report.checks}
    assert report.profile == "recommended"
    assert found["ports"].needed.en == "18080 free"
    assert (found["cores"].needed.en, found["memory"].needed.en) == ("10", "36.3 GB")  # with what Dify asks for
    assert found["dns"].found.en.startswith("freehold.invalid: ")
    assert [check.status for check in report.checks if check.id == "ca" and "(network.ca)" in check.found.en] == [
        "fail"
    ]
    assert found["registry"].found.en.startswith("http://127.0.0.1:2/v2/: ")
    assert found["nvidia_driver"].status in {"ok", "fail"}
    assert "session:cuda" in found
    assert "session:cpu" not in found


def test_a_cluster_is_judged_by_its_own_profile(freehold: Freehold, folder: Path) -> None:
    """No port of this machine is needed then, and a device of a pod is none of this machine's."""
    (folder / "freehold.yaml").write_text(
        "models: [{id: a, source: 'a:1'}]\ndeploy: {target: kubernetes, pull_from: registry.invalid/models}\n"
    )
    ran = freehold("doctor", "--json")
    assert ran.data["profile"] == "cluster"
    assert {"ports", "session:cpu"} & by_id(ran).keys() == set()
    assert by_id(ran)["kubernetes"]["status"] in {"ok", "fail"}
    assert freehold("doctor", "--profile", "edge", "--json").data["profile"] == "edge"


def test_another_machines_snapshot_is_judged_without_touching_this_one(freehold: Freehold) -> None:
    """No session is opened here; Chinese is told in Chinese."""
    ran = freehold("doctor", "--from", str(MACHINES["edge-arm64"]), "--profile", "edge", "--lang", "zh")
    assert ran.code == 1
    assert re.search(r"^fail  ports +端口 80 需要 root$", ran.out, re.MULTILINE)
    assert "session:" not in ran.out
    assert freehold("doctor", "--from", str(MACHINES["pod-512mb"]), "--profile", "cluster").code == 0


def test_a_snapshot_of_this_machine_can_be_judged_elsewhere(freehold: Freehold, folder: Path) -> None:
    """Written to a file, or printed."""
    assert freehold("doctor", "--snapshot", "machine.json").out == "machine.json\n"
    assert json.loads((folder / "machine.json").read_text())["freehold_doctor"] == 1
    ran = freehold("doctor", "--from", "machine.json", "--json")
    assert by_id(ran)["kernel"]["status"] == "ok"
    assert freehold("doctor", "--snapshot", "-").data["facts"]["os"]["system"] == "Linux"


@pytest.mark.parametrize(("text", "said"), [(b"{}", "freehold_doctor"), (b"\xff", "UTF-8"), (None, "No such file")])
def test_what_is_no_snapshot_is_wrong_usage(freehold: Freehold, folder: Path, text: bytes | None, said: str) -> None:
    """With the line that writes one."""
    if text is not None:
        (folder / "x.json").write_bytes(text)
    ran = freehold("doctor", "--from", "x.json", "--json")
    assert (ran.code, ran.error["code"]) == (2, "doctor_snapshot_invalid")
    assert said in ran.error["cause"]
    assert "--snapshot" in ran.error["fix"]


def test_wrong_usage_ends_with_2(freehold: Freehold, folder: Path) -> None:
    """An unknown profile, a snapshot that cannot be written, two things at once."""
    assert freehold("doctor", "--profile", "huge").code == 2
    assert freehold("doctor", "--fit", "--snapshot", "x").code == 2
    (folder / "file").touch()
    ran = freehold("doctor", "--snapshot", "file/x", "--json")
    assert (ran.code, ran.error["code"]) == (2, "doctor_snapshot_unwritable")


def test_a_broken_configuration_is_told_before_anything_is_looked_at(freehold: Freehold, folder: Path) -> None:
    """With its line."""
    (folder / "freehold.yaml").write_text("models: [{id: a, source: a.onnx, devise: cpu}]\n")
    ran = freehold("doctor")
    assert (ran.code, ran.out) == (1, "")
    assert "devise" in ran.err


def test_fit_tells_what_models_need(freehold: Freehold, minilm_artifact: Path) -> None:
    """The table, and as data; without models there is nothing to compare."""
    ran = freehold("doctor", "--fit", str(minilm_artifact), "--json")
    assert (ran.code, ran.data["ok"]) == (0, True)
    assert "verdict" in freehold("doctor", "--fit", str(minilm_artifact)).out
    assert freehold("doctor", "--fit").code == 2


def test_a_terminal_sees_colours_and_a_pipe_does_not(folder: Path) -> None:
    """By what standard output is; an init container has no terminal."""
    command = [sys.executable, "-m", "freehold.cli.main", "doctor", "--from", str(MACHINES["edge-arm64"])]
    environ = {**os.environ, "TERM": "xterm", "NO_COLOR": ""}
    piped = subprocess.run(command, env=environ, capture_output=True, check=False)
    assert b"\x1b[" not in piped.stdout
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, env=environ, stdout=theirs) as process:
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert process.returncode == piped.returncode == 1
    assert b"\x1b[31mfail\x1b[0m" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side of a terminal is closed
        return b""
