"""Real servers: `freehold serve` as a process of its own, on a free port of 127.0.0.1, stopped by its id.

Whatever a test does to it, a server must leave with exit code 0 within its grace time, without a traceback in its log
and without an answer that says "internal".
"""

import json
import os
import re
import signal
import subprocess
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
import yaml
from onnx import numpy_helper
from prometheus_client.parser import text_string_to_metric_families

from tests.crowd import PATIENCE_S, Crowd, eventually

FREEHOLD = Path(sysconfig.get_path("scripts")) / "freehold"
LONG_PATIENCE_S = 300.0  # where PyTorch or TensorFlow starts
ONNX_TYPES = {"FP32": "float", "FP64": "double", "INT64": "int64", "BOOL": "bool", "BYTES": "string"}
SLOW_WIDTH = 256
LINES = pytest.StashKey[list[str]]()
Config = dict[str, Any]


@dataclass
class Node:
    """One running `freehold serve`, and what a test may ask of it."""

    process: subprocess.Popen[str]
    url: str
    log_file: Path
    home: Path
    client: httpx.Client
    judged: bool = False  # whether its end has been looked at
    reads: dict[str, str] = field(default_factory=dict)  # headers with which its numbers are read

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for sockets."""
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    @property
    def log(self) -> str:
        """Standard error so far."""
        return self.log_file.read_text()

    @property
    def last_words(self) -> str:
        """The end of the log, for the message of a test that fails."""
        return self.log[-4000:]

    def ask(self, path: str, **message: object) -> httpx.Response:
        """POST a JSON body."""
        return self.client.post(path, json=message)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name whose labels agree; 0.0 when there is none."""
        families = text_string_to_metric_families(self._numbers())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def _numbers(self) -> str:
        """Its metrics; where the key of this test's clients may not read them, by one that may."""
        if self.client.get("/metrics", headers=self.reads).status_code == 403:
            freehold = commanding(self.home, self.log_file.parent)
            made = freehold("keys", "create", "--name", "numbers", "--role", "viewer", "--json")
            self.reads = {"Authorization": f"Bearer {json.loads(made.out)['key']}"}
            eventually(lambda: self.client.get("/metrics", headers=self.reads).is_success, "the new key counts")
        return self.client.get("/metrics", headers=self.reads).text

    def workers(self) -> list[int]:
        """The ids of its engine processes, whatever has come of them."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed if b"engine.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def rss_mb(self) -> float:
        """Resident memory of the server process."""
        fields = re.search(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE)
        assert fields is not None
        return int(fields[1]) / 1024

    def open_files(self) -> int:
        """Descriptors of the server process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def leave(self) -> str:
        """Ask the process to leave, check how it did, and return its log."""
        assert self.metric("freehold_errors_total", code="internal") == 0, self.last_words
        self.process.send_signal(signal.SIGTERM)
        return self.left()

    def left(self, expected: int = 0) -> str:
        """Wait for a process that was asked to leave, check its exit code and its log, and return the log."""
        self.judged = True
        code = self.process.wait(PATIENCE_S)
        assert "Traceback" not in self.log, self.last_words
        assert code == expected, self.last_words
        return self.log


@dataclass(frozen=True)
class Ended:
    """A command that came to its end: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def environment(home: Path, **changes: str) -> dict[str, str]:
    """This process's environment without what would change how a server is found or answers."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FREEHOLD_", "MODEL_", "LC_", "LANG"))}
    return {**kept, "LANG": "C.UTF-8", "FREEHOLD_HOME": str(home), **changes}


def write_graph(path: Path, text: str, **initializers: np.ndarray[Any, Any]) -> Path:
    """An ONNX file from the textual form of its graph."""
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]>\n{text}')
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in initializers.items())
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def write_onnx() -> Callable[..., Path]:
    """`write_onnx(path, text, **initializers)`: an ONNX file from the textual form of its graph."""
    return write_graph


@pytest.fixture(scope="session")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Graphs by name: an identity [n, 3] of each datatype, `sixteen` (softmax of [n, 16]), and `slow`.

    `slow` multiplies x [1, 256] `steps` times by a matrix, so that a request says itself how long it takes.
    """
    folder = tmp_path_factory.mktemp("graphs")
    written = {
        datatype.lower(): write_graph(
            folder / f"{datatype.lower()}.onnx", f"id ({name}[n, 3] x) => ({name}[n, 3] y) {{ y = Identity(x) }}"
        )
        for datatype, name in ONNX_TYPES.items()
    }
    written["sixteen"] = write_graph(
        folder / "sixteen.onnx", "soft (float[n, 16] x) => (float[n, 16] y) { y = Softmax<axis = 1>(x) }"
    )
    body = """turn (int64 i, bool cond_in, float[1, 256] now) => (bool cond_out, float[1, 256] next) {
        cond_out = Identity(cond_in)
        product = MatMul(now, w)
        next = Tanh(product)
    }"""
    loop = f"slow (int64[1] steps, float[1, 256] x) => (float[1, 256] y) {{ y = Loop<body = {body}>(steps, , x) }}"
    matrix = np.random.default_rng(0).standard_normal((SLOW_WIDTH, SLOW_WIDTH), dtype=np.float32) / 16
    written["slow"] = write_graph(folder / "slow.onnx", loop, w=matrix)
    return written


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder that the servers of this session share, so that a graph is written once."""
    return tmp_path_factory.mktemp("state") / "freehold"


Words = Iterable[object]


