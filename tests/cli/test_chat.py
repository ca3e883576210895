"""`freehold run` with a model that generates text: one answer, or a conversation."""

import io
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.chat import DIM, PLAIN, Screen
from freehold.protocol.chat import Delta

Freehold = Callable[..., Any]


@pytest.fixture(scope="session")
def talker_folder(tiny_decoder: Callable[..., Path]) -> Path:
    """A decoder of random weights with a chat template."""
    return tiny_decoder()


@pytest.fixture
def endless_folder(talker_folder: Path, tmp_path: Path) -> Path:
    """The same, with room for 32,768 tokens and no token that ends an answer."""
    folder = shutil.copytree(talker_folder, tmp_path / "endless")
    config = json.loads((folder / "config.json").read_text())
    config.update(max_position_embeddings=1 << 15, eos_token_id=None)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").unlink()
    return folder


@contextmanager
def running(folder: Path, *words: str, **settings: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process of its own, killed when a test fails."""
    command = [sys.executable, "-m", "freehold.cli.main", "run", str(folder), *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def test_a_question_is_answered(freehold: Freehold, talker_folder: Path) -> None:
    """Its words are one question; the text comes as it is, or whole as data."""
    shown = freehold("run", str(talker_folder), "who", "are", "you")
    assert shown.code == 0
    ran = freehold("run", str(talker_folder), "who are you", "--json")
    assert ran.data["content"] == shown.out.removesuffix("\n")
    assert ran.data["finish_reason"] in ("stop", "length")
    assert ran.data["usage"]["completion_tokens"] > 0


def test_lines_are_turns_of_one_conversation(
    freehold: Freehold, talker_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a pipe too; blank ones are none, and each prompt has all before it."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n\n  \nand now?\n"))
    answers = freehold("run", str(talker_folder), "--json").data
    assert len(answers) == 2
    first, second = (answer["usage"] for answer in answers)
    assert second["prompt_tokens"] > first["prompt_tokens"] + 50


def test_a_question_can_be_piped_in_whole(
    freehold: Freehold, talker_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-` is standard input as one question."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("two\nlines\n"))
    piped = freehold("run", str(talker_folder), "-", "--json").data
    assert piped == freehold("run", str(talker_folder), "two\nlines", "--json").data


def test_a_model_without_a_template_continues_texts(freehold: Freehold, talker_folder: Path, tmp_path: Path) -> None:
    """Its prompt is the text itself."""
    folder = shutil.copytree(talker_folder, tmp_path / "bare")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert freehold("run", str(folder), "A", "--json").data["usage"]["prompt_tokens"] == 1


def test_ctrl_c_stops_an_answer_and_not_the_conversation(folder: Path, endless_folder: Path) -> None:
    """Each of two answers begins, and neither comes to its end of thousands of tokens."""
    with running(endless_folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        seen = 0
        for question in (b"hello\n", b"more\n"):
            process.stdin.write(question)
            process.stdin.flush()
            seen += len(os.read(process.stdout.fileno(), 100))
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in err) == (0, False), err
    assert 0 < seen + len(out) < 4000


def test_a_terminal_shows_a_prompt_and_leaves_by_ctrl_c(folder: Path, talker_folder: Path) -> None:
    """On a terminal of its own: a line is typed, its answer comes, Ctrl-C at the prompt leaves."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with running(talker_folder, stdin=theirs, stdout=theirs, start_new_session=True) as process:
        os.close(theirs)
        read_until(ours, "> ")
        os.write(ours, b"hello\n")
        shown = read_until(ours, "\n> ")
        assert "hello" in shown
        assert interrupted(process) == 0
    os.close(ours)


def interrupted(process: "subprocess.Popen[bytes]") -> int:
    """How it ends when Ctrl-C is pressed until it does: random weights may write what looks like the prompt, and then
    the first one stops their answer."""
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.wait(3)
    raise AssertionError("it did not leave")


def read_until(terminal: int, text: str) -> str:
    """What a terminal shows until it ends with `text`."""
    shown, last = "", time.monotonic() + 60
    while not shown.replace("\r", "").endswith(text):
        assert select.select([terminal], [], [], last - time.monotonic())[0], shown
        shown += os.read(terminal, 1024).decode(errors="replace")
    return shown


class Terminal(io.StringIO):
    """Where a person watches."""

    def isatty(self) -> bool:
        return True


def test_bytes_that_are_no_text_are_read_and_written_all_the_same(folder: Path, talker_folder: Path) -> None:
    """A letter of another encoding through a pipe, and an answer that the terminal's encoding lacks."""
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with running(talker_folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
        out, err = process.communicate(b"\xff\xfe \xb9\xfa\nhello\n", 60)
    assert (process.returncode, err) == (0, b"")
    assert out.endswith(b"\n")


@pytest.mark.parametrize("variable", [("TERM", "dumb"), ("NO_COLOR", "1")])
def test_a_plain_terminal_gets_no_escapes(variable: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Reasoning stands on lines of its own."""
    monkeypatch.setenv(*variable)
    terminal = Terminal()
    screen = Screen(terminal)
    for delta in (Delta(reasoning_content="Hm."), Delta(content="Yes")):
        screen.show(delta)
    screen.end()
    assert terminal.getvalue() == "Hm.\nYes\n"


def test_reasoning_is_dimmed_for_people_and_left_out_of_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model writes to a terminal cannot command it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    deltas = [Delta(reasoning_content="Hm"), Delta(reasoning_content=".\x1b[2J"), Delta(content="Yes\x07\t数")]
    terminal, pipe = Terminal(), io.StringIO()
    for out in (terminal, pipe):
        screen = Screen(out)
        for delta in deltas:
            screen.show(delta)
        screen.end()
    assert terminal.getvalue() == f"{DIM}Hm.[2J{PLAIN}\nYes\t数\n"
    assert pipe.getvalue() == "Yes\x07\t数\n"


def test_nothing_is_shown_where_data_is_wanted() -> None:
    """A screen of nothing takes everything."""
    screen = Screen(None)
    screen.show(Delta(content="Yes"))
    screen.end()
