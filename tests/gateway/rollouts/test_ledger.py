"""Rollouts as files, their locks, and what a disk or a crash does to them."""

import fcntl
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from freehold.errors import FreeholdError
from freehold.gateway.rollouts import ledger as module
from freehold.gateway.rollouts.ledger import Ledger, Numbers, Progress, read_bytes
from freehold.gateway.rollouts.rollout import Rollout

RECORDING = b'{"path": "/v1/embeddings", "body": {"input": "a"}}\n'
CHAT = Rollout(route="chat", new="b", steps=(5, 100), hold_s=1.0)


def code(error: pytest.ExceptionInfo[FreeholdError]) -> str:
    return error.value.code


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    """With its recording beside it; what is absent is None, and nothing else is listed."""
    ledger = Ledger(tmp_path)
    assert (ledger.all(), ledger.read("chat")) == (([], []), None)
    ledger.change("chat", lambda _: CHAT, RECORDING)
    (tmp_path / "rollouts" / ".chat.json.17").write_text("{")
    assert Ledger(tmp_path).all() == ([CHAT], [])
    assert ledger.recording("chat")[0].body == {"input": "a"}


def test_nothing_is_written_where_a_change_is_refused(tmp_path: Path) -> None:
    """Neither the record nor the recording."""
    ledger = Ledger(tmp_path)

    def refuse(_: Rollout | None) -> Rollout:
        raise FreeholdError("rollout_absent", route="chat")

    with pytest.raises(FreeholdError):
        ledger.change("chat", refuse, RECORDING)
    assert ledger.routes() == []
    assert not (tmp_path / "rollouts" / "goldens" / "chat.jsonl").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"route": "chat"}',
        msgspec.json.encode(msgspec.structs.replace(CHAT, route="other")),
    ],
)
def test_a_damaged_record_is_told_and_the_others_go_on(tmp_path: Path, content: bytes) -> None:
    """With its path; it is never read as something else."""
    ledger = Ledger(tmp_path)
    ledger.change("fine", lambda _: msgspec.structs.replace(CHAT, route="fine"))
    (tmp_path / "rollouts" / "chat.json").write_bytes(content)
    found, problems = ledger.all()
    assert [one.route for one in found] == ["fine"]
    assert [problem.code for problem in problems] == ["rollout_damaged"]
    assert "chat.json" in problems[0].cause


@pytest.mark.parametrize(
    "edited",
    [
        {"step": -2},
        {"step": 3},
        {"steps": []},
        {"steps": [300]},
        {"steps": list(range(101))},
        {"hold_s": -1},
        {"asked_at": 1e300},
        {"limits": {"requests": 0}},
        {"limits": {"errors": -1}},
        {"phase": "running", "old": {}},
        {"phase": "running", "old": {"a": 0}},
        {"phase": "running", "old": {"b": 100}},
        {"wish": "more"},
        {"reason": {"code": "no_such"}},
        {"reason": {"code": "rollout_waits_hold"}},
        {"history": [{"at": 1e300, "what": "raised", "percent": 5}]},
        {"history": [{"at": 1, "what": "raised", "percent": 500}]},
    ],
)
def test_a_record_that_was_edited_into_nonsense_is_told(tmp_path: Path, edited: dict[str, object]) -> None:
    """Shares that are none, a step that is not there, a reason without its words: nobody acts upon it."""
    ledger = Ledger(tmp_path)
    ledger.change("chat", lambda _: CHAT)
    path = tmp_path / "rollouts" / "chat.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | edited))
    found, (problem,) = ledger.all()
    assert (found, problem.code) == ([], "rollout_damaged")


@contextmanager
def no_more_open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_was_read_stays_while_nothing_can_be_read(tmp_path: Path) -> None:
    """Too many open files, or a record that is broken under way: no share changes by it, and the error is told."""
    ledger = Ledger(tmp_path)
    ledger.change("chat", lambda _: CHAT)
    assert ledger.all() == ([CHAT], [])
    with no_more_open_files():
        assert ledger.all() == ([CHAT], [])
    (tmp_path / "rollouts" / "chat.json").write_text("{")
    for _ in range(2):
        found, (problem,) = ledger.all()
        assert (found, problem.code) == ([CHAT], "rollout_damaged")
    (tmp_path / "rollouts" / "chat.json").unlink()
    assert ledger.all() == ([], [])


