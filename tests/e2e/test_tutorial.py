"""The tutorial from a .pt file to a served INT8 model, as a reader runs it."""

import json
import os
import re
import signal
import socket
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "from-a-pt-file-to-int8.md"
PATIENCE_S = 60.0


def blocks(language: str) -> list[str]:
    """The page's code blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """What the reader types, in order."""
    return [line for block in blocks("sh") for line in block.replace("\\\n", " ").splitlines()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: str, folder: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    """The server of the page, on another port than the reader's, once it is ready."""
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [*command.split(), "--port", str(port)], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            limit = time.monotonic() + PATIENCE_S
            while not answers(f"http://127.0.0.1:{port}/readyz"):
                assert process.poll() is None, (folder / "serve.log").read_text()
                assert time.monotonic() < limit, (folder / "serve.log").read_text()
                time.sleep(0.05)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


def run(command: str, folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_page_has_ten_commands() -> None:
    """As its first sentence says."""
    assert len(commands()) == 10


def test_the_chinese_page_has_the_same_commands() -> None:
    """And the same script."""
    chinese = PAGE.with_name(f"{PAGE.stem}.zh-CN.md").read_text(encoding="utf-8")
    for block in (*blocks("sh"), *blocks("python")):
        assert block in chinese


def test_the_page_leads_from_a_pickle_to_an_answer(tmp_path: Path) -> None:
    """Refused without trust, converted with it, proven, quantized, signed, served: the INT8 model sees the label."""
    scripts = sysconfig.get_path("scripts")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}
    environment = {**kept, "PATH": f"{scripts}:{kept['PATH']}", "FREEHOLD_HOME": str(tmp_path / "home")}
    (script,) = blocks("python")
    (tmp_path / "make_model.py").write_text(script, encoding="utf-8")
    *steps, serve, ask = commands()
    said: list[str] = []
    for step in steps:
        done = run(step, tmp_path, environment)
        refused = step.startswith("freehold convert") and "--trust-code" not in step
        assert done.returncode == refused, f"{step}\n{done.stdout}{done.stderr}"
        said.append(done.stdout + done.stderr)
    assert "pickle_not_trusted" in said[1]
    assert "proof: raw" in said[2]
    assert (tmp_path / "proof.html").is_file()
    assert "accuracy" in said[4]
    label = int(re.findall(r"first label is (\d)", said[0])[0])
    port = free_port()
    with serving(serve, tmp_path, environment, port):
        answer = run(ask.replace(":8080", f":{port}"), tmp_path, environment)
    (output,) = json.loads(answer.stdout)["outputs"]
    assert output["shape"] == [1, 10]
    assert output["data"].index(max(output["data"])) == label
