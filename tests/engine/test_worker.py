"""An engine process on its own: it answers frames, and leaves when nobody is at the other end."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.engine import frames
from freehold.engine.base import EmbedRequest, TensorRequest
from freehold.engine.frames import FROM_ENGINE, frame, read_frame
from freehold.engine.settings import EngineSettings

PLAIN = EngineSettings(tune=False, cores=1)


class Front:
    """The other end of an engine process, frame by frame."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self.reader = reader
        self.writer = writer

    def send(self, *messages: frames.ToEngine) -> None:
        self.writer.write(b"".join(map(bytes, map(frame, messages))))

    async def hear(self, *kinds: type) -> Any:
        """The next message of these kinds; others, as reports of the queue, are passed over."""
        async with asyncio.timeout(30):
            while True:
                message = FROM_ENGINE.decode(await read_frame(self.reader))
                if isinstance(message, kinds):
                    return message

    async def ended(self) -> tuple[int, str]:
        """Exit status and what was written to standard error."""
        assert self.process.stderr is not None
        async with asyncio.timeout(30):
            text = await self.process.stderr.read()
            return await self.process.wait(), text.decode()


@asynccontextmanager
async def started() -> AsyncIterator[Front]:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "freehold.engine.worker", str(theirs.fileno())),
            pass_fds=[theirs.fileno()],
            stderr=asyncio.subprocess.PIPE,
        )
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    try:
        yield Front(process, reader, writer)
    finally:
        writer.close()
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def opened(graph: Path, log_format: str = "json", log_level: str = "warning") -> AsyncIterator[Front]:
    async with started() as front:
        front.send(frames.Open(str(graph), graph.stem, PLAIN, log_format, log_level))
        assert isinstance(await front.hear(frames.Opened, frames.Unopened), frames.Opened)
        yield front


def rows(value: float = 1.0) -> TensorRequest:
    return TensorRequest({"x": np.full((1, 16), value, np.float32)})


def test_it_says_what_it_opened_and_answers(mlp_graph: Path) -> None:
    """Manifest, digest and capacity first; then the answer, and the figures of its batch."""

    async def body() -> None:
        async with started() as front:
            front.send(frames.Open(str(mlp_graph), "mlp", PLAIN))
            seen = await front.hear(frames.Opened)
            assert (seen.manifest.name, seen.manifest.kind, seen.status) == ("mlp", "tensor", "none")
            assert seen.capacity.unit == "rows"
            front.send(frames.infer_of(5, rows(), 10.0))
            first, second = await front.hear(frames.Answered, frames.Ran), await front.hear(frames.Answered, frames.Ran)
            answered, ran = sorted((first, second), key=lambda message: isinstance(message, frames.Ran))
            assert answered.id == 5
            assert frames.answer_of(answered).outputs["y"].shape == (1, 4)
            assert (ran.batch.items, ran.batch.cost, ran.batch.unit) == (1, 1, "rows")

    asyncio.run(body())


def test_a_model_that_cannot_be_loaded_is_told_and_not_logged_as_a_defect(tmp_path: Path) -> None:
    """The front says it; the process waits to be let go, and goes."""

    async def body() -> None:
        async with started() as front:
            front.send(frames.Open(str(tmp_path), "m", PLAIN))
            refused = await front.hear(frames.Unopened)
            assert refused.trouble.error().code == "artifact_invalid"
            front.writer.close()
            assert await front.ended() == (0, "")

    asyncio.run(body())


