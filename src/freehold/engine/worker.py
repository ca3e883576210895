"""An engine process: no HTTP, one model, one Unix socket that it inherited. Run as `python -m freehold.engine.worker FD`."""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

from freehold.engine.base import Engine
from freehold.engine.batcher import Batch
from freehold.engine.frames import (
    TO_ENGINE,
    Answered,
    Cancel,
    Close,
    FromEngine,
    Infer,
    Open,
    Opened,
    Packed,
    Ran,
    Refused,
    Trouble,
    frame,
    read_frame,
    request_of,
)
from freehold.engine.opening import open_engine
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)


class Worker:
    """Serves one engine to the front at the other end of the socket, until that end closes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._engine: Engine | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Answer frames until the front closes the socket or says so. A front that died takes its workers with it."""
        grace_s = 0.0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = TO_ENGINE.decode(await read_frame(self._reader))
                if isinstance(message, Open):
                    await self._open(message)
                elif isinstance(message, Infer):
                    self._tasks[message.id] = asyncio.create_task(self._infer(message))
                elif isinstance(message, Cancel):
                    task = self._tasks.get(message.id)
                    if task is not None:
                        task.cancel()
                elif isinstance(message, Close):
                    grace_s = message.grace_s
                    break
        if self._engine is not None:
            await self._engine.close(grace_s)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
            self._writer.close()

    async def _open(self, message: Open) -> None:
        settings = replace(message.settings, on_batch=self._ran)
        try:
            engine = await asyncio.to_thread(open_engine, Path(message.path), message.name, settings)
            await engine.load()
        except FreeholdError as error:
            self._send(Refused(-1, Trouble.of(error)))
            return
        self._engine, proof = engine, engine.proof
        failure = Trouble.of(proof.failure) if proof.failure else None
        facts = (engine.manifest, engine.digest, engine.precision, engine.max_tokens)
        self._send(Opened(*facts, proof.status, proof.cases, proof.replayed, proof.recorded_by, failure))

    async def _infer(self, message: Infer) -> None:
        engine = self._engine
        assert engine is not None
        try:
            deadline = asyncio.get_running_loop().time() + message.within_s
            answer = await engine.infer(request_of(message), deadline)
        except FreeholdError as error:
            self._send(Refused(message.id, Trouble.of(error)))
        except Exception as error:
            # The top of a request in this process: the front must hear of it, or its client would wait for ever.
            log.exception("a request failed")
            self._send(Refused(message.id, Trouble("internal", {"reason": type(error).__name__})))
        else:
            outputs = {name: Packed.of(array) for name, array in answer.outputs.items()}
            self._send(Answered(message.id, outputs, answer.tokens, answer.truncated))
        finally:
            self._tasks.pop(message.id, None)

    def _ran(self, batch: Batch) -> None:
        if self._engine is not None:
            self._send(Ran(batch, self._engine.capacity()))

    def _send(self, message: FromEngine) -> None:
        self._writer.write(frame(message))


async def _main(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The front decides when its engines leave; a signal to the whole group must not cut requests short.
        loop.add_signal_handler(number, lambda: None)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=descriptor), limit=1 << 24)
    await Worker(reader, writer).serve()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(_main(int(sys.argv[1])))
