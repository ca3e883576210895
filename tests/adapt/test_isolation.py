"""What a child may do and what not, shown by children that try; no framework is needed for that."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt import isolation
from freehold.adapt.isolation import ChildLimits, run_child, walls_here
from freehold.errors import FreeholdError

PATIENCE_S = 20.0  # only a broken test waits this long
PRELUDE = """
import json, os, socket, subprocess, sys, time, traceback
from pathlib import Path
from freehold.adapt.children.report import ChildError, run, step

def tried(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"

def work(job):
    writes = Path(job["writes"])
BODY

try:
    run(work)
except BaseException:
    traceback.print_exc()
    os._exit(1)
os._exit(0)
"""
NUMPY = [Path(np.__file__).parent, Path(np.__file__).parents[1] / "numpy.libs"]

RunIt = Callable[..., dict[str, Any]]


@pytest.fixture
def writes(tmp_path: Path) -> Path:
    """The one folder that a child may write to."""
    folder = tmp_path / "writes"
    folder.mkdir()
    return folder


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], Path]:
    """`python(body)` is the Python of another environment, with NumPy: whatever module it is told to run, it runs
    `body`, which is the inside of `work(job)`."""

    def make(body: str) -> Path:
        place = tmp_path / "environment"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = place / "lib" / version / "site-packages"
        packages.mkdir(parents=True)
        (place / "bin").mkdir()
        (place / "bin" / "python").symlink_to(Path(sys.executable).resolve())
        (place / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
        for path in NUMPY:
            (packages / path.name).symlink_to(path)
        lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
        (packages / "sitecustomize.py").write_text(PRELUDE.replace("BODY", lines))
        return place / "bin" / "python"

    return make


@pytest.fixture
def child(
    python: Callable[[str], Path], writes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunIt]:
    """`child(body, reads=(), trusted=False, say=..., **limits)` runs it isolated and returns its result."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))

    def run_it(
        body: str, *reads: Path, trusted: bool = False, say: Callable[[str], None] = print, **limits: Any
    ) -> dict[str, Any]:
        return run_child(
            "any",
            {"asked": 7},
            reads=[*reads, *NUMPY],
            writes=writes,
            trusted=trusted,
            python=python(body),
            limits=ChildLimits(**{"seconds": PATIENCE_S, **limits}),
            say=say,
        )

    return run_it


def failure(code: str, run: Callable[[], object]) -> FreeholdError:
    """The error of `run`, which has that code."""
    with pytest.raises(FreeholdError) as raised:
        run()
    assert raised.value.code == code, raised.value
    return raised.value


def processes(mark: str) -> list[int]:
    """The processes that have `mark` in their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def gone(mark: str) -> bool:
    """Whether no process with `mark` is left, soon."""
    limit = time.monotonic() + PATIENCE_S
    while processes(mark) and time.monotonic() < limit:
        time.sleep(0.02)
    return not processes(mark)


def test_a_child_gets_its_job_and_its_result_comes_back(child: RunIt, writes: Path) -> None:
    """The job arrives with the folder and the trust added; what was written lies in that folder."""
    result = child('(writes / "made").write_text("x")\nreturn {"job": job}', trusted=True)
    assert result["job"] == {"asked": 7, "writes": str(writes), "trusted": True}
    assert (writes / "made").read_text() == "x"


def test_the_steps_of_a_child_are_heard(child: RunIt) -> None:
    """What it says it is doing is passed on, without what would steer a terminal."""
    heard: list[str] = []
    child('step(job["writes"], "reading\\x1b[31m")\ntime.sleep(0.6)\nreturn {}', say=heard.append)
    assert heard == ["reading?[31m"]


def test_a_child_has_no_network(child: RunIt) -> None:
    """A listener of this machine is out of its reach, by every address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        body = f'return {{"how": tried(lambda: socket.create_connection(("127.0.0.1", {port}), 5)), "has": '
        body += "[name for _, name in socket.if_nameindex()]}"
        result = child(body)
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()
    assert result["how"] != "done"
    assert result["has"] == ["lo"]


def test_a_child_reaches_no_socket_of_the_file_system(child: RunIt, tmp_path: Path) -> None:
    """A service that listens on a path, as Docker does, is not there for it."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        body = f'return {{"how": tried(lambda: socket.socket(socket.AF_UNIX).connect("{path}"))}}'
        assert child(body)["how"] == "FileNotFoundError"


def test_a_child_writes_nowhere_else(child: RunIt, tmp_path: Path) -> None:
    """Not beside its folder, not into the source, not into the system, not over its own program."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights").write_text("weights")
    targets = [tmp_path / "beside", source / "weights", source / "new", Path("/usr/new"), Path("/new")]
    body = f'return {{"how": [tried(lambda: Path(path).write_text("x")) for path in {list(map(str, targets))}]}}'
    assert "done" not in child(body, source)["how"][1:]
    assert (source / "weights").read_text() == "weights"
    assert not any(path.exists() for path in targets if path.name in {"new", "beside"})


