"""Runs of a program, whatever it does."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.adapt.tensorrt.process import run_trtexec, version_of_program
from freehold.errors import FreeholdError

Script = Callable[[str], Path]
BANNER = "echo '&&&& RUNNING TensorRT.trtexec [TensorRT v101303] # trtexec'"
PASSED = "echo '&&&& PASSED TensorRT.trtexec [TensorRT v101303] # trtexec'"


def refusal(program: Path, log: Path, limit_s: float = 30.0) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        run_trtexec([str(program)], log, limit_s, lambda _: None)
    return caught.value


def test_steps_are_told_and_the_log_is_kept(script: Script, tmp_path: Path) -> None:
    """Both streams go into the log, and what it says comes back."""
    program = script(f"{BANNER}\necho '[11/23/2026-04:00:00] [I] Start parsing network model.' >&2\n{PASSED}")
    said: list[str] = []
    told = run_trtexec([str(program)], tmp_path / "log", 30.0, said.append)
    assert (told.passed, said) == (True, ["parsing the graph"])
    assert "Start parsing" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("[E] [TRT] No importer registered for op: Foo", "tensorrt_operator_unknown"),
        ("[E] [TRT] Error Code 1: Cuda Runtime (out of memory)", "tensorrt_memory"),
        ("[E] Static dimension mismatch while setting input shape for x.", "tensorrt_profile_refused"),
        ("[E] Unknown option: --fp16", "tensorrt_option_unknown"),
        ("[E] [TRT] CUDA initialization failure with error: 35", "tensorrt_driver"),
        ("[E] [TRT] The engine plan file is not compatible with this version", "tensorrt_incompatible"),
        ("[E] Error[2]: anything", "tensorrt_failed"),
    ],
)
def test_each_failure_has_its_error(script: Script, tmp_path: Path, line: str, code: str) -> None:
    """With the reason that was printed, and the log's place."""
    error = refusal(script(f"echo '[11/23/2026-04:00:00] {line}'\nexit 1"), tmp_path / "log")
    assert error.code == code
    assert str(tmp_path / "log") in error.cause


def test_a_program_that_says_failed_has_failed(script: Script, tmp_path: Path) -> None:
    """Whatever its exit code is."""
    assert (
        refusal(script("echo '&&&& FAILED TensorRT.trtexec [TensorRT v8601]'"), tmp_path / "log").code
        == "tensorrt_failed"
    )


def test_an_exit_code_without_a_word_is_told(script: Script, tmp_path: Path) -> None:
    """Nothing else is known."""
    assert refusal(script("exit 3"), tmp_path / "log").details["reason"] == "exit code 3"


def test_a_killed_program_is_told_apart(script: Script, tmp_path: Path) -> None:
    """Most often by the kernel, for want of memory."""
    assert refusal(script("kill -9 $$"), tmp_path / "log").code == "tensorrt_killed"


def test_a_late_program_is_ended_with_all_that_it_started(script: Script, tmp_path: Path) -> None:
    """The whole group goes, also what would hold the pipe open."""
    program = script(f"sleep 300 &\necho $! > {tmp_path / 'child'}\nsleep 300")
    begun = time.monotonic()
    assert refusal(program, tmp_path / "log", 0.5).code == "tensorrt_timeout"
    assert time.monotonic() - begun < 60
    child = int((tmp_path / "child").read_text())
    until(lambda: gone(child))


def test_bytes_that_are_no_text_are_read(script: Script, tmp_path: Path) -> None:
    """Garbage between the lines harms nothing."""
    told = run_trtexec([str(script(f"head -c 3000 /dev/urandom\necho\n{BANNER}\n{PASSED}"))], tmp_path / "l", 30, print)
    assert told.passed


def test_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    """A path that is not there, and a file that may not be executed."""
    assert refusal(tmp_path / "gone", tmp_path / "log").code == "tensorrt_program"
    (tmp_path / "file").write_text("text")
    assert refusal(tmp_path / "file", tmp_path / "log").code == "tensorrt_program"


def test_the_version_is_the_banners(script: Script, tmp_path: Path) -> None:
    """Another program has none."""
    assert version_of_program(str(script(BANNER)), tmp_path / "log") == "10.13.3"
    with pytest.raises(FreeholdError) as caught:
        version_of_program(str(script("echo hello")), tmp_path / "log")
    assert caught.value.code == "tensorrt_version_unknown"


def test_a_build_ends_with_the_process_that_asked_for_it(script: Script, tmp_path: Path) -> None:
    """However that ended: nothing goes on holding the GPU."""
    program = script(f"echo $$ > {tmp_path / 'pid'}\nexec sleep 300")
    code = "import sys; from pathlib import Path; from freehold.adapt.tensorrt.process import run_trtexec\n"
    code += "run_trtexec([sys.argv[1]], Path(sys.argv[2]), 300, print)"
    with subprocess.Popen([sys.executable, "-c", code, program, tmp_path / "log"]) as asking:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip() != "")
        asking.kill()
    until(lambda: gone(int((tmp_path / "pid").read_text())))


def until(condition: Callable[[], bool]) -> None:
    """Wait; only a broken test waits long."""
    limit = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether a process has ended, be it waited for or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
