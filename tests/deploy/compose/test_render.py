"""Deployments as text for Compose: exact files, and what docker-compose 1.29, the stricter one, makes of them."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from freehold.config import Gpus
from freehold.deploy.compose.render import probe, render
from freehold.deploy.services.units import Mount
from freehold.errors import FreeholdError
from tests.deploy.compose.deployments import CASES, deployment, gateway, state, unit
from tests.deploy.rendered_text import check_rendered
from tests.docker import program


def understood(folder: Path, files: dict[str, str]) -> dict[str, Any]:
    """What docker-compose reads in the files; fails where it refuses them."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    command = [program("docker-compose"), "--project-directory", folder, "-f", folder / "compose.yaml", "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    tree: dict[str, Any] = yaml.safe_load(done.stdout)
    return tree


@pytest.mark.parametrize("case", CASES)
def test_a_deployment_is_rendered_as_agreed(case: str) -> None:
    """Byte by byte, and the same again."""
    files = render(CASES[case])
    assert files == render(CASES[case])
    check_rendered(f"compose/{case}", files)


@pytest.mark.parametrize("case", CASES)
def test_compose_1_29_takes_it_without_a_word(case: str, tmp_path: Path) -> None:
    """Every key and value is one that it knows."""
    files = render(CASES[case])
    services = understood(tmp_path, dict(files))["services"]
    assert services.keys() == yaml.safe_load(files["compose.yaml"])["services"].keys()


def test_what_compose_would_read_into_texts_stays_as_it_is(tmp_path: Path) -> None:
    """Dollars, colons, quotes, spaces and line ends in paths, words and variables."""
    odd = "a: $b ${C} 'd' \"e\" #f\n{g}"
    one = unit(
        "minilm", "1", command=("serve", odd), environment={"ODD": odd}, mounts=(Mount("/srv/o d:d $x", "/m:n"),)
    )
    data = str(tmp_path / "a: $b")
    files = render(deployment(one, front=gateway(mounts=(state("g", data),))))
    services = understood(tmp_path, dict(files))["services"]
    read = services["minilm-1"]  # it writes dollars twice, as it reads them
    assert read["command"] == ["serve", odd.replace("$", "$$")]
    assert read["environment"]["ODD"] == odd.replace("$", "$$")
    assert read["volumes"][1]["source"] == "/srv/o d:d $$x"
    assert services["gateway"]["volumes"][1]["source"] == f"{data}/g".replace("$", "$$")


def test_units_reach_nothing_outside_and_only_the_gateway_is_published() -> None:
    """Whatever else a unit may be."""
    tree = yaml.safe_load(render(CASES["group"])["compose.yaml"])
    assert tree["networks"]["units"] == {"internal": True}
    for name, service in tree["services"].items():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert ("ports" in service) == (name == "gateway")
        assert service["networks"] == (["units", "front"] if name == "gateway" else ["units"])


def test_no_value_of_a_secret_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the environment has it."""
    monkeypatch.setenv("CORP_KEY", "s3cret-value")
    assert not any("s3cret-value" in text for text in render(CASES["secrets-and-odd-paths"]).values())


def test_gpus_that_docker_cannot_give_are_refused() -> None:
    """Only NVIDIA's have a way into containers of Compose."""
    with pytest.raises(FreeholdError) as refused:
        render(deployment(unit("npu", "1", gpus=Gpus(1, "huawei.com/Ascend910"))))
    assert refused.value.code == "compose_accelerator"
    assert refused.value.details["resource"] == "huawei.com/Ascend910"


def test_gpus_without_numbers_are_counted() -> None:
    """A deployment that was made for a cluster has none."""
    text = render(deployment(unit("m", "1", gpus=Gpus(3))))["compose.yaml"]
    devices = yaml.safe_load(text)["services"]["m-1"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": 3, "capabilities": ["gpu"]}]


def test_the_port_of_grpc_is_published() -> None:
    """Under its own number."""
    front = replace(gateway(grpc_port=8081), published="127.0.0.1:80")
    service = yaml.safe_load(render(replace(deployment(front=front), gateway=front))["compose.yaml"])["services"][
        "gateway"
    ]
    assert service["ports"] == ["127.0.0.1:80:8080", "127.0.0.1:8081:8081"]


def test_the_ports_of_https_are_published_and_probed() -> None:
    """Plain HTTP beside HTTPS, for redirects and for ACME; the probe asks there, where no certificate is needed."""
    front = gateway(https=True, port=443, http_port=80)
    settled = replace(deployment(front=front), gateway=replace(front, published="[::1]:443"))
    service = yaml.safe_load(render(settled)["compose.yaml"])["services"]["gateway"]
    assert service["ports"] == ["[::1]:443:443", "[::1]:80:80"]
    assert service["labels"]["freehold.url"] == "https://[::1]:443"
    assert service["healthcheck"]["test"] == [
        "CMD",
        "python3",
        "-ISc",
        "import http.client,sys;"
        "c=http.client.HTTPConnection('127.0.0.1',80,timeout=4);"
        "c.request('GET','/readyz');r=c.getresponse();"
        "print(r.read(4000).decode('utf-8','replace'));sys.exit(r.status!=200)",
    ]


def test_every_service_says_how_its_health_is_asked() -> None:
    """The image's own check asks for one port by plain HTTP."""
    services = yaml.safe_load(render(CASES["gpu-and-vllm"])["compose.yaml"])["services"]
    assert all(len(service["healthcheck"]["test"]) >= 2 for service in services.values())


def test_a_probe_of_https_trusts_itself() -> None:
    """Its certificate is for the name that clients use."""
    assert "HTTPSConnection" in probe(gateway(https=True))[-1]
    compile(probe(gateway(https=True))[-1], "probe", "exec")
    compile(probe(gateway())[-1], "probe", "exec")
