"""Releases that are rolled out on a real Docker Engine while clients go on asking, and what goes wrong on the way."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
import yaml

from tests.crowd import Crowd, eventually
from tests.docker import Engine
from tests.e2e.conftest import FREEHOLD, Ended, write_graph

PORT = 18081
STAND_IN = Path(__file__).parents[1] / "vllm_stand_in.py"
PATIENCE_S = 120.0
REQUEST = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}).encode()
PATH = "/v2/models/soft/infer"
CRASHING = (
    "import http.server, os, threading;"
    "threading.Timer(2, lambda: (print('the shelf is empty', flush=True), os._exit(7))).start();"
    "handler = type('H', (http.server.BaseHTTPRequestHandler,), {'log_message': lambda *_: None,"
    " 'do_GET': lambda self: (self.send_response(200), self.end_headers())});"
    "http.server.HTTPServer(('0.0.0.0', {port}), handler).serve_forever()"
)


@dataclass
class Shop:
    """One deployment: the folder of its configuration, its home, and the engine that it runs on."""

    engine: Engine
    image: str
    folder: Path
    name: str = "shop"
    port: int = PORT
    crowds: list[Crowd] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        """Of the gateway, in the engine's network."""
        return "127.0.0.1", self.port

    @property
    def compose(self) -> Path:
        """The folder that Compose runs in."""
        return self.folder / "home" / "releases" / self.name / "compose"

    @property
    def environment(self) -> dict[str, str]:
        return {**self.engine.environment, "FREEHOLD_HOME": str(self.folder / "home"), "LANG": "C.UTF-8"}

    def write(self, version: str, deploy: dict[str, Any] | None = None, **model: Any) -> None:
        """The configuration with that version of the model."""
        source = {"id": "soft", "source": str(self.folder / version / "model.onnx"), **model}
        settings = {"name": self.name, "port": self.port, "image": self.image, "steps": [50, 100], "step_s": 1.5}
        settings |= {"max_p99": None, **(deploy or {})}
        (self.folder / "freehold.yaml").write_text(yaml.safe_dump({"models": [source], "deploy": settings}))

    def begin(self, *words: object) -> "subprocess.Popen[str]":
        """`freehold WORDS` as a process of its own."""
        with self.engine.network():
            command = [str(FREEHOLD), *map(str, words)]
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

    def run(self, *words: object) -> Ended:
        """`freehold WORDS` to its end."""
        return ended(self.begin(*words))

    def deploy(self, version: str, **model: Any) -> Ended:
        """Write that version and deploy it."""
        self.write(version, **model)
        return self.run("deploy", "--json")

    def hosts(self) -> set[str]:
        """The services whose containers run, the gateway aside."""
        listed = self.engine.docker(
            *("ps", "--filter", f"label=com.docker.compose.project={self.name}"),
            *("--format", '{{.Label "freehold.host"}}'),
        )
        return {host for host in listed.split() if not host.startswith("gateway")}

    def status(self) -> dict[str, Any]:
        """What `freehold status` says."""
        found: dict[str, Any] = json.loads(self.run("status", "--json").out)
        return found

    @contextmanager
    def crowd(self, rest_s: float = 0.01) -> Iterator[Crowd]:
        """Four clients that ask all the time, and leave containers some of the processor; none may be failed."""
        key = (self.compose / "secrets" / "access").read_text()
        crowd = Crowd(self, PATH, lambda _turn: REQUEST, 4, rest_s=rest_s, headers={"Authorization": f"Bearer {key}"})
        with self.engine.network():
            crowd.__enter__()
        try:
            crowd.wait_for(20)
            yield crowd
            crowd.wait_for(20)
        finally:
            crowd.__exit__()
        assert crowd.tally.broken == []
        assert set(crowd.tally.statuses) == {200}, crowd.tally.refusals[:2]


