"""A model in several processes: any of them may die at any time, and only its own requests notice."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import uvloop
from onnx import TensorProto, helper

from freehold.adapt import graphs
from freehold.artifact import Case, Tensor, save_golden
from freehold.engine.base import Answer, EmbedRequest, RerankRequest, TensorRequest
from freehold.engine.opening import open_engine
from freehold.engine.pool import WorkerPool
from freehold.engine.settings import EngineSettings
from freehold.engine.verify import record
from freehold.errors import FreeholdError

FAR = 1e12
PLAIN = EngineSettings(tune=False, cores=1)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_every_process_answers_what_one_engine_in_this_process_answers(
    mlp_graph: Path, new_loop: Callable[[], asyncio.AbstractEventLoop], engines: Any
) -> None:
    """Also under the loop that the server runs on; all processes take part, and all are gone in the end."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1 + i % 3, 16), dtype=np.float32) for i in range(40)]

    async def body() -> tuple[list[Answer], list[int]]:
        async with engines.loaded(mlp_graph, 2) as pool:
            assert (pool.ready(), pool.manifest.kind, pool.proof.status) == (True, "tensor", "none")
            asked = [asyncio.create_task(pool.infer(TensorRequest({"x": array}), FAR)) for array in arrays]
            await asyncio.sleep(0)
            pids = pool.processes()
            assert sorted(engines.requests_of(pool).values()) == [20, 20]
            return await asyncio.gather(*asked), pids

    with asyncio.Runner(loop_factory=new_loop) as runner:
        answers, pids = runner.run(body())
    alone = open_engine(mlp_graph, "mlp", PLAIN)
    asyncio.run(alone.load())
    for array, answer in zip(arrays, answers, strict=True):
        want = alone.answer(TensorRequest({"x": array})).outputs["y"]
        np.testing.assert_allclose(answer.outputs["y"], want, atol=1e-5)
    asyncio.run(alone.close(1.0))
    assert not any(engines.alive(pid) for pid in pids)


def test_text_models_answer_through_processes(
    tiny_bert_folder: Path, tiny_reranker_folder: Path, tmp_path: Path, engines: Any
) -> None:
    """Vectors, counts and the tokenizer are those of an engine in this process; so are errors."""
    embedder, reranker = graphs.build(tiny_bert_folder, tmp_path), graphs.build(tiny_reranker_folder, tmp_path)
    texts: list[str | list[int]] = ["word is held", [2, 40, 41, 3], "word " * 5000]

    async def body() -> None:
        alone = open_engine(embedder, "tiny", PLAIN)
        await alone.load()
        want = await alone.infer(EmbedRequest(texts), FAR)
        async with engines.loaded(embedder, 1) as pool:
            seen = await pool.infer(EmbedRequest(texts), FAR)
            np.testing.assert_array_equal(seen.outputs["embeddings"], want.outputs["embeddings"])
            assert (seen.tokens, seen.truncated) == (want.tokens, want.truncated) == (want.tokens, 1)
            assert pool.tokenizer.encode("word").ids == alone.tokenizer.encode("word").ids  # type: ignore[attr-defined] # an Encoder
            for refused in ([2, 10**7], [2, 10**30], [2, -1], []):
                with pytest.raises(FreeholdError) as here:
                    await alone.infer(EmbedRequest([refused]), FAR)
                with pytest.raises(FreeholdError) as there:
                    await pool.infer(EmbedRequest([refused]), FAR)
                assert str(there.value) == str(here.value)
        await alone.close(1.0)
        async with engines.loaded(reranker, 1) as pool:
            scores = await pool.infer(RerankRequest("word", ["one", "two", "three"]), FAR)
            assert scores.outputs["logits"].shape == (3, 1)

    asyncio.run(body())