def test_each_request_ends_with_its_own_number(mlp_graph: Path) -> None:
    """Answered, refused, or broken by a defect, which is logged as one line of JSON."""

    async def body() -> str:
        async with opened(mlp_graph) as front:
            front.send(
                frames.infer_of(1, rows(), 10.0),
                frames.infer_of(2, TensorRequest({"x": np.zeros((1, 3), np.float32)}), 10.0),
                frames.infer_of(3, EmbedRequest(["text for a tensor model"]), 10.0),
                frames.infer_of(4, rows(2.0), 10.0),
            )
            kinds = (frames.Answered, frames.Refused, frames.Broke)
            ended = {message.id: message for message in [await front.hear(*kinds) for _ in range(4)]}
            assert [type(ended[number]) for number in (1, 2, 3, 4)] == [kinds[0], kinds[1], kinds[2], kinds[0]]
            assert ended[2].trouble.code == "inference_failed"
            assert "TypeError" in ended[3].reason
            front.writer.close()
            status, log = await front.ended()
            assert status == 0
            return log

    (line,) = map(json.loads, asyncio.run(body()).splitlines())
    assert (line["level"], line["logger"], line["message"]) == ("error", "freehold.engine.worker", "request_failed")
    assert "TypeError" in line["traceback"]


def test_its_log_is_written_as_the_front_writes_its_own(mlp_graph: Path) -> None:
    """Text for people on a terminal."""

    async def body() -> str:
        async with opened(mlp_graph, "text") as front:
            front.send(frames.infer_of(3, EmbedRequest(["text"]), 10.0))
            await front.hear(frames.Broke)
            front.writer.close()
            return (await front.ended())[1]

    first = asyncio.run(body()).splitlines()[0]
    assert first.endswith("error   request_failed")


def test_what_was_asked_before_close_is_answered(mlp_graph: Path) -> None:
    """Though all of it came in one piece: then the process ends by itself."""

    async def body() -> None:
        async with opened(mlp_graph) as front:
            asked = [frames.infer_of(number, rows(number), 10.0) for number in range(20)]
            front.send(*asked, frames.Close(10.0))
            numbers = {(await front.hear(frames.Answered)).id for _ in asked}
            assert numbers == set(range(20))
            with pytest.raises(asyncio.IncompleteReadError):
                await front.hear(frames.Answered)
            assert await front.ended() == (0, "")

    asyncio.run(body())


def test_a_cancelled_request_gets_no_answer(mlp_graph: Path) -> None:
    """Even one that was cancelled before it began; unknown numbers are passed over."""

    async def body() -> None:
        async with opened(mlp_graph) as front:
            front.send(frames.infer_of(1, rows(), 10.0), frames.Cancel(1), frames.Cancel(77))
            front.send(frames.infer_of(2, rows(), 10.0))
            assert (await front.hear(frames.Answered, frames.Refused)).id == 2
            front.writer.close()
            assert await front.ended() == (0, "")

    asyncio.run(body())


def test_a_front_that_is_gone_ends_it(mlp_graph: Path) -> None:
    """Before it was told anything, while it loads, and while it serves."""

    async def body(opening: Callable[[], Any], told: bool) -> None:
        async with opening() as front:
            if told:
                front.send(frames.Open(str(mlp_graph), "mlp", EngineSettings(cores=1)))  # tuning takes a while
                await asyncio.sleep(1.0)
            front.writer.close()
            assert (await front.ended())[0] == 0

    asyncio.run(body(started, told=False))
    asyncio.run(body(started, told=True))
    asyncio.run(body(lambda: opened(mlp_graph), told=False))


@pytest.mark.parametrize("garbage", [b"\xff\xff\xff\xff", b"\0\0\0\x03abc", b"\0\0\0\x01\xc0"])
def test_garbage_ends_it_with_a_line_in_the_log(mlp_graph: Path, garbage: bytes) -> None:
    """A broken frame cannot be answered, and what follows it cannot be read."""

    async def body() -> str:
        async with opened(mlp_graph) as front:
            front.writer.write(garbage)
            status, log = await front.ended()
            assert status == 0
            return log

    assert json.loads(asyncio.run(body()))["message"] == "front_unreadable"


def test_signals_to_its_whole_group_do_not_end_it(mlp_graph: Path) -> None:
    """Ctrl-C is the front's to answer."""

    async def body() -> None:
        async with opened(mlp_graph) as front:
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(front.process.pid, number)
            front.send(frames.infer_of(1, rows(), 10.0))
            assert (await front.hear(frames.Answered)).id == 1

    asyncio.run(body())
