"""Servers that this one starts: ready, dying, never ready, deaf to signals, and gone when it is."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.config import Defaults, Gpus, ModelConfig
from freehold.errors import FreeholdError
from freehold.gateway.upstreams.child import Patience, allotted, recipe

UNRULY = str(Path(__file__).parents[1] / "unruly.py")
STUBBORN = (
    "import signal,time,sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


def child(tmp_path: Path, *words: str, **fields: Any) -> ModelConfig:
    """A model served by `python WORDS`."""
    (tmp_path / "model.bin").touch()
    return ModelConfig(id="own", source=str(tmp_path / "model.bin"), command=(sys.executable, *words), **fields)


def processes(mark: str) -> list[int]:
    """Ids of the processes that have `mark` on their command line or among their variables, this one aside."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            seen = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            is_dead = (place / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (OSError, PermissionError):
            continue
        if mark.encode() in seen and not is_dead and int(place.name) != os.getpid():
            found.append(int(place.name))
    return found


def test_a_child_is_started_served_and_ended_with_us(node_of: Callable[..., Any], tmp_path: Path) -> None:
    """Behind the same API; it gets its model and port, and is gone when the node is."""
    mark = f"mark-{tmp_path.name}"
    with_model = child(tmp_path, UNRULY, "{port}", '{"models": [{"id": "{id}"}]}', "{model}", mark)
    with node_of(with_model) as node:
        node.wait("own")
        assert node.ask("own", a=1).json() == {"model": "own", "a": 1}
        (pid,) = processes(mark)
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        assert str(tmp_path / "model.bin") in words
    assert processes(mark) == []


def test_a_child_that_dies_is_started_again(
    front: Callable[..., Any], tmp_path: Path, soon: Callable[..., Any]
) -> None:
    """Requests meanwhile are told why it is gone; then it answers again, as another process."""
    mark = f"mark-{tmp_path.name}"
    node = front(child(tmp_path, UNRULY, "{port}", "{}", mark))
    node.wait("own")
    (first,) = processes(mark)
    os.kill(first, signal.SIGKILL)
    node.wait("own", "restarting")
    answer = node.ask("own")
    assert answer.status_code in {200, 503}  # it may be back by then
    node.wait("own")
    assert node.ask("own").status_code == 200
    (second,) = soon(lambda: processes(mark))
    assert second != first


def test_a_child_that_ends_at_once_is_told_with_its_last_words(
    front: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code and output stand in the error and in the log; it is tried again, with pauses that grow."""
    caplog.set_level(logging.INFO)
    node = front(child(tmp_path, "-c", "print('no GPU found'); raise SystemExit(3)", "{port}"))
    node.wait("own", "failed")
    answer = node.ask("own")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "child_died")
    assert "exit code 3" in answer.json()["error"]["message"]
    assert "no GPU found" in answer.json()["error"]["message"]
    said = [vars(record) for record in caplog.records if record.message == "child_says"]
    assert ("own", "no GPU found") in {(record["model"], record["line"]) for record in said}


def test_a_child_that_never_answers_is_given_up_and_tried_again(front: Callable[..., Any], tmp_path: Path) -> None:
    """After the time that a start may take; until then the model is loading, and requests for it wait."""
    silent = child(tmp_path, "-c", "import time; print('thinking', flush=True); time.sleep(60)", "{port}")
    node = front(silent, patience=Patience(startup_s=1.0, grace_s=2.0, pause_s=5.0))
    assert node.upstream("own").state == "loading"
    answer = node.ask("own")
    assert node.upstream("own").state == "failed"
    assert answer.json()["error"]["code"] == "child_never_ready"
    assert "thinking" in answer.json()["error"]["message"]


def test_a_child_that_ignores_our_asking_is_killed_with_all_it_started(
    node_of: Callable[..., Any], tmp_path: Path, soon: Callable[..., Any]
) -> None:
    """After the grace time nothing of its group is left."""
    mark = f"mark-{tmp_path.name}"
    brood = f"import subprocess,sys; subprocess.Popen([sys.executable, '-c', {STUBBORN!r}, {mark!r}]); {STUBBORN}"
    with node_of(child(tmp_path, "-c", brood, "{port}"), patience=Patience(grace_s=0.3)):
        soon(lambda: len(processes(mark)) == 2)
    assert processes(mark) == []


def test_long_lines_and_odd_bytes_of_its_output_are_logged(
    front: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither fills the memory nor stops the reading."""
    caplog.set_level(logging.INFO)
    noise = "import sys; sys.stdout.buffer.write(b'x' * 100000 + bytes([10, 255, 10])); sys.stdout.flush(); sys.exit(1)"
    node = front(child(tmp_path, "-c", noise, "{port}"))
    node.wait("own", "failed")
    lines = [vars(record)["line"] for record in caplog.records if record.message == "child_says"]
    assert max(map(len, lines)) <= 4096
    assert "\ufffd" in lines


VLLM = ModelConfig(
    id="qwen",
    source="/models/Qwen3-32B",
    engine="vllm",
    gpus=2,
    device="cuda",
    context_length=32768,
    max_output_tokens=8192,
    defaults=Defaults(temperature=0.6, top_p=0.95),
)


@pytest.fixture
def path_with_vllm(tmp_path: Path) -> str:
    """A folder with a program of that name."""
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program.parent)