def test_a_killed_process_costs_nobody_an_answer(
    slow_graph: Path, caplog: pytest.LogCaptureFixture, engines: Any
) -> None:
    """Its requests are given to another, it comes back, and the log names it."""

    async def body() -> None:
        async with engines.loaded(slow_graph, 2) as pool:
            asked = [asyncio.create_task(pool.infer(engines.turns(50_000), FAR)) for _ in range(4)]
            await asyncio.sleep(0.05)
            victim = pool.processes()[0]
            os.kill(victim, signal.SIGKILL)
            answers = await asyncio.gather(*asked)
            assert all(answer.outputs["y"].shape == (1000,) for answer in answers)
            await engines.until(lambda: len(pool.processes()) == 2)
            assert victim not in pool.processes()
            assert (await pool.infer(engines.turns(1), FAR)).outputs["y"].shape == (1000,)

    asyncio.run(body())
    (lost,) = [record for record in caplog.records if record.message == "engine_lost"]
    assert lost.status == -signal.SIGKILL  # type: ignore[attr-defined] # an extra of the record


def test_a_request_that_kills_two_processes_is_given_up(slow_graph: Path, engines: Any) -> None:
    """It ends with `engine_lost`, and others are answered by the processes that come back."""

    async def body() -> None:
        async with engines.loaded(slow_graph, 2) as pool:
            poison = asyncio.create_task(pool.infer(engines.turns(engines.LONG), FAR))
            for _ in range(2):
                await engines.until(lambda: 1 in engines.requests_of(pool).values())
                pid = engines.busy(pool)
                os.kill(pid, signal.SIGKILL)
                await engines.until(lambda pid=pid: pid not in pool.processes())
            with pytest.raises(FreeholdError, match="engine_lost") as caught:
                await poison
            assert caught.value.details == {"model": "slow"}
            assert (await pool.infer(engines.turns(1), FAR)).outputs["y"].shape == (1000,)

    asyncio.run(body())


def test_without_any_process_requests_wait_for_one_or_for_their_deadline(slow_graph: Path, engines: Any) -> None:
    """One whose deadline comes first hears how long it waited; the other is answered by the process that came back."""

    async def body() -> None:
        async with engines.loaded(slow_graph, 1) as pool:
            loop = asyncio.get_running_loop()
            os.kill(pool.processes()[0], signal.SIGKILL)
            await engines.until(lambda: not pool.processes())
            assert not pool.ready()
            assert pool.capacity().unit == "rows"
            late = asyncio.create_task(pool.infer(engines.turns(1), loop.time() + 0.02))
            patient = asyncio.create_task(pool.infer(engines.turns(1), FAR))
            with pytest.raises(FreeholdError, match=r"waited 0\.0 s .*deadline_exceeded"):
                await late
            assert (await patient).outputs["y"].shape == (1000,)
            assert pool.ready()

    asyncio.run(body())


def test_a_deadline_that_passes_in_the_process_says_how_long(slow_graph: Path, engines: Any) -> None:
    """The figures are numbers again, so that the text is formatted as ever."""

    async def body() -> None:
        async with engines.loaded(slow_graph, 1) as pool:
            first = asyncio.create_task(pool.infer(engines.turns(50_000), FAR))
            await asyncio.sleep(0.05)
            with pytest.raises(FreeholdError, match="deadline_exceeded") as caught:
                await pool.infer(engines.turns(1), asyncio.get_running_loop().time() + 0.01)
            assert isinstance(caught.value.details["waited_s"], float)
            await first

    asyncio.run(body())