def test_a_child_sees_only_what_it_was_given(child: RunIt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of ours, no file of a home, no process but its own."""
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    (tmp_path / "key").write_text("secret")
    body = f'return {{"key": Path("{tmp_path / "key"}").exists(), "environ": dict(os.environ), '
    body += '"home": os.listdir("/root") if Path("/root").exists() else [], '
    body += '"processes": [name for name in os.listdir("/proc") if name.isdigit()]}'
    result = child(body)
    assert result["key"] is False
    assert not {"HF_TOKEN", "HTTPS_PROXY", "FREEHOLD_HOME"} & result["environ"].keys()
    assert len(result["processes"]) == 2  # itself, and the first one that waits for it
    assert all(Path(sys.base_prefix).is_relative_to(Path("/root") / name) for name in result["home"])


def test_a_child_has_no_privileges(child: RunIt) -> None:
    """Root or not, nothing of what root may do is left, and no program gives it back."""
    result = child('return {"status": Path("/proc/self/status").read_text()}')
    status = dict(line.split(":\t", 1) for line in result["status"].splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


def test_what_is_inheritable_is_not_inherited(python: Callable[[str], Path], writes: Path) -> None:
    """Older Docker starts its containers with inheritable capabilities, which root keeps over an exec."""
    program = python('return {"status": Path("/proc/self/status").read_text()}')
    script = f"""
import ctypes
from pathlib import Path
from freehold.adapt.isolation import run_child
libc, header, words = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert libc.capget(header, words) == 0
words[2], words[5] = words[1], words[4]
assert libc.capset(header, words) == 0
print(run_child('any', {{}}, reads=[Path(each) for each in {list(map(str, NUMPY))}], writes=Path({str(writes)!r}),
                trusted=False, python=Path({str(program)!r}), say=lambda text: None)["status"])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    status = dict(line.split(":\t", 1) for line in ran.stdout.splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapInh"], 16) == 0


def test_links_of_the_source_lead_where_they_led(child: RunIt, tmp_path: Path) -> None:
    """The cache of a hub keeps a model as links to files beside its folder."""
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "1").write_text("weights")
    source = tmp_path / "snapshots" / "main"
    source.mkdir(parents=True)
    (source / "model").symlink_to("../../blobs/1")
    assert child(f'return {{"text": Path("{source / "model"}").read_text()}}', source)["text"] == "weights"


def test_a_source_may_consist_of_many_links(child: RunIt, tmp_path: Path) -> None:
    """More than fit into one argument of a program, 128 KB."""
    source, blobs = tmp_path / "source", tmp_path / f"{'b' * 200}"
    source.mkdir()
    blobs.mkdir()
    for number in range(500):
        (blobs / str(number)).write_text("weights")
        (source / str(number)).symlink_to(blobs / str(number))
    assert child(f'return {{"text": Path("{source / "499"}").read_text()}}', source)["text"] == "weights"


def test_links_of_the_source_show_no_folder(child: RunIt, tmp_path: Path) -> None:
    """Not even one that leads nowhere, and of which only the words name a folder."""
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "key").write_text("secret")
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights").symlink_to("absent/../../home")
    (source / "folder").symlink_to("../home")
    assert child(f'return {{"there": Path("{tmp_path / "home" / "key"}").exists()}}', source)["there"] is False


def test_a_pipe_in_place_of_a_step_holds_nobody(child: RunIt) -> None:
    """Nobody ever writes into it, and the time is over all the same."""
    failure("isolated_timeout", lambda: child('os.mkfifo(writes / "step.txt")\ntime.sleep(600)', seconds=1.5))


def test_a_link_in_place_of_a_step_is_not_read(child: RunIt) -> None:
    """It would be read by us, who may read more."""
    heard: list[str] = []
    body = '(writes / "step.txt").symlink_to("/etc/hostname")\ntime.sleep(0.5)\nreturn {}'
    failure("isolated_result_invalid", lambda: child(body, say=heard.append))
    assert heard == []