def ended(process: "subprocess.Popen[str]") -> Ended:
    """A command at its end, which comes."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert "Traceback" not in err, err
    return Ended(process.returncode, out, err)


def write_version(folder: Path, scale: float) -> None:
    """A softmax of x * scale, as a file that every user may read."""
    folder.mkdir(mode=0o755)
    graph = "soft (float[n, 4] x) => (float[n, 4] y) { scaled = Mul(x, s) y = Softmax<axis = 1>(scaled) }"
    write_graph(folder / "model.onnx", graph, s=np.array(scale, np.float32))


@pytest.fixture(scope="module")
def shop(docker: Engine, freehold_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A deployment whose first release is in force."""
    folder = tmp_path_factory.mktemp("shop")
    shop = Shop(docker, freehold_image, folder)
    for name, scale in {"one": 1.0, "two": 1.0, "other": 3.0}.items():
        write_version(folder / name, scale)
    (folder / "broken").mkdir()
    graph = '<ir_version: 8, opset_import: ["": 17]> broken (float[n, 4] x) => (float[n, 4] y) { y = Softplusplus(x) }'
    onnx.save(onnx.parser.parse_model(graph), folder / "broken" / "model.onnx")
    with docker.port(PORT):
        first = shop.deploy("one")
        try:
            assert first.code == 0, first.err
            yield shop
        finally:
            down = shop.run("down", "--yes")
    assert down.code == 0, down.err
    assert shop.hosts() == set()


@pytest.fixture
def one(shop: Shop) -> Shop:
    """The deployment with version one in force, and nothing else, whatever a test before left."""
    shop.write("one")
    if (
        len(shop.hosts()) != 1
        or json.loads(shop.run("deploy", "--plan", "--json").out)["units"][0]["sort"] != "unchanged"
    ):
        assert shop.run("deploy").code == 0
    return shop


def failure(done: Ended) -> dict[str, Any]:
    """The error that a command ended with."""
    assert done.code == 1, done.out
    error: dict[str, Any] = json.loads(done.err)["error"]
    return error


def test_versions_change_under_load_without_a_failed_request(one: Shop) -> None:
    """Forward step by step and back at once; meanwhile a second deploy is refused with the name of the first."""
    before = one.hosts()
    with one.crowd():
        one.write("two")
        process = one.begin("deploy", "--json")
        eventually(lambda: len(one.hosts()) == 2, "two versions side by side", PATIENCE_S)
        refusal = failure(one.run("deploy", "--json"))
        done = ended(process)
        assert done.code == 0, done.err
    assert (refusal["code"], refusal["details"]["pid"]) == ("deploy_busy", process.pid)
    after = one.hosts()
    assert len(after) == 1
    assert after != before
    with one.crowd():
        back = one.run("rollback", "--json")
        assert back.code == 0, back.err
    assert one.hosts() == before


def test_a_program_gets_a_key_in_the_gateway_s_container(one: Shop) -> None:
    """By the command of the how-to; it counts at once, and opens no more than its role does."""
    container = one.engine.docker("ps", "--quiet", "--filter", f"name={one.name}.gateway")
    command = ("freehold", "keys", "create", "--json", "--config", "/etc/freehold/freehold.yaml", "--name", "dify")
    key = json.loads(one.engine.docker("exec", container, *command))["key"]
    with one.engine.network(), httpx.Client(base_url=f"http://127.0.0.1:{PORT}", trust_env=False) as client:
        client.headers["api-key"] = key
        eventually(lambda: client.get("/v1/models").status_code == 200, "the key counts", PATIENCE_S)
        assert client.post(PATH, content=REQUEST).status_code == 200
        assert client.get("/metrics").status_code == 403


def test_a_version_whose_file_is_broken_is_refused_before_anything_starts(one: Shop) -> None:
    """The image that is to run it says so; no release is made of it."""
    before, releases = one.hosts(), one.status()["releases"]
    error = failure(one.deploy("broken"))
    assert error["code"] == "compose_verify_failed"
    assert "Softplusplus" in error["cause"]
    assert (one.hosts(), one.status()["releases"]) == (before, releases)


def test_an_image_that_is_not_there_is_refused_by_its_name(one: Shop) -> None:
    """Before anything starts."""
    before = one.hosts()
    error = failure(one.deploy("two", deploy={"image": "localhost:9/freehold:missing"}))
    assert "localhost:9/freehold:missing" in error["cause"]
    assert one.hosts() == before


def test_a_version_that_answers_otherwise_is_taken_back(one: Shop) -> None:
    """It verifies, since nothing was recorded with it; but it is not what is in force."""
    before = one.hosts()
    with one.crowd():
        error = failure(one.deploy("other"))
    assert error["code"] == "deploy_differs"
    assert "largest difference" in error["cause"]
    assert one.hosts() == before
    assert one.status()["releases"][-1]["state"] == "failed"


def test_a_version_that_crashes_after_its_start_is_told_with_its_reason(one: Shop) -> None:
    """What it wrote last."""
    before = one.hosts()
    command = ["python3", "-c", CRASHING]
    error = failure(one.deploy("one", image=one.image, command=command))
    assert error["code"] in ("deploy_unit_failed", "deploy_unit_lost")
    assert "the shelf is empty" in error["cause"]
    assert one.hosts() == before