def test_a_cancelled_request_leaves_the_queue_of_its_process(slow_graph: Path, engines: Any) -> None:
    """A client that left frees its place; what the pool reports of the queue follows, though no batch ends."""

    async def body() -> None:
        async with engines.loaded(slow_graph, 1) as pool:
            running = asyncio.create_task(pool.infer(engines.turns(engines.LONG), FAR))
            await engines.until(lambda: pool.capacity().running == 1)
            waiting = [asyncio.create_task(pool.infer(engines.turns(1), FAR, later=turn > 1)) for turn in range(5)]
            await engines.until(lambda: (pool.capacity().queued, pool.capacity().later) == (5, 3))
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            probe = asyncio.create_task(pool.infer(engines.turns(1), FAR))
            await engines.until(lambda: (pool.capacity().queued, pool.capacity().later) == (1, 0))
            for task in (probe, running):
                task.cancel()
            await asyncio.gather(probe, running, return_exceptions=True)
            os.kill(pool.processes()[0], signal.SIGKILL)  # what runs cannot be taken back

    asyncio.run(body())


def test_a_process_that_does_not_read_holds_the_writer_and_loses_nothing(mlp_graph: Path, engines: Any) -> None:
    """Large tensors wait while the process is stopped, and all are answered when it goes on."""
    rows = 200_000  # 12.8 MB
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal((rows, 16), dtype=np.float32) for _ in range(4)]

    async def body() -> None:
        async with engines.loaded(mlp_graph, 1) as pool:
            (pid,) = pool.processes()
            os.kill(pid, signal.SIGSTOP)
            asked = [asyncio.create_task(pool.infer(TensorRequest({"x": array}), FAR)) for array in arrays]
            await asyncio.sleep(0.2)
            (link,) = pool._links
            assert link.writer.transport.get_write_buffer_size() > sum(array.nbytes for array in arrays[1:])
            os.kill(pid, signal.SIGCONT)
            answers = await asyncio.gather(*asked)
            assert link.writer.transport.get_write_buffer_size() == 0
            first, *_ = answers
            np.testing.assert_array_equal(
                (await pool.infer(TensorRequest({"x": arrays[0]}), FAR)).outputs["y"], first.outputs["y"]
            )
            assert [answer.outputs["y"].shape for answer in answers] == [(rows, 4)] * 4

    asyncio.run(body())