def test_of_much_output_the_end_is_kept(child: RunIt, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that never stops talking does not fill the folder of logs."""
    monkeypatch.setattr(isolation, "LARGEST_LOG", 1000)
    error = failure("isolated_died", lambda: child('print("x" * 100_000 + "almost", flush=True)\nos._exit(3)'))
    kept = Path(str(error.details["log"])).read_text()
    assert len(kept) == 1000
    assert kept.endswith("almost\n")


def test_a_child_that_takes_too_long_is_ended_with_all_its_processes(child: RunIt, tmp_path: Path) -> None:
    """Also one that it started into a session of its own."""
    mark = f"{tmp_path.name}-sleeper"
    body = f'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "{mark}"], start_new_session=True)'
    error = failure("isolated_timeout", lambda: child(f"{body}\ntime.sleep(600)", seconds=1.5))
    assert Path(str(error.details["log"])).is_file()
    assert gone(mark)


def test_processor_time_has_an_end(child: RunIt) -> None:
    """A loop without one is stopped by the kernel."""
    failure("isolated_cpu", lambda: child("while True:\n    pass", cpu_seconds=2))


def test_memory_has_an_end(child: RunIt) -> None:
    """More than was allowed is refused to it, and told with the number."""
    error = failure("isolated_memory", lambda: child("return {'x': len(bytearray(1 << 30))}", memory_bytes=600 << 20))
    assert error.details["megabytes"] == 600


def test_a_full_disk_is_told_as_one(child: RunIt) -> None:
    """A file that outgrows the limit is the same failure to it."""
    body = '(writes / "big").write_bytes(bytes(1 << 22))\nreturn {}'
    failure("convert_disk_full", lambda: child(body, file_bytes=1 << 20))


def test_a_child_that_crashes_leaves_its_last_words(child: RunIt) -> None:
    """The signal, the last lines, and the whole output in a file that stays."""
    error = failure("isolated_died", lambda: child('print("almost", flush=True)\nos.abort()'))
    assert error.details["how"] == "SIGABRT"
    assert "almost" in str(error.details["said"])
    assert "almost" in Path(str(error.details["log"])).read_text()


def test_an_exception_is_told_with_its_line(child: RunIt) -> None:
    """What nobody foresaw is reported by its own words."""
    error = failure("isolated_failed", lambda: child('raise ValueError("wrong \\x1b[2J corner")'))
    assert error.details["error"] == "ValueError: wrong ?[2J corner"


def test_a_child_reports_by_code(child: RunIt) -> None:
    """A code of the table comes back with its details and the log."""
    body = 'raise ChildError("datatype_unsupported", name="x", datatype="complex64", known="FP32")'
    assert "complex64" in failure("datatype_unsupported", lambda: child(body)).cause


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('raise ChildError("no_such_code")', "no_such_code"),
        ('raise ChildError("datatype_unsupported")', "datatype_unsupported"),
        ('raise ChildError("isolated_timeout", seconds="long")', "isolated_timeout"),
        ('raise ChildError("isolated_cpu", **{"self": 1, "seconds": 2})', "isolated_cpu"),
        ('(writes / "model.onnx").symlink_to("/etc/passwd")\nreturn {}', "neither a file nor a folder"),
        ('os.mkfifo(writes / "result.txt")\nreturn {}', "neither a file nor a folder"),
        ('(writes / "result.json").write_text("{")\nos._exit(0)', "no JSON"),
        ('(writes / "result.json").write_text("[]")\nos._exit(0)', "no object"),
    ],
)
def test_what_a_child_leaves_is_not_believed(child: RunIt, body: str, reason: str) -> None:
    """A code that does not exist, links and pipes, and what is no result are refused."""
    assert reason in failure("isolated_result_invalid", lambda: child(body)).cause


def test_a_child_dies_with_us(python: Callable[[str], Path], writes: Path, tmp_path: Path) -> None:
    """Kill -9 of the command that started it leaves no process behind."""
    program = python('(writes / "begun").touch()\ntime.sleep(600)')
    script = (
        "from pathlib import Path; from freehold.adapt.isolation import run_child; "
        f"run_child('any', {{}}, reads=[Path(each) for each in {list(map(str, NUMPY))}], "
        f"writes=Path({str(writes)!r}), "
        f"trusted=False, python=Path({str(program)!r}), say=print)"
    )
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", script], env=environ)
    try:
        limit = time.monotonic() + PATIENCE_S
        while not (writes / "begun").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        assert (writes / "begun").exists()
        assert processes(str(program.parents[1]))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert gone(str(program.parents[1]))


def test_without_namespaces_limits_still_hold_and_a_notice_is_given(
    child: RunIt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where `unshare` is missing the child runs all the same, without our variables, and the user is told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HF_TOKEN", "secret")
    walls_here.cache_clear()
    try:
        assert walls_here().kind == "limits only"
        assert "HF_TOKEN" not in child('return {"environ": dict(os.environ)}')["environ"]
        assert "NOT cut off" in caplog.text
    finally:
        walls_here.cache_clear()


def test_an_environment_that_is_not_there_is_named(writes: Path) -> None:
    """A path without a Python is an error before anything is started."""
    with pytest.raises(FreeholdError, match="isolated_python_missing"):
        run_child("any", {}, reads=[], writes=writes, trusted=False, python=writes / "python", say=print)