def spawn(home: Path, folder: Path, words: Words, prefix: tuple[str, ...] = (), **env: str) -> subprocess.Popen[str]:
    """`freehold WORDS` as a process of its own; what it prints goes to the files stdout and stderr of `folder`."""
    command = [*prefix, str(FREEHOLD), *map(str, words)]
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        return subprocess.Popen(command, env=environment(home, **env), cwd=folder, stdout=out, stderr=err)


def start(home: Path, folder: Path, words: Words, prefix: tuple[str, ...], verb: str, **env: str) -> Node:
    """A server that has said where it serves. It is stopped when it does not come to that."""
    out, err = folder / "stdout", folder / "stderr"
    process = spawn(home, folder, [verb, *words], prefix, **env)

    def serving() -> re.Match[str] | None:
        assert process.poll() is None, f"it left with {process.returncode}: {err.read_text()}"
        return re.search(r"^Freehold serves on (http://[^\s,]+)", out.read_text(), re.MULTILINE)

    try:
        url = eventually(serving, "serving")[1]
    except AssertionError:
        process.kill()
        process.wait()
        raise
    return Node(process, url, err, home, httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S))


@contextmanager
def serving(
    home: Path,
    folder: Path,
    source: Config | object,
    *options: object,
    prefix: tuple[str, ...] = (),
    verb: str = "serve",
    **env: str,
) -> Iterator[Node]:
    """A server of a configuration (a dict) or of any other source, stopped and judged at the end of the block."""
    if isinstance(source, dict):
        (folder / "freehold.yaml").write_text(yaml.safe_dump(source))
        source = folder / "freehold.yaml"
    port = [] if "--port" in options else ["--port", 0]
    node = start(home, folder, [source, *options, *port], prefix, verb, **env)
    try:
        with node.client:
            yield node
            if not node.judged:
                node.leave()
    finally:
        if node.process.poll() is None:
            node.process.kill()
        node.process.wait()


Launch = Callable[..., Node]


def launching(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launch]:
    """`launch(config or source, "--option", ..., home=, prefix=, verb=, VARIABLE=)`: a server of this test alone; by
    `shared_launch` one that many tests share."""
    with ExitStack() as stack:

        def one(source: Config | object, *options: object, home: Path = home, **more: Any) -> Node:
            return stack.enter_context(serving(home, tmp_path_factory.mktemp("node"), source, *options, **more))

        yield one


launch = pytest.fixture(launching, name="launch")
shared_launch = pytest.fixture(launching, scope="session", name="shared_launch")


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`loading(source, home=)`: a server as soon as it is a process; nothing is waited for."""
    begun: list[subprocess.Popen[str]] = []

    def one(source: object, *, home: Path) -> subprocess.Popen[str]:
        begun.append(spawn(home, tmp_path, ["serve", source, "--port", 0]))
        return begun[-1]

    yield one
    for process in begun:
        process.kill()
        process.wait()


def commanding(home: Path, folder: Path) -> Callable[..., Ended]:
    """`freehold("serve", ..., home=, prefix=, VARIABLE=)`: a command that is expected to end by itself."""

    def run(
        *words: object, home: Path = home, prefix: tuple[str, ...] = (), patience_s: float = PATIENCE_S, **env: str
    ) -> Ended:
        command = [*prefix, str(FREEHOLD), *map(str, words)]
        settings = {"env": environment(home, **env), "cwd": folder, "timeout": patience_s}
        ended = subprocess.run(command, check=False, capture_output=True, text=True, **settings)
        assert "Traceback" not in ended.stderr, ended.stderr
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def freehold(home: Path, tmp_path: Path) -> Callable[..., Ended]:
    """A command in the folder of this test: `commanding`."""
    return commanding(home, tmp_path)


@pytest.fixture(scope="session")
def shared_freehold(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ended]:
    """The same for what many tests share."""
    return commanding(home, tmp_path_factory.mktemp("commands"))


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., Ended]:
    """`shell(line, home=)`: a line as a reader types it in the folder of this test, where `freehold` is a command."""

    def run(line: str, *, home: Path) -> Ended:
        path = f"{FREEHOLD.parent}{os.pathsep}{os.environ['PATH']}"
        settings = {"env": environment(home, PATH=path), "cwd": tmp_path, "timeout": LONG_PATIENCE_S}
        ended = subprocess.run(line, shell=True, check=False, capture_output=True, text=True, **settings)
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def crowd() -> type[Crowd]:
    """`with crowd(node, path, body, clients) as one:` sends until the block ends; then `one.tally` is complete."""
    return Crowd


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """`report(line)`: a result that is printed when all tests are done, for the page of measurements."""
    return request.config.stash.setdefault(LINES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests reported."""
    lines = terminalreporter.config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("results")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def soon() -> Callable[..., Any]:
    """`soon(found, what)` waits until `found()` is true."""
    return eventually


@pytest.fixture(scope="session")
def node(shared_launch: Launch, graphs: dict[str, Path], minilm_folder: Path, tiny_reranker_folder: Path) -> Node:
    """The server that most tests share: an embedding model, a reranker, tensors of each type; bodies up to 2 MiB."""
    sources = {"minilm": minilm_folder, "judge": tiny_reranker_folder}
    sources |= {name: path for name, path in graphs.items() if name != "slow"}
    config = {
        "models": [{"id": name, "source": str(path)} for name, path in sources.items()],
        "limits": {"body_mb": 2},
        "server": {"body_timeout_s": 2},
    }
    return shared_launch(config, "--no-tune")
