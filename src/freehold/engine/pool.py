"""One model in several processes: the Engine Protocol over N workers, each restarted when it dies."""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from freehold.artifact import Manifest
from freehold.engine.base import Answer, Capacity, EmbedRequest, Proof, Request
from freehold.engine.batcher import Batch
from freehold.engine.frames import (
    FROM_ENGINE,
    READ_AHEAD,
    Answered,
    Broke,
    Cancel,
    Close,
    FromEngine,
    Open,
    Opened,
    Queued,
    Ran,
    Refused,
    ToEngine,
    Unopened,
    answer_of,
    frame,
    infer_of,
    proof_of,
    read_frame,
)
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import TextTokenizer
from freehold.engine.tuner import Tuning
from freehold.errors import FreeholdError
from freehold.telemetry.logs import TextFormatter

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
"""A process that lived this long starts the pauses before restarts from the shortest again."""
LEAVE_S = 2.0
"""What a process has beyond the grace time to leave by itself; then it is killed."""
TRIES = 2
"""A request whose process dies is given to another one once: a request that kills processes must not kill them all."""

WORKER = ("-P", "-m", "freehold.engine.worker")  # -P: a file numpy.py in the working directory is not ours
NEEDED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV")
NEEDED_PREFIXES = (
    *("LC_", "LD_", "PYTHON", "MALLOC_", "OMP_", "GOMP_", "KMP_", "ORT_", "OV_", "OPENVINO_", "XDG_"),
    *("CUDA", "NVIDIA_", "CUBLAS_", "CUDNN_"),
)


@dataclass(eq=False)
class Link:
    """One running engine process and the requests that it has."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    pending: dict[int, "asyncio.Future[Answer]"] = field(default_factory=dict)
    capacity: Capacity = field(default_factory=lambda: Capacity("tokens", 0, 0, 0.0))
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def send(self, message: ToEngine) -> None:
        """Queue a message. A process that is gone is noticed by whoever reads from it."""
        if not self.writer.is_closing():
            self.writer.write(frame(message))

    async def receive(self) -> FromEngine:
        """The next message. Raises EOFError or ConnectionError when the process is gone or speaks garbage."""
        try:
            return FROM_ENGINE.decode(await read_frame(self.reader))
        except msgspec.MsgspecError as error:
            raise ConnectionError(f"a broken frame: {error}") from error

    async def ask(self, request: Request, deadline: float, later: bool) -> Answer:
        """The process's answer. Raises what it refused with, or ConnectionError when it died."""
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        message = frame(infer_of(number, request, max(0.0, deadline - loop.time()), later))
        answered: asyncio.Future[Answer] = loop.create_future()
        self.pending[number] = answered
        try:
            self.writer.write(message)
            del message  # a tensor of 100 MB need not stay until its answer comes
            with contextlib.suppress(ConnectionError):  # `answered` tells
                await self.writer.drain()
            return await answered
        except asyncio.CancelledError:
            self.send(Cancel(number))
            raise
        finally:
            del self.pending[number]

    def settle(self, message: Answered | Refused | Broke) -> None:
        """Give an answer to whoever waits for it, if anyone still does."""
        answered = self.pending.get(message.id)
        if answered is None or answered.done():
            return
        if isinstance(message, Answered):
            answered.set_result(answer_of(message))
        elif isinstance(message, Refused):
            answered.set_exception(message.trouble.error())
        else:
            answered.set_exception(RuntimeError(f"engine process {self.process.pid}: {message.reason}"))

    def lose(self) -> None:
        """Tell all who wait that no answer will come."""
        for answered in self.pending.values():
            if not answered.done():
                answered.set_exception(ConnectionError("the engine process is gone"))

    async def leave(self, within_s: float) -> int:
        """The exit status of the process, which is killed when it is still there after `within_s` seconds."""
        try:
            return await asyncio.wait_for(self.process.wait(), within_s)
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()


