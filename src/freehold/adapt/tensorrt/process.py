"""One run of `trtexec`: its lines as they come, its end by a limit or by itself, and what its log says."""

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from freehold.adapt.conversion import Say
from freehold.adapt.tensorrt.log import Log, parse_log, step_of
from freehold.errors import FreeholdError
from freehold.machine import leash

LARGEST_LOG = 16 << 20  # bytes; what comes after is read and dropped
LONGEST_LINE = 1 << 16
PROBE_S = 60.0
SHOWN = 200  # characters

_CODES = {
    "operator": "tensorrt_operator_unknown",
    "memory": "tensorrt_memory",
    "profile": "tensorrt_profile_refused",
    "option": "tensorrt_option_unknown",
    "driver": "tensorrt_driver",
    "incompatible": "tensorrt_incompatible",
}


def run_trtexec(command: Sequence[str], log: Path, limit_s: float, say: Say) -> Log:
    """Run to the end, with its output in the file `log`; `say` hears of its steps.

    The process has a group of its own, which is killed as a whole after `limit_s` seconds and when this thread is
    interrupted. Raises FreeholdError `tensorrt_program`, `tensorrt_timeout`, `tensorrt_killed`, and by what the log
    says `tensorrt_operator_unknown`, `tensorrt_memory`, `tensorrt_profile_refused`, `tensorrt_option_unknown`,
    `tensorrt_driver`, `tensorrt_incompatible` or `tensorrt_failed`.
    """
    process = subprocess.Popen(  # noqa: S603 - the program that the user named or installed
        # So that it ends with this process, however that ends: a build left behind would hold the GPU for hours.
        leash.leashed([*command]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(limit_s, end)
    timer.start()
    try:
        text = _read(process, log, say)
        code = process.wait()
    finally:
        timer.cancel()
        _kill(process)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    if late.is_set():
        raise FreeholdError("tensorrt_timeout", seconds=round(limit_s), log=log)
    if code in (leash.NOT_FOUND, leash.NOT_EXECUTABLE) and "&&&&" not in text:
        raise FreeholdError("tensorrt_program", program=command[0], reason=text.strip()[-SHOWN:])
    return _judged(parse_log(text), code, log)


def version_of_program(program: str, log: Path) -> str:
    """The version of TensorRT that `program` belongs to, from the banner above its help. Raises FreeholdError."""
    told = run_trtexec([program, "--help"], log, PROBE_S, lambda _: None)
    if not told.version:
        raise FreeholdError("tensorrt_version_unknown", program=program, log=log)
    return told.version


def _read(process: subprocess.Popen[bytes], log: Path, say: Say) -> str:
    """Everything that it prints, up to `LARGEST_LOG`; bytes that are no text become U+FFFD."""
    assert process.stdout is not None
    kept: list[str] = []
    size = 0
    with log.open("wb") as file:
        while line := process.stdout.readline(LONGEST_LINE):
            if size > LARGEST_LOG:
                continue
            size += len(line)
            file.write(line)
            text = line.decode("utf-8", "replace")
            kept.append(text)
            step = step_of(text)
            if step:
                say(step)
    return "".join(kept)


def _judged(told: Log, code: int, log: Path) -> Log:
    """`told` where the run went well; `--help` ends without saying that it passed."""
    if code == 0 and told.passed is not False:
        return told
    if code == -signal.SIGKILL:
        raise FreeholdError("tensorrt_killed", log=log)
    reason = next(iter(told.errors), f"exit code {code}")
    name = _CODES.get(told.failure, "tensorrt_failed")
    raise FreeholdError(name, reason=reason, operator=told.operator, log=log)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The whole group; one that has ended and been waited for is left alone."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
