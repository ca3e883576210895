"""A real Docker Engine for tests, in a network namespace of its own, with our image built once; and how to reach it.

Nothing of the machine's own engine, interfaces or iptables is touched. The workers of a run, and runs at the same time,
share one engine: the first who needs it starts it, the last who leaves stops it, and what a killed run left is removed
at the next start. Images stay in .cache/docker, so that a build takes what has not changed from the one before.
A test names its containers after itself, removes them, and publishes a port only inside `with docker.port(8080):`.

What an image is made of comes from outside while other tests run.

Fixtures: `docker` (the Engine), `freehold_image` (the name of our image there), both for the session.
"""

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "docker"
LABEL = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]  # two clones run their tests side by side
BASE = "freehold-test/base"
PACKAGES = "python3,ca-certificates"
PATIENCE_S = 60.0  # only a broken test waits this long
BUILD_S = 600.0
NEW_NETWORK = 0x40000000  # CLONE_NEWNET of sched.h
COMPONENTS = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "docker-compose": "docker-compose",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "setsid": "util-linux",
}


@dataclass(frozen=True)
class Engine:
    """One dockerd: its network namespace, its folder of short-lived files, and that of its images."""

    namespace: str = f"freehold-{LABEL}"
    folder: Path = Path(tempfile.gettempdir()) / f"freehold-docker-{LABEL}"
    images: Path = CACHE / "root"

    @property
    def host(self) -> str:
        """DOCKER_HOST."""
        return f"unix://{self.folder}/docker.sock"  # not below the checkout: a socket's path has at most 107 bytes

    @property
    def environment(self) -> dict[str, str]:
        """For programs that talk to it: nobody's login or project name."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "COMPOSE_"))}
        return {**kept, "DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.folder), "LC_ALL": "C.UTF-8"}

    def docker(self, *words: object, **options: object) -> str:
        """`docker WORDS`; what it printed. Fails with its words; `check=False` and others are subprocess.run's."""
        return self.run("docker", *words, **options)

    def compose(self, folder: Path, *words: object, **options: object) -> str:
        """`docker-compose WORDS` (v1) in `folder`, whose name is the project's."""
        return self.run("docker-compose", "--no-ansi", *words, cwd=folder, **options)

    def run(self, *words: object, **options: object) -> str:
        """Any program that finds this engine by DOCKER_HOST; its standard output, as text, without the last newline."""
        check = options.pop("check", True)
        settings = {"env": self.environment, "text": True, "capture_output": True, "timeout": PATIENCE_S, **options}
        done = subprocess.run([str(word) for word in words], check=False, **settings)
        assert done.returncode == 0 or not check, f"{words}: {done.stderr[-4000:]}{done.stdout[-4000:]}"
        return str(done.stdout).rstrip("\n")

    def log(self, container: str) -> str:
        """All that a container wrote, both streams in its order."""
        return self.run("sh", "-c", 'docker logs "$0" 2>&1', container)

    def inspect(self, name: str) -> dict[str, object]:
        """What Docker knows of a container, image or network."""
        found: list[dict[str, object]] = json.loads(self.docker("inspect", name))
        return found[0]

    @contextmanager
    def network(self) -> Iterator[None]:
        """What this thread opens in the block, and processes and threads that it starts, are in the engine's network:
        there 127.0.0.1:8080 is a port that a container publishes. What was opened before or is kept after works on."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as ours,
            self._network_file.open("rb") as theirs,
        ):
            enter_network(theirs.fileno())
            try:
                yield
            finally:
                enter_network(ours.fileno())

    @contextmanager
    def port(self, number: int) -> Iterator[None]:
        """No other test publishes this port meanwhile; who comes second waits."""
        with _alone(CACHE / f"port-{number}"):
            yield

    def start(self) -> None:
        """Start dockerd unless it runs, wait until it answers, and remove what a killed run left: dockerd finds again
        the containers of one that was killed. It outlives this process."""
        if self._daemon() is None:
            self._launch()
        limit = time.monotonic() + PATIENCE_S
        while not (self.folder / "docker.sock").exists() or not self.docker(
            "version", "--format={{.Server.Version}}", check=False
        ):
            words = (self.folder / "log").read_text()[-2000:]
            assert "failed to start daemon" not in words, words
            assert time.monotonic() < limit, f"dockerd does not answer: {words}"
            time.sleep(0.05)
        self.remove_containers()
        self.docker("image", "prune", "--force", "--filter", "until=1h")  # layers of older builds

    def _launch(self) -> None:
        assert os.geteuid() == 0, "a Docker Engine of our own needs root"
        self.folder.mkdir(exist_ok=True, mode=0o700)
        for stale in ("docker.sock", "pid", "exec/containerd/containerd.pid"):
            if not runs(read_pid(self.folder / stale)):
                (self.folder / stale).unlink(missing_ok=True)
        if not self._network_file.exists():
            subprocess.run([program("ip"), "netns", "add", self.namespace], check=True)
        subprocess.run([program("ip"), "-n", self.namespace, "link", "set", "lo", "up"], check=True)
        program("iptables")
        (self.folder / "daemon.json").write_text("{}")  # not the machine's own settings
        # Not `ip netns exec`: it mounts another /sys, which hides the cgroups.
        command = [program("setsid"), "--fork", program("nsenter"), f"--net={self._network_file}", program("dockerd")]
        command += ["--host", self.host, "--data-root", str(self.images), "--exec-root", str(self.folder / "exec")]
        command += ["--pidfile", str(self.folder / "pid"), "--config-file", str(self.folder / "daemon.json")]
        with (self.folder / "log").open("wb") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True)

    @property
    def _network_file(self) -> Path:
        return Path("/var/run/netns") / self.namespace

    def _daemon(self) -> int | None:
        """The process id of dockerd, where it runs."""
        pid = read_pid(self.folder / "pid")
        return pid if runs(pid) and str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes() else None

    def remove_containers(self) -> None:
        """Every container, network and volume; images stay."""
        if found := self.docker("ps", "--all", "--quiet").split():
            self.docker("rm", "--force", "--volumes", *found)
        self.docker("network", "prune", "--force")
        self.docker("volume", "prune", "--force")

    def stop(self) -> None:
        """End dockerd with all its containers, by its pid, and remove namespace, mounts and files."""
        if self.folder.exists() and self._daemon() is None:
            self.start()  # it was killed, and only dockerd finds its containers
        if (pid := self._daemon()) is not None:
            os.kill(pid, signal.SIGTERM)
            limit = time.monotonic() + PATIENCE_S
            while runs(pid):
                assert time.monotonic() < limit, f"dockerd {pid} does not end"
                time.sleep(0.02)
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            mount = Path(line.split(" ")[4])
            if self.folder in mount.parents or self.images in (mount, *mount.parents):
                subprocess.run(["umount", "--lazy", str(mount)], check=True)
        if self._network_file.exists():
            subprocess.run(["ip", "netns", "del", self.namespace], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def read_pid(file: Path) -> int:
    """The process id in a file; 0, which is nobody's, where there is none."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return 0


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which it stays when the worker that started it looks the other way."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def enter_network(descriptor: int) -> None:
    """Move this thread to the network namespace of an open file below /proc or /var/run/netns. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, NEW_NETWORK) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def program(name: str) -> str:
    """Its path; fails with the line that installs it."""
    place = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert place is not None, f"{name} is missing: apt-get install {COMPONENTS[name]}"
    return place


def base_tar() -> Path:
    """A root file system of this machine's distribution with Python, made once, from where apt gets its packages."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release["VERSION_CODENAME"].strip('"')
    place = CACHE / f"base-{suite}-{hashlib.sha256(PACKAGES.encode()).hexdigest()[:8]}.tar"
    if not place.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        lines = ["apt-get", "indextargets", "--format", "deb $(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
        asked = subprocess.run(lines, check=True, capture_output=True, text=True).stdout
        sources = "".join(f"{line}\n" for line in asked.splitlines() if f" {suite}" in line)
        command = [program("mmdebstrap"), "--variant=minbase", f"--include={PACKAGES}", "--quiet"]
        command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")]
        unready = place.with_suffix(".unready")
        command += ["--format=tar", suite, str(unready), "-"]
        made = subprocess.run(command, input=sources, capture_output=True, text=True, timeout=BUILD_S, check=False)
        assert made.returncode == 0, f"mmdebstrap: {made.stderr[-4000:]}"
        unready.rename(place)
    return place


def fetched() -> Path:
    """The base, beside which the wheels of our image came. Both take long the first time."""
    fetching = [ROOT / "tools" / "wheels.sh", *(ROOT / "requirements" / f"{name}.lock" for name in ("base", "image"))]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # the build says what a failure was
    with (
        _alone(CACHE / "fetching"),
        subprocess.Popen(fetching, env={**os.environ, "PYTHON": sys.executable}, **quiet),
    ):
        return base_tar()


def base_of(engine: Engine) -> str:
    """The name of the base in an engine."""
    tar = fetched()
    name = f"{BASE}:{tar.stem.removeprefix('base-')}"
    with _alone(CACHE / "imported"):
        if not engine.docker("images", "--quiet", name):
            engine.docker("import", tar, name)
    return name


def build_image(engine: Engine) -> str:
    """Our image, by `make image`'s script, on a base without pip; its name. The base is there afterwards too."""
    settings = {**engine.environment, "PYTHON": sys.executable, "BASE": base_of(engine)}
    return engine.run(ROOT / "tools" / "image.sh", env=settings, timeout=BUILD_S).splitlines()[-1]


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else who asks for this folder is inside."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _living(users: Path) -> Sequence[Path]:
    """Files of users whose processes are there; of others they are removed."""
    for user in users.iterdir():
        if not runs(int(user.name)):
            user.unlink()
    return list(users.iterdir())


@contextmanager
def shared_engine() -> Iterator[Engine]:
    """The engine that all workers use, started by the first of them and stopped by the last."""
    engine, users = Engine(), CACHE / "users"
    with _alone(CACHE):
        users.mkdir(exist_ok=True)
        if not _living(users):
            engine.start()
        (users / str(os.getpid())).touch()
    try:
        yield engine
    finally:
        with _alone(CACHE):
            (users / str(os.getpid())).unlink()
            if not _living(users):
                engine.stop()


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """A Docker Engine of our own."""
    with shared_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def freehold_image(docker: Engine) -> str:
    """The name of our image in `docker`, built from this working tree once for each run of the tests."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    with _alone(CACHE / "built"):
        built = docker.folder / f"built-{run}"
        if not built.exists():
            built.write_text(build_image(docker))
        return built.read_text()


FETCHER = pytest.StashKey["subprocess.Popen[bytes]"]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Where a test needs an engine, the first worker has fetched what comes from outside, by a process of its own."""
    is_first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if is_first and any("docker" in getattr(item, "fixturenames", ()) for item in session.items):
        command = [sys.executable, "-c", "from tests.docker import fetched; fetched()"]
        session.config.stash[FETCHER] = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)


def pytest_unconfigure(config: pytest.Config) -> None:
    """It is not left behind."""
    if (fetcher := config.stash.get(FETCHER, None)) is not None:
        fetcher.wait(BUILD_S)