class WorkerPool:
    """The engine of one model, run by `workers` processes that map one copy of its weights.

    Each place in the pool is a task that starts a process, listens to it, and starts the next one when it is gone. The
    first process writes what the others map (prepacked weights, tuning), so it is started alone.
    """

    def __init__(self, path: Path, name: str, settings: EngineSettings, workers: int) -> None:
        self.manifest: Manifest
        self.tokenizer: TextTokenizer
        self.digest = ""
        self.precision = settings.precision
        self.max_tokens = settings.max_tokens
        self.proof = Proof("none")
        self.tuning: Tuning | None = None  # each process has its own
        self._path = path
        self._name = name
        self._on_batch: Callable[[Batch], None] | None = settings.on_batch
        share = settings.threads or max(1, settings.cores // workers)
        travels = replace(settings, threads=share, on_batch=None, on_step=None)
        self._open = Open(str(path), name, travels, *_log_settings())
        self._workers = workers
        self._links: dict[Link, asyncio.Task[None]] = {}  # live ones, and the place of each
        self._places: list[asyncio.Task[None]] = []
        self._unit = "tokens"
        self._alive = asyncio.Condition()
        self._closing = False

    async def load(self) -> None:
        """Start the first process, then the others at once. Raises FreeholdError of the first that cannot load."""
        try:
            opened = await self._begin()
            self.manifest, self.digest, self.proof = opened.manifest, opened.digest, proof_of(opened)
            self.precision, self.max_tokens = opened.precision, opened.max_tokens
            self._unit = opened.capacity.unit
            if self.manifest.kind != "tensor":
                # `/tokenize` asks the front; the processes have their own.
                self.tokenizer = await asyncio.to_thread(TextTokenizer, self._path / "tokenizer.json", self.max_tokens)
            await asyncio.gather(*(self._begin() for _ in range(self._workers - 1)))
        except BaseException:
            await self.close(0.0)
            raise

    def ready(self) -> bool:
        """True while at least one process can answer."""
        return bool(self._links) and not self._closing

    def capacity(self) -> Capacity:
        """The sum over all live processes, as they last reported it: at most 0.02 s old while requests come."""
        parts = [link.capacity for link in self._links]
        sums = (sum(part.queued for part in parts), sum(part.running for part in parts))
        return Capacity(self._unit, *sums, sum(part.per_second for part in parts), sum(part.later for part in parts))

    def at_once(self, request: Request) -> Answer | None:
        """None: every request goes through the queue."""
        return None

    def answer(self, request: Request) -> Answer:
        """Not from here: each process replays its goldens itself, before it is used."""
        raise TypeError("a pool of processes answers through infer")

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        """The answer of the process with the fewest requests; once more by another when that one dies.

        Raises FreeholdError `engine_lost` when both died, `deadline_exceeded`, `shutting_down`, and what engines raise.
        """
        if isinstance(request, EmbedRequest):
            for ids in request.texts:
                if isinstance(ids, list):
                    self.tokenizer.accept_ids(ids)  # refused here: an id of more than 64 bits cannot travel
        begun = asyncio.get_running_loop().time()
        for _ in range(TRIES):
            link = await self._least_busy(deadline, begun)
            try:
                return await link.ask(request, deadline, later)
            except ConnectionError:
                log.warning("request_lost", extra={"model": self._name, "pid": link.process.pid})
        raise FreeholdError("engine_lost", model=self._name)

    async def close(self, grace_s: float) -> None:
        """Let every process finish within `grace_s` seconds, then end those that did not."""
        self._closing = True
        async with self._alive:
            self._alive.notify_all()
        leaving = list(self._links.values())
        for link in self._links:
            link.send(Close(grace_s))
        if leaving:
            await asyncio.wait(leaving, timeout=grace_s + LEAVE_S)
        for place in self._places:
            place.cancel()
        await asyncio.gather(*self._places, return_exceptions=True)

    def processes(self) -> list[int]:
        """The process ids, for `ps` and for memory accounting."""
        return [link.process.pid for link in self._links]

    async def _least_busy(self, deadline: float, begun: float) -> Link:
        """A live process; waits for one to come back until `deadline`."""
        loop = asyncio.get_running_loop()
        async with self._alive:
            while not self._links and not self._closing:
                try:
                    await asyncio.wait_for(self._alive.wait(), deadline - loop.time())
                except TimeoutError:
                    raise FreeholdError(
                        "deadline_exceeded", waited_s=loop.time() - begun, deadline_s=deadline - begun
                    ) from None
        if self._closing:
            raise FreeholdError("shutting_down")
        return min(self._links, key=lambda link: len(link.pending))

    async def _begin(self) -> Opened:
        """Fill one more place; what its first process opened. Raises FreeholdError when that could not load."""
        opened: asyncio.Future[Opened] = asyncio.get_running_loop().create_future()
        place = asyncio.create_task(self._occupy(opened))
        self._places.append(place)
        await asyncio.wait((place, opened), return_when=asyncio.FIRST_COMPLETED)
        if not opened.done():
            place.result()  # raises why it could not even begin
        return opened.result()

    async def _occupy(self, first: "asyncio.Future[Opened]") -> None:
        """One place of the pool, until `close`: a process, and another after a pause when it is gone."""
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while not self._closing:
            begun = loop.time()
            try:
                async with _process() as link:
                    opened = await self._opened(link)
                    if first.done():
                        log.info("engine_restarted", extra={"model": self._name, "pid": link.process.pid})
                    else:
                        first.set_result(opened)
                    status = await self._listen(link)
            except (FreeholdError, OSError) as error:
                if not first.done():
                    raise
                log.warning("engine_restart_failed", extra={"model": self._name, "cause": str(error)})
            else:
                if self._closing:
                    return
                log.error("engine_lost", extra={"model": self._name, "pid": link.process.pid, "status": status})
            if loop.time() - begun > STEADY_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _opened(self, link: Link) -> Opened:
        """Let a new process load. Raises FreeholdError with its reason, `engine_not_started` when it died of it."""
        link.send(self._open)
        try:
            message = await link.receive()
        except (EOFError, ConnectionError):
            status = await link.leave(LEAVE_S)
            raise FreeholdError("engine_not_started", model=self._name, status=status) from None
        if isinstance(message, Unopened):
            raise message.trouble.error()
        assert isinstance(message, Opened)  # a process says nothing else before
        link.capacity = message.capacity
        return message

    async def _listen(self, link: Link) -> int:
        """Take requests through `link` until its process is gone; the exit status."""
        place = asyncio.current_task()
        assert place is not None
        async with self._alive:
            self._links[link] = place
            self._alive.notify_all()
        try:
            while True:
                self._hear(link, await link.receive())
        except EOFError:
            pass
        except ConnectionError as error:
            log.warning("engine_unreadable", extra={"model": self._name, "cause": str(error)})
        finally:
            del self._links[link]
            link.lose()
            link.writer.close()
        return await link.leave(LEAVE_S)

    def _hear(self, link: Link, message: FromEngine) -> None:
        if isinstance(message, Ran):
            link.capacity = message.capacity
            if self._on_batch is not None:
                self._on_batch(message.batch)
        elif isinstance(message, Queued):
            link.capacity = message.capacity
        elif isinstance(message, Answered | Refused | Broke):
            link.settle(message)


@asynccontextmanager
async def _process() -> AsyncIterator[Link]:
    """A new engine process, ended with the block.

    It is in a session of its own: Ctrl-C on the terminal is for the front, which decides when its engines leave.
    """
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as kept:
        kept.callback(ours.close)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *WORKER, str(theirs.fileno())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,  # the front's standard output is for answers (`--json`), whatever a library may print
            env=environment(os.environ),
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        kept.pop_all()
    reader, writer = await asyncio.open_unix_connection(sock=ours, limit=READ_AHEAD)
    try:
        yield Link(process, reader, writer)
    finally:
        writer.close()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What of the front's environment a process gets: where things lie and how its libraries compute; no secrets."""
    return {name: value for name, value in ours.items() if name in NEEDED or name.startswith(NEEDED_PREFIXES)}


def _log_settings() -> tuple[str, str]:
    """Format and level of this process's log, so that its engines write theirs alike."""
    root = logging.getLogger()
    text = any(isinstance(each.formatter, TextFormatter) for each in root.handlers)
    return "text" if text else "json", logging.getLevelName(root.level).lower()
