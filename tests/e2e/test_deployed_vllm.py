"""A model of vLLM as a deployment wires it: a program in vLLM's place behind a real gateway, by the rendered words."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from freehold.config import load
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import FILE, Unit
from tests.crowd import eventually

STAND_IN = Path(__file__).parents[1] / "vllm_stand_in.py"
KEY = "between-gateway-and-vllm"
CONFIGURATION = """\
models:
  - {id: qwen, source: %s, engine: vllm, gpus: 2, context_length: 4096}
routes: [{model: chat, to: [{id: qwen}]}]
access: {auth: none}
deploy: {}
"""


class Vllm:
    """A unit's process: its own entrypoint and command, with the program's name and the port of this machine put in."""

    def __init__(self, unit: Unit, folder: Path) -> None:
        program = folder / "vllm"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        program.chmod(0o755)
        words = [word.replace("/run/secrets", str(folder)) for word in (*unit.entrypoint, *unit.command)]
        words[words.index("--port") + 1] = "0"
        words[words.index("--host") + 1] = "127.0.0.1"
        environ = {**unit.environment, "PATH": f"{folder}:{os.environ['PATH']}"}
        self.process = subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rpartition(" ")[2])
        self.url = f"http://127.0.0.1:{self.port}"

    def end(self) -> None:
        """Asked to leave, it leaves."""
        self.process.terminate()
        assert self.process.wait(20) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def deploying(tmp_path: Path) -> Iterator[Callable[..., tuple[Deployment, Vllm]]]:
    """Makes a deployment of a model folder of that name, and starts its unit."""
    (tmp_path / "internal").write_text(KEY)
    started: list[Vllm] = []

    def deploy(name: str) -> tuple[Deployment, Vllm]:
        (tmp_path / "freehold.yaml").write_text(CONFIGURATION % (tmp_path / name))
        deployment = Deployment.of(load(None, {}, tmp_path))
        started.append(Vllm(deployment.units[0], tmp_path))
        return deployment, started[-1]

    yield deploy
    for vllm in started:
        vllm.end()


def on_this_machine(text: str, folder: Path, *sides: tuple[Deployment, Vllm]) -> str:
    """The gateway's file with this machine's addresses and folder of secrets."""
    for deployment, vllm in sides:
        text = text.replace(f"http://{deployment.units[0].host}:8080", vllm.url)
    return text.replace("/run/secrets", str(folder))


def asked(url: str, model: str, words: str = "is it done") -> str:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="unused") as client:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": words}])
    return str(answer.choices[0].message.content)


def test_a_client_of_the_gateway_is_answered_by_vllm(
    launch: Any, deploying: Callable[..., tuple[Deployment, Vllm]], tmp_path: Path
) -> None:
    """By the model's id and by the route, whole and as a stream; the key is the gateway's alone."""
    deployment, vllm = deploying("Qwen3-32B")
    file = tmp_path / "gateway.yaml"
    file.write_text(on_this_machine(deployment.gateway.files[FILE], tmp_path, (deployment, vllm)))
    gateway = launch(file, "--host", "127.0.0.1", verb="gateway")
    assert asked(gateway.url, "qwen") == asked(gateway.url, "chat") == "qwen was asked: is it done"
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused") as client:
        message = {"role": "user", "content": "word by word"}
        stream = client.chat.completions.create(model="chat", messages=[message], stream=True)  # type: ignore[call-overload]  # a plain dict is a message
        pieces = [chunk.choices[0].delta.content for chunk in stream]
    assert [piece for piece in pieces if piece] == ["qwen was asked:", " word", " by", " word"]
    assert httpx.get(f"{vllm.url}/v1/models").status_code == 401
    assert KEY not in gateway.log
    seen = httpx.get(f"{vllm.url}/seen").json()
    assert seen["words"][:2] == ["serve", str(tmp_path / "Qwen3-32B")]
    assert "hermes" in seen["words"]
    assert KEY not in " ".join(seen["words"])
    assert seen["environment"] == dict(deployment.units[0].environment)


def test_weight_moves_to_a_new_version_by_the_gateway_s_file_alone(
    launch: Any, deploying: Callable[..., tuple[Deployment, Vllm]], tmp_path: Path
) -> None:
    """Before it has weight it can be asked by its own name; the gateway takes each file up while it runs."""
    old, new = deploying("Qwen2.5-32B"), deploying("Qwen3-32B")
    (version,) = new[0].units
    file = tmp_path / "gateway.yaml"

    def tell(text: str) -> None:
        file.write_text(on_this_machine(text, tmp_path, old, new))

    def by_model() -> set[str]:
        """Who answers twenty requests for the route."""
        body = {"model": "chat", "messages": [{"role": "user", "content": "a"}]}
        answers = [gateway.client.post("/v1/chat/completions", json=body) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {200}
        return {answer.headers["x-freehold-model"] for answer in answers}

    tell(old[0].gateway_file())
    gateway = launch(file, "--host", "127.0.0.1", verb="gateway")
    coming = f"qwen--{version.revision}"
    tell(old[0].gateway_file(new[0]))
    eventually(lambda: coming in gateway.client.get("/v1/models").text, "the new version is listed")
    assert asked(gateway.url, coming) == "qwen was asked: is it done"
    assert by_model() == {"qwen"}
    tell(old[0].gateway_file(new[0], {"qwen": 50}))
    eventually(lambda: by_model() == {"qwen", coming}, "both share the requests")
    tell(old[0].gateway_file(new[0], {"qwen": 100}))
    eventually(lambda: by_model() == {coming}, "all has moved")
    tell(new[0].gateway_file())
    eventually(lambda: by_model() == {"qwen"}, "the new version has the model's name")
    assert coming not in gateway.client.get("/v1/models").text


def test_a_vllm_that_has_another_key_is_told_as_such(
    launch: Any, deploying: Callable[..., tuple[Deployment, Vllm]], tmp_path: Path
) -> None:
    """The gateway says which model, and that its key was refused, never the key."""
    deployment, vllm = deploying("Qwen3-32B")
    (tmp_path / "internal").write_text("another")
    file = tmp_path / "gateway.yaml"
    file.write_text(on_this_machine(deployment.gateway.files[FILE], tmp_path, (deployment, vllm)))
    gateway = launch(file, "--host", "127.0.0.1", verb="gateway")
    eventually(lambda: "upstream_key_refused" in gateway.client.get("/readyz").text, "it is noticed")
    assert "another" not in gateway.log


@pytest.mark.gpu
def test_the_real_image_answers_by_the_rendered_words(launch: Any, tiny_decoder: Any, tmp_path: Path) -> None:
    """On this machine's own Docker Engine, which has the image of vLLM; the model is a small one of random weights."""
    (tmp_path / "internal").write_text(KEY)
    (tmp_path / "freehold.yaml").write_text((CONFIGURATION % tiny_decoder()).replace("gpus: 2", "gpus: 1"))
    deployment = Deployment.of(load(None, {}, tmp_path))
    (unit,) = deployment.units
    mounts = [
        f"{tmp_path / 'internal'}:/run/secrets/internal:ro",
        *(f"{one.source}:{one.target}" for one in unit.mounts),
    ]
    options = ["--gpus", "all", "--shm-size", f"{unit.shm_mb}m", "--entrypoint", unit.entrypoint[0]]
    options += [word for mount in mounts for word in ("--volume", mount)]
    options += [word for name, value in unit.environment.items() for word in ("--env", f"{name}={value}")]
    words = ["docker", "run", "--rm", "--detach", "--publish", "127.0.0.1::8080", *options, unit.image]
    container = printed([*words, *unit.entrypoint[1:], *unit.command])
    try:
        url = f"http://{printed(['docker', 'port', container, '8080'])}"
        eventually(lambda: is_healthy(url), "vLLM answers", unit.startup_s)
        file = tmp_path / "gateway.yaml"
        text = deployment.gateway.files[FILE].replace(f"http://{unit.host}:8080", url)
        file.write_text(text.replace("/run/secrets", str(tmp_path)))
        gateway = launch(file, "--host", "127.0.0.1", verb="gateway")
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="unused") as client:
            answer = client.completions.create(model="qwen", prompt="a lease", max_tokens=4)
        assert answer.usage is not None
        assert answer.usage.completion_tokens == 4
    finally:
        printed(["docker", "rm", "--force", container])


def printed(words: list[str]) -> str:
    """What a command prints, which must not fail."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False
