"""Take a snapshot: every fact by itself, all at once, none able to hang or to spoil another."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Mapping

from freehold.deploy.doctor import cluster, facts_cards, facts_gpu, facts_machine, facts_network, facts_programs
from freehold.deploy.doctor.reading import Reader, UnreadableError
from freehold.deploy.doctor.snapshot import FORMAT

PATIENCE_S = 30.0
"""For all facts together; what hangs still (a dead network file system) is unknown then."""

STRANGE = (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, UnreadableError, ValueError)
"""What a reader may meet on a machine nobody foresaw; the fact is unknown then, with the reason."""


@dataclass(frozen=True)
class Asked:
    """What the machine is to do, as far as its facts depend on it."""

    folder: Path
    """Where models and state are kept."""
    ports: tuple[int, ...] = (8080,)
    registry: str | None = None
    """`harbor.corp.local/mirror`, or with `https://` or `http://` in front."""
    ca: str | None = None
    hosts: tuple[str, ...] = ()
    """Names of other machines that have to resolve, such as upstreams."""

    @classmethod
    def by(cls, environ: Mapping[str, str]) -> Asked:
        """What nothing more is said of: state in FREEHOLD_HOME, or ~/.freehold."""
        named = environ.get("FREEHOLD_HOME")
        try:
            return cls(Path(named) if named else Path.home() / ".freehold")
        except RuntimeError:  # a container's user without a name has no home
            return cls(Path.cwd())


def readers(asked: Asked) -> dict[str, Reader]:
    """Every fact's name and reader."""
    return {
        **facts_machine.readers(asked.folder),
        **facts_programs.READERS,
        **facts_gpu.READERS,
        **facts_cards.READERS,
        **facts_network.readers(asked.ports, asked.registry, asked.ca, asked.hosts, os.environ),
        **cluster.READERS,
    }


def take(asked: Asked, patience: float = PATIENCE_S) -> dict[str, Any]:
    """The document of `snapshot.Snapshot`, of this machine now."""
    return {
        "freehold_doctor": FORMAT,
        "taken": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **gather(readers(asked), patience),
    }


def gather(wanted: Mapping[str, Reader], patience: float) -> dict[str, dict[str, Any]]:
    """`{facts, unknown}` of all readers, each in a thread of its own that is left behind when it takes too long."""
    facts: dict[str, Any] = {}
    unknown: dict[str, str] = {}

    def read(name: str, reader: Reader) -> None:
        try:
            facts[name] = reader()
        except STRANGE as error:
            unknown[name] = str(error) or type(error).__name__

    threads = {name: threading.Thread(target=read, args=(name, reader), daemon=True) for name, reader in wanted.items()}
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + patience
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            unknown[name] = f"took more than {patience:g} s"
        elif name not in facts:
            unknown.setdefault(name, "its reader broke off")
    return {
        "facts": {name: facts[name] for name in wanted if name in facts and name not in unknown},
        "unknown": {name: unknown[name] for name in wanted if name in unknown},
    }
