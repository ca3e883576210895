"""Our image in a real Docker Engine: hardened, with the handbook's own compose text, and beside images of others."""

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold import __version__
from tests.docker import BASE, PATIENCE_S, ROOT, Engine, base_tar, runs

USER = 10001
OVER_THE_BASE = 350_000_000  # bytes
HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
HANDBOOK = """\
version: '3.8'
services:
  dify-api:
    image: dify-api:latest
    ports:
      - "8080:8080"
    volumes:
      - ./data:/app/data
    environment:
      - MODEL_PATH=/app/models/custom-model
"""
ZEROS = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 16], "data": [0.0] * 16}]}
FROM_ANOTHER = """
import json, sys, urllib.request
url, key, body = sys.argv[1:]
headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
print(urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=20).read().decode())
"""


@contextmanager
def container(docker: Engine, *words: object) -> Iterator[str]:
    """`docker run --detach WORDS`; its id. It is removed at the end of the block."""
    made = docker.docker("run", "--detach", *words)
    try:
        yield made
    finally:
        docker.docker("rm", "--force", "--volumes", made)


def eventually(docker: Engine, name: str, field: str, wanted: str) -> None:
    """Wait until a field of what Docker knows of a container is what is wanted."""
    limit = time.monotonic() + PATIENCE_S
    while (found := docker.docker("inspect", "--format", field, name)) != wanted:
        assert time.monotonic() < limit, f"{field} is {found}, not {wanted}: {docker.log(name)}"
        time.sleep(0.1)


def key_of(docker: Engine, name: str) -> str:
    """The initial key, from the file that the log names."""
    said = [line for line in docker.log(name).splitlines() if "The initial key was written to" in line]
    assert len(said) == 1, docker.log(name)
    return docker.docker("exec", name, "cat", json.loads(said[0])["message"].rpartition(" ")[2])


def asked(docker: Engine, url: str, key: str = "", body: object = None) -> httpx.Response:
    """One request from where published ports are loopback's."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with docker.network(), httpx.Client(trust_env=False, timeout=PATIENCE_S, headers=headers) as client:
        return client.get(url) if body is None else client.post(url, json=body)


def ready(docker: Engine, url: str) -> None:
    """Wait until a container's models are ready: sooner than Docker, which looks every five seconds."""
    limit = time.monotonic() + PATIENCE_S
    while True:
        with suppress(httpx.TransportError):
            if asked(docker, f"{url}/readyz").status_code == 200:
                return
        assert time.monotonic() < limit, f"{url} is not ready"
        time.sleep(0.05)


def owned_folder(path: Path) -> Path:
    """A folder that belongs to the image's user."""
    path.mkdir()
    os.chown(path, USER, USER)
    return path


@pytest.fixture
def refused(docker: Engine) -> Callable[..., str]:
    """`refused(ALIAS=...)`: what `tools/image.sh` says instead of building."""

    def build(**settings: str) -> str:
        environment = {**docker.environment, "PYTHON": sys.executable, **settings}
        return docker.run("sh", "-c", f"! {ROOT}/tools/image.sh 2>&1", env=environment)

    return build


def test_the_image_says_what_it_is_and_is_small(docker: Engine, freehold_image: str) -> None:
    """Name, labels, user, signal and command; below 350 MB over its base; no installer, and no word of an index."""
    image: Any = docker.inspect(freehold_image)
    base: Any = docker.inspect(docker.docker("images", "--quiet", BASE).splitlines()[0])
    config = image["Config"]
    assert freehold_image == f"freehold/freehold:{__version__}"
    assert image["Size"] - base["Size"] < OVER_THE_BASE
    assert config["Labels"]["org.opencontainers.image.title"] == "freehold"
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    assert (config["User"], config["StopSignal"], config["Entrypoint"]) == ("10001:10001", "SIGTERM", ["freehold"])
    assert config["Cmd"] == ["serve", "--host", "0.0.0.0"]
    history = docker.docker("history", "--no-trunc", "--format={{.CreatedBy}}", freehold_image)
    assert "PIP_" not in history
    assert "proxy" not in history
    listed = "import importlib.metadata as m; print(sorted(d.name.lower() for d in m.distributions()))"
    command = ["run", "--rm", "--entrypoint=/opt/freehold/bin/python", freehold_image, "-c", listed]
    packages = json.loads(docker.docker(*command).replace("'", '"'))
    assert {"freehold", "onnxruntime", "acme"} <= set(packages)
    assert not {"pip", "setuptools", "hatchling", "torch"} & set(packages)


