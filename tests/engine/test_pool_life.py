"""Engine processes come and go: started, signalled, closed, orphaned; none stays behind."""

import asyncio
import gc
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from freehold.engine import pool as pools
from freehold.engine.pool import WorkerPool, environment
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

FAR = 1e12
PLAIN = EngineSettings(tune=False, cores=1)


def descriptors() -> int:
    """How many files this process has open, without connections: servers of other tests live in this process too."""
    tables = [Path(f"/proc/self/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    connections = {f"socket:[{line.split()[9]}]" for table in tables for line in table}
    held = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]  # not what lists them
    return sum(str(link) not in connections for link in held)


def children() -> set[int]:
    """Direct children of this process that are engine processes or zombies; compare: other tests leave some."""
    tasks = Path("/proc/self/task").iterdir()
    pids = {int(pid) for task in tasks for pid in (task / "children").read_text().split()}
    return {pid for pid in pids if _is_engine_or_zombie(pid)}


def _is_engine_or_zombie(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
    return not words or b"freehold.engine.worker" in words


def test_close_lets_what_was_asked_finish(slow_graph: Path, engines: Any) -> None:
    """All answers arrive, later requests are refused, and no process or file descriptor stays."""
    gc.collect()
    open_before, children_before = descriptors(), children()

    async def body() -> None:
        pool = WorkerPool(slow_graph, "slow", PLAIN, 2)
        await pool.load()
        asked = [asyncio.create_task(pool.infer(engines.turns(20_000), FAR)) for _ in range(4)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close(30.0))
        assert len(await asyncio.gather(*asked)) == 4
        await closing
        assert (pool.ready(), pool.processes()) == (False, [])
        with pytest.raises(FreeholdError, match="shutting_down"):
            await pool.infer(engines.turns(1), FAR)

    asyncio.run(body())
    gc.collect()
    assert descriptors() == open_before
    assert children() == children_before


def test_a_large_answer_is_handed_over_before_its_process_leaves(mlp_graph: Path, engines: Any) -> None:
    """Closing right after the request was sent does not cut the answer, though it is longer than any buffer."""

    async def body() -> None:
        pool = WorkerPool(mlp_graph, "mlp", PLAIN, 1)
        await pool.load()
        asked = asyncio.create_task(pool.infer(engines.row(rows=500_000), FAR))
        await asyncio.sleep(0)
        await pool.close(30.0)
        assert (await asked).outputs["y"].shape == (500_000, 4)

    asyncio.run(body())


def test_close_ends_what_does_not_finish_in_time(
    slow_graph: Path, monkeypatch: pytest.MonkeyPatch, engines: Any
) -> None:
    """The process is killed, its requests hear that the server is going, and so do those that waited for a process."""
    monkeypatch.setattr(pools, "LEAVE_S", 0.2)

    async def body() -> None:
        pool = WorkerPool(slow_graph, "slow", PLAIN, 1)
        await pool.load()
        (pid,) = pool.processes()
        running = asyncio.create_task(pool.infer(engines.turns(engines.LONG), FAR))
        await engines.until(lambda: pool.capacity().running == 1)
        queued = asyncio.create_task(pool.infer(engines.turns(1), FAR))
        await asyncio.sleep(0)
        await pool.close(0.1)
        assert not engines.alive(pid)
        for task in (running, queued):
            with pytest.raises(FreeholdError, match=r"shutting_down|engine_lost"):
                await task

    asyncio.run(body())


def test_close_releases_requests_that_wait_for_a_process(slow_graph: Path, engines: Any) -> None:
    """With no process left and a restart under way, nobody waits until a far deadline."""
    before = children()

    async def body() -> None:
        pool = WorkerPool(slow_graph, "slow", PLAIN, 1)
        await pool.load()
        os.kill(pool.processes()[0], signal.SIGKILL)
        await engines.until(lambda: not pool.processes())
        waiting = asyncio.create_task(pool.infer(engines.turns(1), FAR))
        await asyncio.sleep(0.15)  # the next process is loading
        await pool.close(10.0)
        with pytest.raises(FreeholdError, match="shutting_down"):
            await waiting

    asyncio.run(body())
    assert children() <= before


def test_a_model_that_cannot_be_loaded_fails_with_its_own_reason(tmp_path: Path) -> None:
    """As an engine in this process would, and no process stays."""
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"no graph" * 100)
    for path, code in ((corrupt, "graph_invalid"), (tmp_path / "absent.onnx", "artifact_invalid")):
        before = children()
        with pytest.raises(FreeholdError, match=code):
            asyncio.run(WorkerPool(path, "m", PLAIN, 3).load())
        assert children() == before


def test_a_process_killed_while_it_loads_fails_the_load(mlp_graph: Path, engines: Any) -> None:
    """With its exit status, so that a kill for memory is recognised."""

    async def body() -> None:
        before = children()
        load = asyncio.create_task(WorkerPool(mlp_graph, "mlp", PLAIN, 2).load())
        await engines.until(lambda: bool(children() - before))
        (pid,) = children() - before
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(FreeholdError, match="engine_not_started") as caught:
            await load
        assert caught.value.details["status"] == -signal.SIGKILL

    asyncio.run(body())


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.4])
def test_a_cancelled_load_leaves_no_process(mlp_graph: Path, after_s: float) -> None:
    """The server stops while a model loads: at whatever point it is."""
    before = children()

    async def body() -> None:
        pool = WorkerPool(mlp_graph, "mlp", PLAIN, 2)
        load = asyncio.create_task(pool.load())
        await asyncio.sleep(after_s)
        if load.cancel():
            with pytest.raises(asyncio.CancelledError):
                await load
        else:  # a machine that loads faster than this
            await pool.close(5.0)

    asyncio.run(body())
    assert children() <= before


