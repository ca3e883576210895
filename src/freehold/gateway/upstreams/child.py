"""A server that this one starts, listens to, watches, starts again, and ends with itself."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freehold.config import ModelConfig
from freehold.errors import FreeholdError
from freehold.gateway.upstreams import vllm
from freehold.machine import leash

log = logging.getLogger(__name__)

LONGEST_LINE = 4096  # characters of its output that one log line takes
REMEMBERED = 5  # last lines that tell why it ended
LAST_WORDS_S = 1.0  # how long the rest of its output is waited for
STEADY_S = 60.0  # one that lived so long is started again without a pause
_GPUS = "CUDA_VISIBLE_DEVICES"
_OWN = ("FREEHOLD_", "MODEL_PATH", "MODEL_ID")  # meant for this server, not for one that it starts


@dataclass(frozen=True)
class Patience:
    """Seconds. A large model takes long to load from a network disk; a broken one must not be started all the time."""

    startup_s: float = 1800.0
    grace_s: float = 15.0
    pause_s: float = 1.0
    longest_pause_s: float = 60.0


PATIENCE = Patience()


@dataclass(frozen=True)
class Recipe:
    """How a server is started: a command line for a port, and its environment."""

    model: str
    words: tuple[str, ...]
    environ: Mapping[str, str]

    def command(self, port: int) -> list[str]:
        """The words, with the port filled in."""
        return [word.replace("{port}", str(port)) for word in self.words]


def recipe(model: ModelConfig, environ: Mapping[str, str], secrets: frozenset[str], gpus: str, key: str) -> Recipe:
    """How the server of `model` is started; `gpus` are the devices that it may see ("": as it finds them).

    It gets our environment without the variables that hold `secrets`, and what is meant for us. vLLM gets `key`.
    Raises `child_program_missing`.
    """
    words = vllm.filled(model) or vllm.command(
        model, "127.0.0.1", "{port}", vllm.architecture_of(Path(model.parsed_source.name))
    )
    path = os.pathsep.join([environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    program = shutil.which(words[0], path=path)
    if program is None:
        raise FreeholdError("child_program_missing", model=model.id, program=words[0])
    theirs = {name: value for name, value in environ.items() if name not in secrets and not name.startswith(_OWN)}
    if gpus:
        theirs[_GPUS] = gpus
    if not model.command:
        theirs["VLLM_API_KEY"] = key
    return Recipe(model.id, (program, *words[1:]), theirs)


def allotted(models: Sequence[ModelConfig], environ: Mapping[str, str]) -> dict[str, str]:
    """By model, the NVIDIA devices of its own: each gets the next ones, of those that this process may see."""
    visible = [device for device in environ.get(_GPUS, "").split(",") if device]
    taken = 0
    devices = {}
    for model in models:
        request = model.gpu_request
        if request is None or not request.resource.startswith("nvidia.com/"):
            continue
        numbers = range(taken, taken + request.count)
        devices[model.id] = ",".join(visible[n] if n < len(visible) else str(n) for n in numbers)
        taken += request.count
    return devices


class Child:
    """Keeps one server running.

    `moved` is told where it listens, or why it is gone; `answers` waits until it answers there.
    """

    def __init__(
        self,
        recipe: Recipe,
        moved: Callable[[str | None, FreeholdError | None], None],
        answers: Callable[[], Awaitable[None]],
        patience: Patience = PATIENCE,
    ) -> None:
        self._recipe = recipe
        self._moved = moved
        self._answers = answers
        self._patience = patience
        self._said: deque[str] = deque(maxlen=REMEMBERED)

    async def keep(self) -> None:
        """Start it, and again whenever it ends, until cancelled; then no process of it is left."""
        pause_s = self._patience.pause_s
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            error = await self._run()
            self._moved(None, error)
            if loop.time() - begun > STEADY_S:
                pause_s = self._patience.pause_s
            log.error("child_ended", extra={"model": self._recipe.model, "cause": error.cause, "again_in_s": pause_s})
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._patience.longest_pause_s)

    async def _run(self) -> FreeholdError:
        """One life of it; why it ended."""
        model, port = self._recipe.model, _free_port()
        process = await self._start(port)
        log.info("child_started", extra={"model": model, "pid": process.pid, "port": port})
        assert process.stdout is not None
        listening = asyncio.create_task(self._listen(process.stdout))
        try:
            self._moved(f"http://127.0.0.1:{port}/v1", None)
            how = await self._outlive(process)
        finally:
            await self._end(process)
            await asyncio.wait({listening}, timeout=LAST_WORDS_S)  # a process that left its group may hold on
            listening.cancel()
        said = " | ".join(self._said) or "nothing"
        if how is None:
            return FreeholdError("child_never_ready", model=model, seconds=self._patience.startup_s, said=said)
        return FreeholdError("child_died", model=model, how=how, said=said)

    async def _start(self, port: int) -> asyncio.subprocess.Process:
        """A start that is cancelled is waited for all the same: it would leave a process that nobody knows."""
        starting = asyncio.ensure_future(
            asyncio.create_subprocess_exec(
                *leash.leashed(self._recipe.command(port)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=self._recipe.environ,
                start_new_session=True,  # Ctrl-C on the terminal is for us, and a group can be ended as a whole
            )
        )
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await self._end(await starting)
            raise

    async def _outlive(self, process: asyncio.subprocess.Process) -> str | None:
        """Wait for its end, and say how it came; None when it took too long to begin."""
        ended = asyncio.create_task(process.wait())
        ready = asyncio.ensure_future(self._answers())
        try:
            await asyncio.wait({ended, ready}, timeout=self._patience.startup_s, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done() and not ready.done():
                return None
            code = await ended
        finally:
            ready.cancel()
            ended.cancel()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        """Ask its whole group to leave, and end what does not within the grace time."""
        if process.returncode is None:
            _signal(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience.grace_s):
                    await process.wait()
        _signal(process.pid, signal.SIGKILL)  # also for what it left behind
        await process.wait()

    async def _listen(self, output: asyncio.StreamReader) -> None:
        """Its output, line by line, into our log."""
        begun = b""
        while chunk := await output.read(1 << 16):
            *lines, begun = (begun + chunk).split(b"\n")
            for line in lines:
                self._say(line)
            if len(begun) > LONGEST_LINE:
                self._say(begun)
                begun = b""
        if begun:
            self._say(begun)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")[:LONGEST_LINE]
        if text.strip():
            self._said.append(text.strip()[:200])
            log.info("child_says", extra={"model": self._recipe.model, "line": text})


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
