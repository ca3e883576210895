"""One model in several processes: the Engine Protocol over N workers, each restarted when it dies."""

import asyncio
import contextlib
import itertools
import logging
import socket
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path

from freehold.artifact import Manifest
from freehold.engine.base import Answer, Capacity, Proof, Request
from freehold.engine.frames import (
    FROM_ENGINE,
    Answered,
    Cancel,
    Close,
    Open,
    Opened,
    Ran,
    Refused,
    ToEngine,
    answer_of,
    frame,
    infer_of,
    proof_of,
    read_frame,
)
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
TRIES = 2
"""A request whose process dies is given to another one once: a request that kills processes must not kill them all."""


@dataclass(eq=False)
class Link:
    """One running engine process and the requests that it has."""

    process: asyncio.subprocess.Process
    writer: asyncio.StreamWriter
    opened: "asyncio.Future[Opened]"
    pending: dict[int, "asyncio.Future[Answer]"] = field(default_factory=dict)
    capacity: Capacity = Capacity("tokens", 0, 0, 0.0)

    def send(self, message: ToEngine) -> None:
        """Queue a message; a process that is gone is noticed by its reader."""
        self.writer.write(frame(message))


class WorkerPool:
    """The engine of one model, run by `workers` processes that map one copy of its weights.

    The first process writes what the others map (prepacked weights, tuning), so it is started alone.
    """

    def __init__(self, path: Path, name: str, settings: EngineSettings, workers: int) -> None:
        self.manifest: Manifest
        self.tokenizer: TextTokenizer
        self.digest = ""
        self.precision = settings.precision
        self.max_tokens = settings.max_tokens
        self.proof = Proof("none")
        self._path = path
        self._name = name
        self._on_batch = settings.on_batch
        share = settings.threads or max(1, settings.cores // workers)
        self._open = Open(str(path), name, replace(settings, threads=share, on_batch=None))
        self._workers = workers
        self._links: list[Link] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()
        self._alive = asyncio.Condition()
        self._closing = False

    async def load(self) -> None:
        """Start the first process, then the others at once. Raises FreeholdError of the first that cannot load."""
        opened = await self._start()
        self.manifest, self.digest, self.proof = opened.manifest, opened.digest, proof_of(opened)
        self.precision, self.max_tokens = opened.precision, opened.max_tokens
        if self.manifest.kind != "tensor":
            # `/tokenize` asks the front; the processes have their own.
            self.tokenizer = TextTokenizer(self._path / "tokenizer.json", self.max_tokens)
        await asyncio.gather(*(self._start() for _ in range(self._workers - 1)))

    def ready(self) -> bool:
        """True while at least one process can answer."""
        return bool(self._links) and not self._closing

    def capacity(self) -> Capacity:
        """The sum over all processes, as of their last batches."""
        parts = [link.capacity for link in self._links]
        unit = parts[0].unit if parts else "tokens"
        speed = sum(part.per_second for part in parts)
        return Capacity(unit, sum(part.queued for part in parts), sum(part.running for part in parts), speed)

    def at_once(self, request: Request) -> Answer | None:
        """None: every request goes through the queue."""
        return None

    def answer(self, request: Request) -> Answer:
        """Not from here: each process replays its goldens itself, before it is used."""
        raise TypeError("a pool of processes answers through infer")

    async def infer(self, request: Request, deadline: float) -> Answer:
        """The answer of the process with the fewest requests; once more by another when that one dies.

        Raises FreeholdError `engine_lost` when both died, `deadline_exceeded`, `shutting_down`, and what engines raise.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(TRIES):
            link = await self._least_busy(deadline, begun)
            number = next(self._numbers)
            answered: asyncio.Future[Answer] = loop.create_future()
            link.pending[number] = answered
            link.send(infer_of(number, request, max(0.0, deadline - loop.time())))
            try:
                return await answered
            except ConnectionError:
                log.warning("a process of %s died with a request; it is given to another", self._name)
            except asyncio.CancelledError:
                link.send(Cancel(number))
                raise
            finally:
                link.pending.pop(number, None)
        raise FreeholdError("engine_lost", model=self._name)

    async def close(self, grace_s: float) -> None:
        """Let every process finish within `grace_s` seconds, then end those that did not."""
        self._closing = True
        links = list(self._links)
        for link in links:
            link.send(Close(grace_s))
        for link in links:
            try:
                await asyncio.wait_for(link.process.wait(), grace_s + 2.0)
            except TimeoutError:
                link.process.kill()
                await link.process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def processes(self) -> list[int]:
        """The process ids, for `ps` and for memory accounting."""
        return [link.process.pid for link in self._links]

    async def _least_busy(self, deadline: float, begun: float) -> Link:
        """A live process; waits for one to come back until `deadline`."""
        loop = asyncio.get_running_loop()
        async with self._alive:
            while not self._links:
                left = deadline - loop.time()
                if self._closing:
                    raise FreeholdError("shutting_down")
                try:
                    await asyncio.wait_for(self._alive.wait(), left)
                except TimeoutError:
                    raise FreeholdError(
                        "deadline_exceeded", waited_s=loop.time() - begun, deadline_s=deadline - begun
                    ) from None
        return min(self._links, key=lambda link: len(link.pending))

    async def _start(self) -> Opened:
        """Start one process and wait until it has loaded."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "freehold.engine.worker", str(theirs.fileno()), pass_fds=[theirs.fileno()]
            )
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=1 << 24)
        link = Link(process, writer, asyncio.get_running_loop().create_future())
        self._keep(self._read(link, reader))
        link.send(self._open)
        try:
            opened = await link.opened
        except BaseException:
            writer.close()
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        async with self._alive:
            self._links.append(link)
            self._alive.notify_all()
        return opened

    async def _read(self, link: Link, reader: asyncio.StreamReader) -> None:
        """Hand each message of a process to whoever waits for it; when the process is gone, replace it."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self._receive(link, FROM_ENGINE.decode(await read_frame(reader)))
        lived = link in self._links
        if lived:
            self._links.remove(link)
        link.writer.close()
        if not link.opened.done():
            link.opened.set_exception(FreeholdError("engine_lost", model=self._name))
        for waiting in link.pending.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the engine process is gone"))
        status = await link.process.wait()
        if lived and not self._closing:
            log.error("engine_lost", extra={"model": self._name, "pid": link.process.pid, "status": status})
            self._keep(self._replace())

    async def _replace(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._closing:
            await asyncio.sleep(pause_s)
            try:
                await self._start()
            except (FreeholdError, OSError) as error:
                log.error("engine_restart_failed", extra={"model": self._name, "cause": str(error)})
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                log.info("engine_restarted", extra={"model": self._name})
                return

    def _receive(self, link: Link, message: Opened | Answered | Refused | Ran) -> None:
        if isinstance(message, Opened):
            link.opened.set_result(message)
        elif isinstance(message, Ran):
            link.capacity = message.capacity
            if self._on_batch is not None:
                self._on_batch(message.batch)
        elif isinstance(message, Refused) and message.id < 0:
            link.opened.set_exception(message.trouble.error())
        else:
            waiting = link.pending.get(message.id)
            if waiting is not None and not waiting.done():
                if isinstance(message, Answered):
                    waiting.set_result(answer_of(message))
                else:
                    waiting.set_exception(message.trouble.error())

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
