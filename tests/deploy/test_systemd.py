"""Deployments as units of systemd: exact files, and what systemd itself says of them."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Gpus, load
from freehold.deploy.services.units import Facts
from freehold.deploy.systemd import _quoted, render
from freehold.errors import FreeholdError
from tests.deploy.compose.deployments import CASES, deployment, gateway, unit, vllm
from tests.deploy.configured import deployed
from tests.deploy.rendered_text import check_rendered

RENDERED = [name for name in CASES if name != "group"]


def directives(text: str) -> dict[str, list[str]]:
    """Every directive of the section Service, with all that is said of it."""
    found: dict[str, list[str]] = {}
    section = text.split("[Service]\n")[1].split("\n[")[0].replace("\\\n", "")
    for line in filter(None, section.splitlines()):
        name, _, value = line.partition("=")
        found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("case", RENDERED)
def test_a_deployment_is_rendered_as_agreed(case: str) -> None:
    """Byte by byte, and the same again."""
    files = render(CASES[case])
    assert files == render(CASES[case])
    check_rendered(f"systemd/{case}", files)


@pytest.mark.parametrize("case", RENDERED)
def test_systemd_has_nothing_to_say(case: str, tmp_path: Path) -> None:
    """By `systemd-analyze verify`, which knows every directive and looks for the programs."""
    for name, text in render(CASES[case], "/bin/true").items():
        if "/" not in name:
            (tmp_path / name).write_text(text, encoding="utf-8")
    units = [path for path in tmp_path.iterdir() if path.suffix in (".service", ".target")]
    command = shutil.which("systemd-analyze")
    assert command is not None, "systemd-analyze is missing: apt-get install systemd"
    done = subprocess.run([command, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_services_find_each_other_by_ports_of_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own file is one that it reads; nothing of a container is left in it."""
    text = """\
models:
  - {id: minilm, source: /srv/models/minilm}
  - {id: bge, source: "bge:1"}
  - {id: far, source: "https://llm.corp.example/v1", key: "${env:CORP_KEY}"}
deploy: {target: systemd, port: 9000}
"""
    digest = f"sha256:{'ab' * 32}"
    wanted = deployed(text, {"bge": Facts(bytes=1, digest=digest)})
    files = render(wanted)
    front = files["config/gateway/freehold.yaml"]
    (tmp_path / "freehold.yaml").write_text(front)
    models = {model.id: model for model in load(None, {}, tmp_path).models}
    assert models["minilm"].source == "http://127.0.0.1:9001/v1"
    assert models["bge"].source == "http://127.0.0.1:9002/v1"
    credentials = "/run/credentials/freehold-gateway.service"
    assert models["minilm"].key == f"${{file:{credentials}/internal}}"
    assert models["far"].key == f"${{file:{credentials}/corp-key}}"
    said = directives(files["freehold-bge.service"])
    assert said["ExecStart"] == [
        "/opt/freehold/bin/freehold serve /etc/freehold/freehold/bge/freehold.yaml --host 127.0.0.1 --port 9002"
    ]
    assert said["Environment"] == ["FREEHOLD_HOME=/srv/data/freehold/bge"]
    assert said["BindPaths"] == ["/srv/data/freehold/bge"]
    assert said["BindReadOnlyPaths"] == ["/home/ops/.freehold/store:/srv/data/freehold/bge/store"]
    assert said["IPAddressDeny"] == ["any"]
    assert not any("/run/secrets" in text or "/app/data" in text for text in files.values())


def test_no_service_has_the_port_of_grpc() -> None:
    """Which is the gateway's, beside those of the services."""
    text = "models: [{id: a, source: /a}, {id: b, source: /b}]\ndeploy: {target: systemd}\nserver: {grpc_port: 8081}\n"
    files = render(deployed(text))
    assert "grpc_port: 8081" in files["config/gateway/freehold.yaml"]
    starts = [directives(files[f"freehold-{name}.service"])["ExecStart"][0] for name in ("a", "b")]
    assert [start.rpartition(" ")[2] for start in starts] == ["8082", "8083"]


def test_units_keep_their_walls() -> None:
    """Every service has them; only the gateway reaches other machines."""
    for name, text in render(CASES["one-cpu-model"]).items():
        if name.endswith(".service"):
            said = directives(text)
            assert said["NoNewPrivileges"] == said["PrivateTmp"] == ["yes"]
            assert said["ProtectSystem"] == ["strict"]
            assert said["CapabilityBoundingSet"] == [""]
            assert ("IPAddressDeny" in said) == ("gateway" not in name)
    bounds = directives(render(CASES["one-cpu-model"])["freehold-minilm.service"])
    assert (bounds["MemoryMax"], bounds["MemorySwapMax"], bounds["CPUQuota"]) == (["2048M"], ["0"], ["400%"])


def test_gpus_are_reached() -> None:
    """By their numbers: a wall that allows only the clock's device would hide them."""
    said = directives(render(deployment(unit("m", "1", gpus=Gpus(1), gpu_ids=("2",))))["freehold-m.service"])
    assert said["PrivateDevices"] == said["ProtectClock"] == ["no"]
    assert "CUDA_VISIBLE_DEVICES=2" in said["Environment"]


def test_vllm_gets_its_port_and_its_key() -> None:
    """Its words are those of the container but for the address."""
    (start,) = directives(render(deployment(vllm("qwen", "1")))["freehold-qwen.service"])["ExecStart"]
    assert "--host 127.0.0.1 --port 8081" in start
    assert "$$(cat /run/credentials/freehold-qwen.service/internal)" in start


def test_a_port_of_the_system_needs_one_capability() -> None:
    """And only the gateway has it."""
    files = render(deployment(unit("m", "1"), port=443))
    assert directives(files["freehold-gateway.service"])["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]
    assert directives(files["freehold-m.service"])["CapabilityBoundingSet"] == [""]


def test_what_lies_at_home_is_bound_into_the_empty_home() -> None:
    """The program's own environment, too."""
    said = directives(render(deployment(), "/home/me/env/bin/freehold")["freehold-gateway.service"])
    assert "/home/me/env" in said["BindReadOnlyPaths"]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [(CASES["group"], "systemd_image"), (deployment(unit("m", "1"), port=65535), "systemd_ports")],
)
def test_what_systemd_cannot_run_is_refused(wanted: object, code: str) -> None:
    """An image, and more services than ports."""
    with pytest.raises(FreeholdError) as refused:
        render(wanted)  # type: ignore[arg-type]  # parametrized
    assert refused.value.code == code


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20))
@settings(max_examples=50)
def test_quotes_end_where_they_begin(text: str) -> None:
    """What is quoted is one word for a reader of C's quotes, and no specifier is left in it."""
    quoted = _quoted(text)
    assert "%" not in quoted.replace("%%", "")
    if quoted.startswith('"'):
        assert quoted[1:-1].replace("\\\\", "").replace('\\"', "").count('"') == 0
        quoted = quoted[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    assert quoted.replace("%%", "%") == text


def test_the_target_starts_with_the_machine() -> None:
    """It reads as what systemd calls a unit."""
    parser = configparser.ConfigParser()
    parser.read_string(render(deployment(front=gateway(https=True)))["freehold.target"])
    assert parser["Install"]["WantedBy"] == "multi-user.target"