def test_a_tensor_of_a_hundred_megabytes_passes_both_ways(tmp_path: Path, engines: Any) -> None:
    """And comes back as it went."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "m"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "m"])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [x], [y])
    path = tmp_path / "same.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    array = np.arange(25_000_000, dtype=np.float32).reshape(50, -1)

    async def body() -> None:
        async with engines.loaded(path, 1) as pool:
            answer = await pool.infer(TensorRequest({"x": array}), FAR)
            assert np.array_equal(answer.outputs["y"], array)

    asyncio.run(body())


def test_batches_are_counted_in_the_front(mlp_graph: Path, engines: Any) -> None:
    """Every row that a process computed is reported, with its unit; speed is known after the first batch."""
    seen: list[Any] = []

    async def body() -> None:
        async with engines.loaded(mlp_graph, 2, replace(PLAIN, on_batch=seen.append)) as pool:
            assert pool.capacity() == (pool.capacity().__class__)("rows", 0, 0, 0.0)
            await asyncio.gather(*(pool.infer(engines.row(rows=3), FAR) for _ in range(10)))
            await engines.until(lambda: sum(batch.cost for batch in seen) == 30)
            assert {batch.unit for batch in seen} == {"rows"}
            assert sum(batch.items for batch in seen) == sum(len(batch.queued_s) for batch in seen) == 10
            assert pool.capacity().per_second > 0

    asyncio.run(body())


def test_a_dead_process_has_no_part_in_the_capacity(slow_graph: Path, engines: Any) -> None:
    """What it had queued is with another now, or waits in the front."""

    async def body() -> None:
        async with engines.loaded(slow_graph, 1) as pool:
            asked = [asyncio.create_task(pool.infer(engines.turns(engines.LONG), FAR))]
            await engines.until(lambda: pool.capacity().running == 1)
            asked += [asyncio.create_task(pool.infer(engines.turns(engines.LONG), FAR)) for _ in range(5)]
            await engines.until(lambda: pool.capacity().queued == 5)
            os.kill(pool.processes()[0], signal.SIGKILL)
            await engines.until(lambda: not pool.processes())
            assert (pool.capacity().queued, pool.capacity().running) == (0, 0)
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    asyncio.run(body())


def test_a_failed_proof_is_told_as_in_one_process(mlp_graph: Path) -> None:
    """With the first output that differs, its place, expected and seen."""
    alone = open_engine(mlp_graph, "mlp", PLAIN)
    asyncio.run(alone.load())
    case = Case({"x": Tensor.of(np.ones((2, 16), np.float32))}, {})
    golden = record(alone.answer, alone.manifest, [case], "test")
    wrong = golden.cases[0].outputs["y"].array().copy()
    wrong[1, 2] += 0.5
    changed = Case(golden.cases[0].inputs, {"y": Tensor.of(wrong)})
    save_golden(mlp_graph.with_name("mlp.goldens") / "own.json", type(golden)(golden.recorded_by, (changed,)))

    async def proof_of(make: Callable[[], Any]) -> Any:
        engine = make()
        await engine.load()
        await engine.close(1.0)
        return engine.proof

    here = asyncio.run(proof_of(lambda: open_engine(mlp_graph, "mlp", PLAIN)))
    there = asyncio.run(proof_of(lambda: WorkerPool(mlp_graph, "mlp", PLAIN, 1)))
    assert here.status == there.status == "failed"
    assert str(there.failure) == str(here.failure)
    assert there.failure.details["index"] == [1, 2]


def test_a_defect_in_a_process_is_a_defect_here_and_not_a_silence(mlp_graph: Path, engines: Any) -> None:
    """A request of the wrong kind: the process lives, and the caller hears the reason."""

    async def body() -> None:
        async with engines.loaded(mlp_graph, 1) as pool:
            pids = pool.processes()
            with pytest.raises(RuntimeError, match="TypeError"):
                await pool.infer(RerankRequest("q", ["t"]), FAR)
            assert pool.processes() == pids
            with pytest.raises(FreeholdError, match="inference_failed"):
                await pool.infer(TensorRequest({"x": np.zeros((1, 7), np.float32)}), FAR)

    asyncio.run(body())


def test_a_pool_never_answers_in_the_loop(mlp_graph: Path, engines: Any) -> None:
    """Nothing is at once, and replay is the affair of each process."""
    pool = WorkerPool(mlp_graph, "mlp", PLAIN, 1)
    assert pool.at_once(engines.row()) is None
    with pytest.raises(TypeError):
        pool.answer(engines.row())


def test_many_deaths_under_load_lose_no_request_that_can_be_answered(mlp_graph: Path, engines: Any) -> None:
    """While processes are killed again and again, each request ends with its own answer or with `engine_lost`."""

    async def client(pool: WorkerPool, number: int, ended: list[Any]) -> None:
        for turn in range(40):
            value = float(number * 100 + turn)
            try:
                answer = await pool.infer(engines.row(value), FAR)
                ended.append(answer.outputs["y"] / value if value else None)
            except FreeholdError as error:
                ended.append(error.code)
            await asyncio.sleep(0.005)

    async def body() -> list[Any]:
        async with engines.loaded(mlp_graph, 2) as pool:
            ended: list[Any] = []
            clients: list[Awaitable[None]] = [client(pool, number, ended) for number in range(6)]
            together = asyncio.gather(*clients)
            for _ in range(3):
                await asyncio.sleep(0.1)
                for pid in pool.processes()[:1]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            await together
            return ended

    ended = asyncio.run(body())
    assert len(ended) == 240
    assert {one for one in ended if isinstance(one, str)} <= {"engine_lost"}
    answers = [one for one in ended if isinstance(one, np.ndarray)]
    assert len(answers) > 200
    for answer in answers:
        np.testing.assert_allclose(answer, answers[0], rtol=1e-4)