def test_a_container_that_is_killed_in_the_middle_ends_the_rollout(one: Shop) -> None:
    """The old version has all requests again."""
    before = one.hosts()
    one.write("two")
    process = one.begin("deploy")
    read_until(process, "50 %")
    (new,) = one.hosts() - before
    one.engine.docker("kill", *one.engine.docker("ps", "--quiet", "--filter", f"label=freehold.host={new}").split())
    done = ended(process)
    assert (done.code, new in done.err) == (1, True), done.err
    assert one.hosts() == before
    with one.crowd():
        pass


def test_a_deploy_that_was_killed_is_told_and_taken_back(one: Shop) -> None:
    """Nothing of it could clean up."""
    before = one.hosts()
    one.write("two")
    process = one.begin("deploy")
    read_until(process, "waiting for")
    process.kill()
    ended(process)
    status = one.run("status")
    assert "was interrupted" in status.out
    assert "`freehold deploy` continues, `freehold rollback` goes back" in status.out
    with one.crowd():
        assert one.run("rollback").code == 0
    assert one.hosts() == before


def test_a_gateway_that_does_not_start_is_named_with_its_reason(docker: Engine, shop: Shop, tmp_path: Path) -> None:
    """A first release whose port is taken leaves nothing behind."""
    second = Shop(docker, shop.image, tmp_path, "second", PORT)
    write_version(tmp_path / "one", 1.0)
    error = failure(second.deploy("one"))
    assert str(PORT) in error["cause"]
    assert second.hosts() == set()


@pytest.fixture
def vllm_image(docker: Engine, freehold_image: str, tmp_path: Path) -> str:
    """An image with a program in vLLM's place."""
    program, recipe, name = tmp_path / "vllm", tmp_path / "Dockerfile", "stand-in/vllm:1"
    program.write_text(f"#!/usr/bin/env python3\n{STAND_IN.read_text()}")
    program.chmod(0o755)
    recipe.write_text(f"FROM {freehold_image}\nUSER 0\nCOPY vllm /usr/local/bin/vllm\n")
    docker.docker("build", "--quiet", "--tag", name, str(tmp_path))
    return name


def test_a_model_of_vllm_has_a_container_of_its_own(
    docker: Engine, freehold_image: str, vllm_image: str, tiny_decoder: Any, tmp_path: Path
) -> None:
    """Behind the rendered walls, by the name that clients ask for; its key is in its file and nowhere else."""
    hall = Shop(docker, freehold_image, tmp_path / "hall", "hall", PORT + 1)
    hall.folder.mkdir()
    model = {"id": "qwen", "source": str(tiny_decoder()), "engine": "vllm", "image": vllm_image}
    settings = {"name": hall.name, "port": hall.port, "image": freehold_image}
    (hall.folder / "freehold.yaml").write_text(yaml.safe_dump({"models": [model], "deploy": settings}))
    with docker.port(hall.port):
        deployed = hall.run("deploy", "--json")
        try:
            assert deployed.code == 0, deployed.err
            access, internal = ((hall.compose / "secrets" / name).read_text() for name in ("access", "internal"))
            body = {"model": "qwen", "messages": [{"role": "user", "content": "is it done"}]}
            with docker.network():
                url = f"http://127.0.0.1:{hall.port}/v1/chat/completions"
                headers = {"Authorization": f"Bearer {access}"}
                answer = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=PATIENCE_S)
            assert answer.json()["choices"][0]["message"]["content"] == "qwen was asked: is it done"
            (host,) = hall.hosts()
            container = docker.docker("ps", "--quiet", "--filter", f"label=freehold.host={host}").strip()
            told = docker.docker("inspect", container) + docker.docker("logs", container)
            assert internal not in told
            assert access not in told
        finally:
            down = hall.run("down", "--yes")
    assert down.code == 0, down.err


def read_until(process: "subprocess.Popen[str]", stage: str) -> None:
    """Until a command says that it has come to a stage."""
    assert process.stderr is not None
    assert any(line.startswith(stage) for line in process.stderr), f"it never came to `{stage}`"


@pytest.mark.soak
def test_ten_changes_under_load_fail_no_request(one: Shop) -> None:
    """Forward and back, five times each, while four clients ask without a pause."""
    with one.crowd(rest_s=0.0):
        for version in ("two", "one") * 5:
            done = one.deploy(version)
            assert done.code == 0, done.err