def test_a_restart_that_fails_is_tried_again(slow_graph: Path, caplog: pytest.LogCaptureFixture, engines: Any) -> None:
    """A model file that is gone for a while does not end the pool."""
    aside = slow_graph.with_suffix(".aside")

    async def body() -> None:
        async with engines.loaded(slow_graph, 1) as pool:
            await asyncio.to_thread(slow_graph.rename, aside)
            os.kill(pool.processes()[0], signal.SIGKILL)
            await engines.until(lambda: any(record.message == "engine_restart_failed" for record in caplog.records))
            await asyncio.to_thread(aside.rename, slow_graph)
            assert (await pool.infer(engines.turns(1), FAR)).outputs["y"].shape == (1000,)

    asyncio.run(body())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_for_the_front_do_not_end_a_process(slow_graph: Path, number: signal.Signals, engines: Any) -> None:
    """A service manager signals every process of a unit; the front decides."""

    async def body() -> None:
        async with engines.loaded(slow_graph, 1) as pool:
            pids = pool.processes()
            asked = asyncio.create_task(pool.infer(engines.turns(20_000), FAR))
            await asyncio.sleep(0.02)
            os.kill(pids[0], number)
            assert (await asked).outputs["y"].shape == (1000,)
            assert pool.processes() == pids

    asyncio.run(body())


def test_processes_are_in_sessions_of_their_own_without_our_secrets(
    mlp_graph: Path, monkeypatch: pytest.MonkeyPatch, engines: Any
) -> None:
    """Ctrl-C is sent to the front's group; keys and database addresses are nobody's but the front's."""
    monkeypatch.setenv("FREEHOLD_KEY", "fh-secret-1")
    monkeypatch.setenv("DATABASE_URL", "postgres://user:secret-2@host/db")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    async def body() -> bytes:
        async with engines.loaded(mlp_graph, 1) as pool:
            (pid,) = pool.processes()
            assert os.getsid(pid) == os.getpgid(pid) == pid
            return await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)

    seen = asyncio.run(body())
    assert b"secret" not in seen
    assert b"OMP_NUM_THREADS=1" in seen


def test_the_environment_is_chosen_by_name() -> None:
    """What says where things lie passes; what may be a secret does not."""
    kept = {"PATH": "/bin", "LD_LIBRARY_PATH": "/lib", "PYTHONPATH": "/src", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "0"}
    dropped = {"FREEHOLD_KEY": "k", "HF_TOKEN": "t", "AWS_SECRET_ACCESS_KEY": "s", "FREEHOLD_HOME": "/h"}
    assert environment({**kept, **dropped}) == kept


def test_the_processes_of_a_front_that_was_killed_are_gone(slow_graph: Path, engines: Any) -> None:
    """Also the one that computes: nobody waits for it."""
    program = f"""
import asyncio, json
from pathlib import Path
import numpy as np
from freehold.engine.base import TensorRequest
from freehold.engine.pool import WorkerPool
from freehold.engine.settings import EngineSettings
async def main():
    pool = WorkerPool(Path({str(slow_graph)!r}), "slow", EngineSettings(tune=False, cores=1), 2)
    await pool.load()
    print(json.dumps(pool.processes()), flush=True)
    await pool.infer(TensorRequest({{"turns": np.array([{engines.LONG}])}}), 1e12)
asyncio.run(main())
"""
    front = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert front.stdout is not None
        pids = json.loads(front.stdout.readline())
        assert all(engines.alive(pid) for pid in pids)
    finally:
        front.kill()
        front.communicate()
    asyncio.run(engines.until(lambda: not any(engines.alive(pid) for pid in pids)))


def test_a_process_that_speaks_garbage_is_replaced(
    mlp_graph: Path, caplog: pytest.LogCaptureFixture, engines: Any
) -> None:
    """Its requests go to another, as if it had died."""

    async def body() -> None:
        async with engines.loaded(mlp_graph, 1) as pool:
            (link,) = pool._links
            link.reader.feed_data(b"\xff\xff\xff\xff")
            await engines.until(lambda: link not in pool._links)
            assert (await pool.infer(engines.row(), FAR)).outputs["y"].shape == (1, 4)
            assert not engines.alive(link.process.pid)

    with caplog.at_level(logging.WARNING):
        asyncio.run(body())
    assert "engine_unreadable" in [record.message for record in caplog.records]