def test_a_hardened_container_proves_and_serves(
    docker: Engine, freehold_image: str, minilm_folder: Path, tmp_path: Path
) -> None:
    """Read-only, without capabilities, as user 10001: MiniLM's proof, an answer, state kept, a clean end."""
    data = owned_folder(tmp_path / "data")
    mounts = ("-v", f"{minilm_folder}:/models/minilm:ro", "-v", f"{data}:/app/data", "-e", "MODEL_PATH=/models/minilm")
    with container(docker, *HARDENED, *mounts, "-p", "127.0.0.1::8080", freehold_image) as name:
        eventually(docker, name, "{{.State.Health.Status}}", "healthy")
        url = f"http://{docker.docker('port', name, '8080/tcp')}"
        assert asked(docker, f"{url}/readyz").json()["models"][0]["proof"] == "raw"
        key = (data / "initial-key").read_text().strip()
        assert ((data / "initial-key").stat().st_uid, (data / "initial-key").stat().st_mode & 0o777) == (USER, 0o600)
        answer = asked(docker, f"{url}/v1/embeddings", key, {"model": "minilm", "input": "in a container"})
        assert len(answer.json()["data"][0]["embedding"]) == 384
        assert asked(docker, f"{url}/v1/models").status_code == 401
        assert docker.docker("exec", name, "id", "-u") == str(USER)
        assert key not in docker.log(name)
        docker.docker("stop", "--time=30", name)
        eventually(docker, name, "{{.State.Status}} {{.State.ExitCode}}", "exited 0")
        assert "cannot be written" not in docker.log(name)
    assert (data / "access.db").exists()


def test_the_handbooks_compose_text_works_as_it_stands(
    docker: Engine, freehold_image: str, graphs: dict[str, Path], tmp_path: Path
) -> None:
    """Without ./data it says what is missing and where; with a model there it serves, its key in memory; and once
    ./data belongs to the image's user it keeps its state."""
    project = tmp_path / "handbook"
    project.mkdir()
    (project / "docker-compose.yml").write_text(HANDBOOK)
    name = "handbook_dify-api_1"
    body = json.dumps(ZEROS)
    with docker.port(8080):
        try:
            assert docker.run(ROOT / "tools" / "alias.sh", "dify-api:latest", freehold_image) == "dify-api:latest"
            docker.compose(project, "up", "--detach")
            eventually(docker, name, "{{.State.Status}} {{.State.ExitCode}}", "exited 1")
            log = docker.log(name)
            assert "There is no model at /app/models/custom-model" in log
            assert "(`-v ./data:/app/data`), so that ./data/models/custom-model on the host" in log
            assert "chown -R 10001 /app/data" in log
            assert list((project / "data").iterdir()) == []

            (project / "data" / "models").mkdir()
            (project / "data" / "models" / "custom-model.onnx").write_bytes(graphs["sixteen"].read_bytes())
            docker.compose(project, "up", "--detach", "--force-recreate")
            ready(docker, "http://127.0.0.1:8080")
            assert "/app/data cannot be written" in docker.log(name)
            key, url = key_of(docker, name), "/v2/models/custom-model/infer"
            assert asked(docker, f"http://127.0.0.1:8080{url}", body=ZEROS).status_code == 401
            answer = asked(docker, f"http://127.0.0.1:8080{url}", key, ZEROS).json()
            assert answer["outputs"][0]["data"] == [0.0625] * 16
            other = [
                "run",
                "--rm",
                "--network=handbook_default",
                "--entrypoint=/opt/freehold/bin/python",
                freehold_image,
            ]
            said = docker.docker(*other, "-c", FROM_ANOTHER, f"http://dify-api:8080{url}", key, body)
            assert json.loads(said)["outputs"][0]["data"] == [0.0625] * 16

            os.chown(project / "data", USER, USER)
            docker.compose(project, "restart")
            ready(docker, "http://127.0.0.1:8080")
            key = (project / "data" / "initial-key").read_text().strip()
            assert asked(docker, f"http://127.0.0.1:8080{url}", key, ZEROS).status_code == 200
        finally:
            docker.compose(project, "down")
            docker.docker("rmi", "dify-api:latest", check=False)