def test_vllm_is_started_with_what_the_configuration_says(path_with_vllm: str) -> None:
    """Its name, its place, its lengths, its GPUs, and a key that nobody else on this machine knows."""
    made = recipe(VLLM, {"PATH": path_with_vllm, "HF_HOME": "/hf"}, frozenset(), "2,3", "secret-key")
    assert made.command(4711) == [
        *(f"{path_with_vllm}/vllm", "serve", "/models/Qwen3-32B", "--host", "127.0.0.1", "--port", "4711"),
        *("--served-model-name", "qwen", "--max-model-len", "32768", "--tensor-parallel-size", "2"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"),
        *("--override-generation-config", '{"temperature": 0.6, "top_p": 0.95, "max_new_tokens": 8192}'),
    ]
    assert made.environ["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert made.environ["VLLM_API_KEY"] == "secret-key"
    assert made.environ["HF_HOME"] == "/hf"


def test_a_program_that_is_missing_is_told_before_anything_starts() -> None:
    """With how to install it."""
    with pytest.raises(FreeholdError) as caught:
        recipe(VLLM, {"PATH": "/nowhere"}, frozenset(), "", "")
    assert caught.value.code == "child_program_missing"
    assert "vllm" in caught.value.fix


def test_secrets_and_our_own_settings_stay_with_us() -> None:
    """A child gets the rest of the environment; one by `command` sees the GPUs that we see, and gets no key."""
    model = ModelConfig(id="a", source="x:1", command=("sh", "{port}", "{model}", "--name={id}"))
    environ = {"PATH": os.environ["PATH"], "CORP_KEY": "k", "FREEHOLD_AUTH": "none", "MODEL_PATH": "/m", "LANG": "C"}
    made = recipe(model, environ, frozenset({"CORP_KEY"}), "", "")
    assert made.environ.keys() == {"PATH", "LANG"}
    assert made.command(80)[1:] == ["80", "x:1", "--name=a"]


@pytest.mark.parametrize(
    ("environ", "devices"),
    [
        ({}, {"a": "0,1", "c": "2"}),
        ({"CUDA_VISIBLE_DEVICES": "4,5,7"}, {"a": "4,5", "c": "7"}),
    ],
)
def test_each_child_gets_gpus_of_its_own(environ: dict[str, str], devices: dict[str, str]) -> None:
    """Of those that this process may see; other accelerators and those without are left alone."""
    models = [
        ModelConfig(id="a", source="/a", gpus=2),
        ModelConfig(id="b", source="/b", gpus=Gpus(count=1, resource="huawei.com/Ascend910")),
        ModelConfig(id="none", source="/n"),
        ModelConfig(id="c", source="/c", gpus=1),
    ]
    assert allotted(models, environ) == devices
