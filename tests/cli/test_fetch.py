"""`freehold fetch`, as a user runs it: plans, mirrors, proxies, closed networks, and a model that is then served."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.fetch import shown_bytes
from freehold.store import Store
from tests.docker_registry import docker_registry
from tests.forward_proxy import OTHERWISE, authority, forward_proxy
from tests.model_hub import COMMIT, Fault, ModelHub, serving

Run = Callable[..., Any]
PATIENCE_S = 60.0  # only a broken test waits this long
LARGE = {"config.json": b"{}", "model.safetensors": b"W" * 9000, "pytorch_model.bin": b"P" * 9000}


@pytest.fixture
def environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No variable of the machine that runs the tests counts."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("HF_TOKEN", "HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN", "MODELSCOPE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(folder / "no-token"))
    return monkeypatch


@pytest.fixture
def hub(environment: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A hub that both variables name."""
    with serving(ModelHub()) as hub:
        environment.setenv("HF_ENDPOINT", hub.url)
        environment.setenv("MODELSCOPE_ENDPOINT", hub.url)
        hub.add("org/m", LARGE)
        yield hub


def test_a_plan_loads_nothing(freehold: Run, hub: ModelHub, folder: Path) -> None:
    """Files and bytes, in words and as data."""
    ran = freehold("fetch", "hf://org/m", "--plan", "--json")
    assert ran.code == 0
    assert ran.data["files"] == [
        {"name": "config.json", "size": 2, "state": "load"},
        {"name": "model.safetensors", "size": 9000, "state": "load"},
    ]
    assert (ran.data["bytes_to_load"], ran.data["revision"]) == (9002, COMMIT)
    assert "9.0 kB to load" in freehold("fetch", "hf://org/m", "--plan").out
    assert not (folder / "home" / "models").exists()


def test_a_fetch_and_a_second_one(freehold: Run, hub: ModelHub, folder: Path) -> None:
    """Into the folder of models, and then nothing more; the result says how much came."""
    first = freehold("fetch", "hf://org/m", "--json").data
    assert first["folder"] == str(folder / "home" / "models" / "org" / "m")
    assert (first["bytes_loaded"], [file["state"] for file in first["files"]]) == (9002, ["load", "load"])
    second = freehold("fetch", "hf://org/m", "--json").data
    assert (second["bytes_loaded"], [file["state"] for file in second["files"]]) == (0, ["here", "here"])
    assert "0 B loaded, 2 files were here" in freehold("fetch", "hf://org/m").out


def test_modelscope_output_and_patterns(freehold: Run, hub: ModelHub, folder: Path) -> None:
    """The other hub, a folder of one's own, a file more, a revision as an option."""
    words = ("--output", "mine", "--include", "*.bin", "--revision", "v1")
    assert freehold("fetch", "ms://org/m", *words).code == 0
    assert sorted(path.name for path in (folder / "mine").iterdir()) == [
        "config.json",
        "freehold.source.json",
        "pytorch_model.bin",
    ]
    assert any("Ref=v1" in seen.path for seen in hub.seen)
    assert "freehold convert" in freehold("fetch", "ms://org/m", *words).out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("./folder",), "fetch_source_unsupported"),
        (("oci://host/a:1", "--plan"), "fetch_option_unfit"),
        (("oci://host/a", "--revision", "1"), "fetch_option_unfit"),
        (("org/m",), "fetch_source_unsupported"),
        (("hf://org/m@v1", "--revision", "main"), "fetch_revision_twice"),
        (("hf://org/none",), "hub_repository_missing"),
        (("hf://org/m@none",), "hub_revision_missing"),
    ],
)
def test_what_cannot_be_fetched(freehold: Run, hub: ModelHub, words: tuple[str, ...], code: str) -> None:
    """Each with its own error, in both languages."""
    ran = freehold("fetch", *words, "--json")
    assert (ran.code, ran.error["code"]) == (1, code)
    assert code in freehold("fetch", *words, "--lang", "zh").err


def test_a_closed_network_is_told_what_to_carry(freehold: Run, environment: pytest.MonkeyPatch, folder: Path) -> None:
    """The command for a connected machine, and the folder here."""
    environment.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    ran = freehold("fetch", "hf://org/m")
    assert ran.code == 1
    assert "freehold fetch hf://org/m --output m" in ran.err
    assert str(folder / "home" / "models" / "org" / "m") in ran.err


def test_a_token_is_not_shown(freehold: Run, hub: ModelHub, environment: pytest.MonkeyPatch, folder: Path) -> None:
    """Nowhere in what is printed or written."""
    environment.setenv("HF_TOKEN", "hf_topsecret")
    hub.faults["model.safetensors"] = [Fault(after=10)]
    ran = freehold("fetch", "hf://org/m", "--json")
    assert hub.seen[0].headers["authorization"] == "Bearer hf_topsecret"
    assert "topsecret" not in ran.out + ran.err
    written = [path.read_bytes() for path in (folder / "home").rglob("*") if path.is_file()]
    assert not any(b"topsecret" in content or b"signature" in content for content in written)


