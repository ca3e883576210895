"""The configuration file, read again when it changes, while requests are answered by the one before.

It is looked at ten times a second, and read when it has stayed the same from one look to the next: an editor may write
it in pieces. A file that is broken, or gone, changes nothing but what is told of it.
"""

import asyncio
import hashlib
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from freehold.config import Access, Config
from freehold.errors import FreeholdError
from freehold.gateway.recurring import recurring
from freehold.telemetry import Telemetry

log = logging.getLogger(__name__)

LOOK_S = 0.1
AT_START = ("server", "observe", "network")
"""What of a configuration is only read when a node starts; of its models, those whose servers it starts itself."""
OF_THE_SERVER = ("body_mb", "in_flight_mb", "models_mb")
"""Limits that are, too; all others are each model's."""
OF_THE_DOOR = frozenset(Access.__struct_fields__) - {"limits", "teams", "when_unreachable"}
"""Settings of `access` that are, too; its limits are taken up."""

Signature = tuple[int, int, int] | None


class Reload:
    """Keeps a node to its configuration file. Used from the event loop's thread only.

    `load` reads the file and blocks, so it runs in a thread; `take` puts a configuration into force, or raises and
    leaves everything as it was; `taken` hears of the sha256 of each file that is in force from then on; `wall` is the
    time of day in seconds.
    """

    def __init__(
        self,
        file: Path,
        load: Callable[[], Config],
        config: Config,
        take: Callable[[Config], None],
        telemetry: Telemetry,
        wall: Callable[[], float] = time.time,
        taken: Callable[[str], None] = lambda _digest: None,
    ) -> None:
        self.trouble: FreeholdError | None = None
        """Why the file as it is now is not in force."""
        self.note: FreeholdError | None = None
        """What of the file that is in force waits for a restart."""
        self.digest = _digest(file)
        """The sha256 of the file that is in force, in hex: who wrote it can tell by that when it is."""
        self._file = file
        self._load = load
        self._begun = self._config = config
        self._take = take
        self._telemetry = telemetry
        self._wall = wall
        self._taken = taken
        self._read = self._looked = _signature(file)
        self.read = _written(self._read)
        """When the file was written that was last read, in force or not: nanoseconds since 1970."""
        self._asked = False
        self._loaded()

    def now(self) -> None:
        """Read the file again, whether it changed or not."""
        self._asked = True

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """While it lasts, the file is looked at, and read at SIGHUP."""
        loop = asyncio.get_running_loop()
        of_signals = threading.current_thread() is threading.main_thread()  # the only one that may hear them
        if of_signals:
            loop.add_signal_handler(signal.SIGHUP, self.now)
        try:
            async with recurring(self.look, LOOK_S, "reload_broke"):
                yield
        finally:
            if of_signals:
                loop.remove_signal_handler(signal.SIGHUP)

    async def look(self) -> None:
        """Look once, and take the file up where it is another one."""
        signature = _signature(self._file)
        settled, self._looked = signature == self._looked, signature
        if not self._asked and (signature == self._read or not settled):
            return
        self._asked, self._read = False, signature
        try:
            digest = await asyncio.to_thread(_digest, self._file)
            config = await asyncio.to_thread(self._load)
            if not config.models:
                raise FreeholdError("config_emptied", origin=self._file)
        except FreeholdError as error:
            if _signature(self._file) == signature:
                self._refuse(error)
                self.read = _written(signature)
            return
        if _signature(self._file) == signature:  # else it is read once more
            self._try(config, digest)
            self.read = _written(signature)

    def _try(self, config: Config, digest: str) -> None:
        begun = time.perf_counter()
        try:
            self._take(config)
        except FreeholdError as error:
            self._refuse(error)
            return
        self._config, self.digest = config, digest
        self._taken(digest)
        self._loaded()
        took_ms = round(1000 * (time.perf_counter() - begun), 1)
        log.info("config_loaded", extra={"file": str(self._file), "routes": len(config.routes), "took_ms": took_ms})
        waiting = ", ".join(only_at_start(self._begun, config))
        self.note = FreeholdError("config_needs_restart", origin=self._file, what=waiting) if waiting else None
        if self.note is not None:
            log.warning("config_needs_restart", extra={"file": str(self._file), "what": waiting})

    def _refuse(self, error: FreeholdError) -> None:
        self.trouble = error
        self._telemetry.config_failures.of().inc()
        self._telemetry.config_broken.of().set(1.0)
        log.error("config_refused", extra={"file": str(self._file), "code": error.code, "cause": error.cause})

    def _loaded(self) -> None:
        self.trouble = None
        self._telemetry.config_failures.of()
        self._telemetry.config_broken.of().set(0.0)
        self._telemetry.config_loaded.of().set(self._wall())


def only_at_start(begun: Config, config: Config) -> list[str]:
    """What `config` says otherwise than `begun` and a running node cannot take up."""
    changed = [name for name in AT_START if getattr(begun, name) != getattr(config, name)]
    changed += ["gateway.body_mb"] if begun.gateway.body_mb != config.gateway.body_mb else []
    limits = [name for name in OF_THE_SERVER if getattr(begun.limits, name) != getattr(config.limits, name)]
    changed += [f"limits.{name}" for name in limits]
    door = sorted(name for name in OF_THE_DOOR if getattr(begun.access, name) != getattr(config.access, name))
    changed += [f"access.{name}" for name in door]
    mine = {model.id: model for model in begun.models if model.hosting == "child"}
    theirs = {model.id: model for model in config.models if model.hosting == "child"}
    ids = {**mine, **theirs}
    return changed + [f"model {model}" for model in ids if mine.get(model) != theirs.get(model)]


def _digest(file: Path) -> str:
    """The sha256 of its bytes, in hex; "" where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _written(signature: Signature) -> int:
    return 0 if signature is None else signature[0]


def _signature(file: Path) -> Signature:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