def test_one_process_conducts_and_the_next_one_when_it_is_gone(tmp_path: Path) -> None:
    """The lock names its holder; a process that is killed gives it up."""
    ours = Ledger(tmp_path)
    program = (
        "import sys, time; from pathlib import Path; from freehold.gateway.rollouts.ledger import Ledger;"
        f"print(Ledger(Path({str(tmp_path)!r})).conduct(), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "True"
        assert (ours.conduct(), ours.conductor()) == (False, f"pid {other.pid}")
        other.send_signal(signal.SIGKILL)
    assert ours.conductor() is None
    assert ours.conduct()
    assert Ledger(tmp_path).conductor() == f"pid {os.getpid()}"
    ours.retire()
    assert Ledger(tmp_path).conductor() is None


def test_those_who_look_do_not_take_one_another_for_a_gateway(tmp_path: Path) -> None:
    """Two commands at once, and nobody conducts."""
    ledger = Ledger(tmp_path)
    assert ledger.conduct()
    ledger.retire()
    with (ledger.folder / "gateway.lock").open() as looked_at:
        fcntl.flock(looked_at, fcntl.LOCK_SH)
        assert ledger.conductor() is None


def test_what_a_killed_process_had_begun_to_write_is_taken_away(tmp_path: Path) -> None:
    """When the next one conducts; what is whole stays."""
    ledger = Ledger(tmp_path)
    ledger.change("chat", lambda _: CHAT, RECORDING)
    left = [tmp_path / "rollouts" / ".chat.json.17", tmp_path / "rollouts" / "goldens" / ".chat.jsonl.17"]
    for path in left:
        path.write_text("{")
    assert ledger.conduct()
    ledger.retire()
    assert [path.exists() for path in left] == [False, False]
    assert ledger.read("chat") == CHAT


def test_a_folder_that_was_taken_away_is_made_again(tmp_path: Path) -> None:
    """Its lock lay in it: it is taken anew, so that the command line finds who conducts."""
    ledger = Ledger(tmp_path)
    assert ledger.conduct()
    shutil.rmtree(ledger.folder)
    assert Ledger(tmp_path).conductor() is None
    assert ledger.conduct()
    assert Ledger(tmp_path).conductor() == f"pid {os.getpid()}"
    ledger.retire()


def test_a_record_that_changed_is_read_again(tmp_path: Path) -> None:
    """One that did not is not: what is listed is the file as it is."""
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    ledger.change("chat", lambda _: CHAT)
    assert ledger.all() == ([CHAT], [])
    later = msgspec.structs.replace(CHAT, wish="abort")
    other.change("chat", lambda _: later)
    assert ledger.all() == ([later], [])
    (first,), (second,) = ledger.all()[0], ledger.all()[0]
    assert first is second


def test_a_lock_that_is_held_for_long_names_its_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits is told whom for."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    (tmp_path / "rollouts").mkdir()
    with (tmp_path / "rollouts" / "lock").open("w") as held:
        held.write("pid 4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(FreeholdError) as caught:
            Ledger(tmp_path).change("chat", lambda _: CHAT)
    assert code(caught) == "rollout_busy"
    assert "pid 4711" in caught.value.cause


def test_a_disk_that_takes_no_writing_is_told(tmp_path: Path) -> None:
    """The folder cannot be made, so nothing begins."""
    (tmp_path / "rollouts").write_text("a file")
    for attempt in (lambda: Ledger(tmp_path).change("chat", lambda _: CHAT), Ledger(tmp_path).conduct):
        with pytest.raises(FreeholdError) as caught:
            attempt()
        assert code(caught) == "rollouts_unwritable"
    assert Ledger(tmp_path).all() == ([], [])


def test_word_of_a_step_is_kept_and_may_be_lost(tmp_path: Path) -> None:
    """What cannot be read is no word."""
    ledger = Ledger(tmp_path)
    assert ledger.progress(CHAT) is None
    ledger.note("chat", Progress(CHAT.place, None, Numbers(5, 1, 0, 2.5)))
    assert ledger.progress(CHAT) == Progress(CHAT.place, None, Numbers(5, 1, 0, 2.5))
    assert ledger.progress(msgspec.structs.replace(CHAT, step=0)) is None
    (tmp_path / "rollouts" / "now" / "chat.json").write_bytes(b"{")
    assert ledger.progress(CHAT) is None


def test_a_recording_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent, a folder, or too large."""
    large = tmp_path / "large.jsonl"
    large.write_bytes(RECORDING)
    monkeypatch.setattr(module, "LONGEST", 5)
    for path in (tmp_path / "absent", tmp_path, large):
        with pytest.raises(FreeholdError) as caught:
            read_bytes(path)
        assert code(caught) == "goldens_unreadable"


def _raise_often(home: Path, times: int) -> None:
    ledger = Ledger(home)
    for _ in range(times):
        ledger.change("chat", _raised)


def _raised(before: Rollout | None) -> Rollout:
    assert before is not None
    return msgspec.structs.replace(before, goldens=before.goldens + 1)


def test_changes_of_several_processes_do_not_undo_one_another(tmp_path: Path) -> None:
    """Each sees what the one before it wrote."""
    Ledger(tmp_path).change("chat", lambda _: CHAT)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_raise_often, args=(tmp_path, 10)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(20)
        assert writer.exitcode == 0
    found = Ledger(tmp_path).read("chat")
    assert found is not None
    assert found.goldens == 30