@pytest.mark.parametrize("scheme", ["hf", "ms"])
def test_through_the_proxy_of_a_company(
    freehold: Run, environment: pytest.MonkeyPatch, folder: Path, scheme: str
) -> None:
    """With an authority of its own: all of it goes through tunnels of a real proxy, cuts included."""
    corp = authority(folder)
    with forward_proxy(folder) as proxy, serving(ModelHub(), corp.server, OTHERWISE) as hub:
        hub.add("org/m", LARGE)
        hub.faults["model.safetensors"] = [Fault(after=4000)]
        environment.setenv("HF_ENDPOINT", hub.url)
        environment.setenv("MODELSCOPE_ENDPOINT", hub.url)
        environment.setenv("CORP_PROXY", proxy.url)
        network = {"ca": "ca.pem", "proxy": "${env:CORP_PROXY}"}
        (folder / "freehold.yaml").write_text(json.dumps({"models": [], "network": network}))
        ran = freehold("fetch", f"{scheme}://org/m", "--json")
        assert ran.code == 0, ran.err
        seen = proxy.requests()
        ports = {hub.url.rsplit(":", 1)[1], hub.storage_url.rsplit(":", 1)[1]}
        assert {line.split()[0] for line in seen} == {"CONNECT"}
        assert {line.split()[1].rsplit(":", 1)[1] for line in seen} == ports
    assert (Path(ran.data["folder"]) / "model.safetensors").read_bytes() == LARGE["model.safetensors"]


def test_a_fetched_model_is_served_with_its_source(
    freehold: Run, hub: ModelHub, tiny_bert_folder: Path, folder: Path
) -> None:
    """Its folder runs; the artifact's manifest says where it comes from and under which licence."""
    hub.add("org/tiny", tiny_bert_folder).files["README.md"] = b"---\nlicense: mit\n---\n"
    fetched = freehold("fetch", "hf://org/tiny", "--json").data
    assert fetched["license"] == "mit"
    assert freehold("verify", "hf://org/tiny@v9").code == 1
    assert freehold("verify", "hf://org/tiny").code == 0
    (manifest,) = (folder / "home" / "cache" / "graphs").rglob("manifest.json")
    said = json.loads(manifest.read_text())
    assert said["license"] == "mit"
    (ancestor,) = said["ancestors"]
    assert (ancestor["role"], ancestor["name"], ancestor["revision"]) == ("source", "hf://org/tiny", COMMIT)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_fetch_that_is_killed_goes_on(freehold: Run, hub: ModelHub, folder: Path, end: signal.Signals) -> None:
    """In the middle of a file: no folder is there, and the next fetch asks for the rest only."""
    hub.faults["model.safetensors"] = [Fault(after=4000, silent=True)]
    process = subprocess.Popen([sys.executable, "-m", "freehold.cli.main", "fetch", "hf://org/m"], cwd=folder)
    models = folder / "home" / "models"
    limit = time.monotonic() + PATIENCE_S
    while sum(part.stat().st_size for part in models.rglob("*.part")) < 4000 and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(end)
    process.wait(PATIENCE_S)
    assert not (models / "org" / "m").exists()
    assert freehold("fetch", "hf://org/m").code == 0
    assert (models / "org" / "m" / "model.safetensors").read_bytes() == LARGE["model.safetensors"]
    assert hub.asked_for("model.safetensors")[-1].headers["range"] == "bytes=4000-"


def test_an_artifact_in_a_registry_goes_into_the_store(
    freehold: Run, environment: pytest.MonkeyPatch, tiny_artifact: Path, folder: Path
) -> None:
    """As `models pull` brings it."""
    stored = Store(folder / "home" / "store").add(tiny_artifact, "tiny")
    (folder / "registry").mkdir()
    with docker_registry(folder / "registry") as host:
        assert freehold("models", "push", "tiny:1", f"oci://{host}/tiny:1").code == 0
        environment.setenv("FREEHOLD_HOME", str(folder / "elsewhere"))
        ran = freehold("fetch", f"oci://{host}/tiny:1", "--json")
    assert (ran.data["name"], ran.data["digest"]) == ("tiny", stored.digest)
    assert [one.ref for one in Store(folder / "elsewhere" / "store").list()] == ["tiny:1"]


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (90_868_376, "90.9 MB"),
                                             (999_960_000, "1.0 GB"), (16_060_522_496, "16.1 GB")])  # fmt: skip
def test_bytes_for_people(count: int, text: str) -> None:
    """In the units of hubs."""
    assert shown_bytes(count) == text
