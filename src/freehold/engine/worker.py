"""An engine process: no HTTP, one model, one Unix socket that it inherited.

Run as `python -m freehold.engine.worker FD`.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from freehold.engine.base import Engine
from freehold.engine.batcher import Batch
from freehold.engine.frames import (
    READ_AHEAD,
    TO_ENGINE,
    Broke,
    Cancel,
    Close,
    FromEngine,
    Infer,
    Open,
    Opened,
    Queued,
    Ran,
    Refused,
    Trouble,
    Unopened,
    answered_of,
    frame,
    read_frame,
    request_of,
)
from freehold.engine.opening import open_engine
from freehold.errors import FreeholdError
from freehold.telemetry import configure_logs

log = logging.getLogger("freehold.engine.worker")  # it runs as __main__

REPORT_S = 0.02
"""The front's figures of a queue that grows are at most this old, also while one long batch runs."""


class Worker:
    """Serves one engine to the front at the other end of the socket, until that end closes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._engine: Engine | None = None
        self._loading: asyncio.Task[None] | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._report_due = False

    async def serve(self) -> None:
        """Answer frames until the front closes the socket or says so. A front that died takes its workers with it."""
        grace_s = 0.0
        try:
            while True:
                message = TO_ENGINE.decode(await read_frame(self._reader))
                if isinstance(message, Close):
                    grace_s = message.grace_s
                    break
                self._take(message)
        except EOFError:
            pass
        except (ConnectionError, msgspec.MsgspecError) as error:
            log.warning("front_unreadable", extra={"cause": str(error)})
        if self._loading is not None and not self._loading.done():
            # Nobody waits for this model any more, and the thread that loads it cannot be stopped.
            os._exit(0)
        await self._leave(grace_s)

    def _take(self, message: Open | Infer | Cancel) -> None:
        if isinstance(message, Open):
            self._loading = asyncio.create_task(self._open(message))
        elif isinstance(message, Infer):
            task = self._tasks[message.id] = asyncio.create_task(self._infer(message))
            task.add_done_callback(partial(self._forget, message.id))
            self._report_soon()
        else:
            unwanted = self._tasks.get(message.id)
            if unwanted is not None:
                unwanted.cancel()

    async def _open(self, message: Open) -> None:
        configure_logs("text" if message.log_format == "text" else "json", message.log_level)
        settings = replace(message.settings, on_batch=self._ran)
        try:
            engine = await asyncio.to_thread(open_engine, Path(message.path), message.name, settings)
            await engine.load()
        except FreeholdError as error:
            self._send(Unopened(Trouble.of(error)))
            return
        self._engine, proof = engine, engine.proof
        failure = Trouble.of(proof.failure) if proof.failure else None
        self._send(
            Opened(
                manifest=engine.manifest,
                digest=engine.digest,
                precision=engine.precision,
                max_tokens=engine.max_tokens,
                status=proof.status,
                cases=proof.cases,
                replayed=proof.replayed,
                recorded_by=proof.recorded_by,
                failure=failure,
                capacity=engine.capacity(),
            )
        )

    async def _infer(self, message: Infer) -> None:
        engine = self._engine
        assert engine is not None
        try:
            deadline = asyncio.get_running_loop().time() + message.within_s
            answer = await engine.infer(request_of(message), deadline, message.later)
            self._send(answered_of(message.id, answer))
        except FreeholdError as error:
            self._send(Refused(message.id, Trouble.of(error)))
        except Exception as error:
            # The top of a request in this process: the front must hear of it, or its client would wait for ever.
            log.exception("request_failed")
            self._send(Broke(message.id, f"{type(error).__name__}: {error}"))
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def _leave(self, grace_s: float) -> None:
        """Finish what was asked before `Close` within `grace_s` seconds, and hand over the last byte of it."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + grace_s
        if self._tasks and grace_s:
            # The engine would refuse a request that has not reached its queue yet: one that is being tokenized.
            await asyncio.wait([*self._tasks.values()], timeout=grace_s)
        if self._engine is not None:
            await self._engine.close(max(0.0, limit - loop.time()))
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def _forget(self, number: int, task: "asyncio.Task[None]") -> None:
        del self._tasks[number]

    def _ran(self, batch: Batch) -> None:
        if self._engine is not None:
            self._send(Ran(batch, self._engine.capacity()))

    def _report_soon(self) -> None:
        if not self._report_due:
            self._report_due = True
            asyncio.get_running_loop().call_later(REPORT_S, self._report)

    def _report(self) -> None:
        self._report_due = False
        if self._engine is not None:
            self._send(Queued(self._engine.capacity()))

    def _send(self, message: FromEngine) -> None:
        if not self._writer.is_closing():
            self._writer.write(frame(message))


async def _main(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The front decides when its engines leave; a signal to all processes of a unit must not cut requests short.
        loop.add_signal_handler(number, lambda: None)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor), limit=READ_AHEAD)
    await Worker(reader, writer).serve()


if __name__ == "__main__":
    configure_logs()
    asyncio.run(_main(int(sys.argv[1])))
