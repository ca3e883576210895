"""wrk, for requests that cost the server microseconds: one thread, one body sent again and again."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping

import msgspec

from bench.places import BENCH

PREFIX = "RESULT "


class Summary(msgspec.Struct, frozen=True):
    """What wrk saw. `failed` counts answers other than 2xx, time-outs and broken connections."""

    requests: int
    seconds: float
    p50_s: float
    p99_s: float
    failed: int


def parse(output: str) -> Summary:
    """The summary in what `wrk.lua` printed. Raises ValueError when there is none, or a broken one."""
    lines = [line.removeprefix(PREFIX) for line in output.splitlines() if line.startswith(PREFIX)]
    if not lines:
        raise ValueError(f"wrk printed no result:\n{output}")
    try:
        return msgspec.json.decode(lines[-1], type=Summary)
    except msgspec.DecodeError as error:
        raise ValueError(f"wrk's result cannot be read: {error}\n{output}") from error


def send(port: int, path: str, headers: Mapping[str, str], body: bytes, concurrency: int, seconds: float) -> Summary:
    """Send `body` for `seconds` over `concurrency` connections.

    Raises FileNotFoundError when wrk is not installed, ValueError with its words when it measured nothing.
    """
    program = shutil.which("wrk")
    if program is None:
        raise FileNotFoundError("wrk is not installed: apt-get install wrk")
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        options = ["-t1", f"-c{concurrency}", f"-d{max(1, round(seconds))}s", "--timeout", "60s"]
        script = ["-s", str(BENCH / "wrk.lua"), f"http://127.0.0.1:{port}{path}", "--", file.name]
        pairs = [text for pair in headers.items() for text in pair]
        done = subprocess.run([program, *options, *script, *pairs], capture_output=True, text=True, check=False)
    return parse(done.stdout + done.stderr)