def test_a_name_of_others_is_never_taken(docker: Engine, freehold_image: str, refused: Callable[..., str]) -> None:
    """`dify-api:latest` that somebody else made stays theirs; the refusal says how to make room."""
    theirs = docker.docker("images", "--quiet", BASE).splitlines()[0]
    with docker.port(8080):  # where the name is ours
        docker.docker("tag", theirs, "dify-api:latest")
        try:
            said = refused(ALIAS="dify-api:latest")
            assert "dify-api:latest is an image that is not ours" in said
            assert "docker tag dify-api:latest dify-api:before" in said
            assert docker.docker("images", "--quiet", "dify-api:latest") == theirs
            assert "not ours" in refused(TAG="dify-api:latest")
        finally:
            docker.docker("rmi", "dify-api:latest")


def test_a_wrong_variant_is_refused_before_anything_is_built(refused: Callable[..., str]) -> None:
    """By the script; `docker build` alone refuses it too, where it says so."""
    assert refused(VARIANT="rocm") == "VARIANT is cpu or cuda, not 'rocm'"


def test_a_password_does_not_get_into_the_history(docker: Engine, freehold_image: str, tmp_path: Path) -> None:
    """A mirror of apt with one is refused, since its name stays in the image."""
    base = docker.docker("images", "--format={{.Repository}}:{{.Tag}}", BASE).splitlines()[0]
    words = ["build", "--target=python", "--build-arg", f"BASE={base}", "--file", ROOT / "Dockerfile"]
    script = 'docker "$@" 2>&1'
    mirror = "APT_MIRROR=http://anna:secret@mirror/debian"
    said = docker.run("sh", "-c", script, "sh", *words, "--build-arg", mirror, tmp_path, check=False)
    assert "no password in it" in said


def test_the_image_judges_the_machine_that_it_runs_on(docker: Engine, freehold_image: str) -> None:
    """As an init container would: read-only, and without anything mounted."""
    said = docker.docker("run", "--rm", *HARDENED, freehold_image, "doctor", "--profile=minimal", "--json", check=False)
    checks = {check["id"]: check for check in json.loads(said)["checks"]}
    assert checks["cores"]["found"]
    assert checks["python"]["status"] == "ok"


def test_a_container_in_which_nothing_can_be_written_says_what_it_needs(docker: Engine, freehold_image: str) -> None:
    """A read-only root without a folder for temporary files."""
    command = ["--read-only", "-v", f"{ROOT}/examples/normalizer/model:/models/normalizer:ro", freehold_image]
    with container(docker, *command, "serve", "/models/normalizer", "--host", "0.0.0.0") as name:
        eventually(docker, name, "{{.State.Status}} {{.State.ExitCode}}", "exited 1")
        assert "(nothing_writable)" in docker.log(name)


@pytest.mark.soak
def test_an_engine_that_was_killed_is_cleaned_away_at_the_next_start(tmp_path: Path) -> None:
    """dockerd killed beside a running container: the next start ends that, and its own end leaves no process, mount,
    file or namespace."""
    with tempfile.TemporaryDirectory(prefix="killed-") as folder:  # tmp_path is too long for a socket
        engine = Engine(f"freehold-killed-{os.getpid()}", Path(folder) / "run", tmp_path / "images")
        try:
            engine.start()
            engine.docker("import", base_tar(), "base")
            left = engine.docker("run", "--detach", "base", "sleep", "1000")
            processes = [int((engine.folder / "pid").read_text())]
            processes.append(int(engine.docker("inspect", "--format={{.State.Pid}}", left)))
            os.kill(processes[0], signal.SIGKILL)
            while runs(processes[0]):
                time.sleep(0.01)
            engine.start()
            assert engine.docker("ps", "--all", "--quiet") == ""
            assert not runs(processes[1])
        finally:
            engine.stop()
        assert not engine.folder.exists()
        words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if runs(int(path.parent.name))]
        assert not [one for one in words if folder.encode() in one]
    assert not Path(f"/var/run/netns/{engine.namespace}").exists()
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
