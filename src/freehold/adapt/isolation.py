"""Runs a raw framework in a process that can do nothing but read the source and write one folder.

Where the kernel allows it (root, or user namespaces), the child has a network namespace without interfaces, a file
tree of its own (the system's libraries, its Python, the source: all read-only; its output folder and a private /tmp),
its own processes and no privileges. Everywhere it has limits of time, processor time and memory, an environment without
our variables, and it dies with us. `docs/decisions/isolation.md` says what that keeps out.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import site
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import freehold
from freehold.adapt.children import confine
from freehold.adapt.children.report import RESULT, STEP
from freehold.config import home
from freehold.errors import FreeholdError
from freehold.errors.catalog import CATALOG
from freehold.machine.memory import read_memory

log = logging.getLogger(__name__)

Say = Callable[[str], None]

UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts")
FOR_USERS = ("--user", "--map-root-user")

PATIENCE_S = 0.1  # between two looks at a child
PROBE_S = 20.0
LAST_WORDS = 300  # characters
LONGEST_STEP = 200  # bytes
LARGEST_RESULT = 16 << 20  # bytes
LARGEST_LOG = 8 << 20  # bytes that are kept of a child's output, its end
MOST_LOOKED_AT = 20_000  # files of a source; a home in which someone keeps a script has more, and is no source
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108 - the private one
    "TMPDIR": "/tmp",  # noqa: S108 - the private one
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class ChildLimits:
    """What a child may use. 0: as much processor time as all cores give in `seconds`, and the memory that is free."""

    seconds: float = 3600.0
    cpu_seconds: int = 0
    memory_bytes: int = 0
    file_bytes: int = 1 << 40
    temporary_bytes: int = 1 << 30

    def complete(self) -> "ChildLimits":
        """The same with the zeros filled in."""
        cores = os.cpu_count() or 1
        return replace(
            self,
            cpu_seconds=self.cpu_seconds or int(self.seconds * cores) + 1,
            memory_bytes=self.memory_bytes or read_memory().available,
        )


@dataclass(frozen=True)
class Walls:
    """How far this machine lets us isolate: the words of `unshare`, or none and the `reason`."""

    words: tuple[str, ...]
    reason: str = ""

    @property
    def kind(self) -> str:
        """ "namespaces", "user namespaces" or "limits only"."""
        if not self.words:
            return "limits only"
        return "user namespaces" if FOR_USERS[0] in self.words else "namespaces"


def run_child(
    module: str,
    job: Mapping[str, Any],
    *,
    reads: Sequence[Path],
    writes: Path,
    trusted: bool,
    python: Path | None = None,
    limits: ChildLimits | None = None,
    say: Say,
) -> dict[str, Any]:
    """Run `python -m freehold.adapt.children.MODULE`, and return the result that it wrote to the empty folder `writes`.

    The job is given to it as JSON, with "writes" and "trusted" added. `reads` are the files and folders of the source,
    seen at the same places; `python` is that of another environment (default: this one). `say` hears its steps.

    Raises FreeholdError: the code that the child reports, `isolated_failed`, `isolated_died`, `isolated_timeout`,
    `isolated_cpu`, `isolated_memory`, `isolated_result_invalid` (each with the path of the child's whole output, kept
    under `$FREEHOLD_HOME/logs`), `isolated_python_missing`.
    """
    walls = walls_here()
    if not walls.words:
        note = FreeholdError("note_no_isolation", reason=walls.reason)
        log.warning("%s", note.cause)
    limits = (limits or ChildLimits()).complete()
    sees = [*map(_absolute, reads), *_linked(reads), *_python_places(python), str(Path(freehold.__file__).parent)]
    with tempfile.TemporaryDirectory(prefix="freehold-child-") as name:
        scratch = Path(name)
        packages = scratch / "packages"
        packages.mkdir()
        (packages / "freehold").symlink_to(Path(freehold.__file__).parent)
        plan: confine.Plan = {
            "command": [_absolute(python or Path(sys.executable)), "-P", "-m", f"freehold.adapt.children.{module}"],
            "namespaces": list(walls.words),
            "root": str(scratch / "root"),
            "reads": [*sees, str(packages)],
            "writes": [_absolute(writes)],
            "folder": _absolute(writes),
            "limits": {
                "RLIMIT_CORE": 0,
                "RLIMIT_CPU": limits.cpu_seconds,
                "RLIMIT_DATA": limits.memory_bytes,
                "RLIMIT_FSIZE": limits.file_bytes,
            },
            "temporary_bytes": min(limits.temporary_bytes, limits.memory_bytes),
        }
        (scratch / "root").mkdir()
        order = scratch / "job.json"
        order.write_text(json.dumps({**job, "writes": _absolute(writes), "trusted": trusted}, default=str))
        run = _Run(_written(plan, scratch), _environment(packages, python), order, scratch / "output.log", limits)
        ended = run.until_the_end(writes, say)
        return run.result(writes, ended)


@cache
def walls_here() -> Walls:
    """The strongest isolation that works on this machine: tried once, with a child that does nothing."""
    if shutil.which(UNSHARE[0]) is None:
        return Walls((), "`unshare` of util-linux is not installed")
    reason = ""
    for words in (UNSHARE, (*UNSHARE, *FOR_USERS)):
        with tempfile.TemporaryDirectory(prefix="freehold-probe-") as name:
            root = Path(name) / "root"
            root.mkdir()
            plan: confine.Plan = {
                "command": [_absolute(Path(sys.executable)), "-I", "-S", "-c", ""],
                "namespaces": list(words),
                "root": str(root),
                "reads": _python_places(None),
                "writes": [],
                "folder": "/",
                "limits": {},
                "temporary_bytes": 1 << 20,
            }
            try:
                tried = subprocess.run(  # noqa: S603 - our own words
                    _words(_written(plan, Path(name))), capture_output=True, timeout=PROBE_S, check=False, text=True
                )
            except subprocess.TimeoutExpired:
                reason = reason or f"a trial of it took longer than {PROBE_S:.0f} s"
                continue
        if tried.returncode == 0:
            return Walls(words)
        reason = reason or " ".join(tried.stderr.split())[-LAST_WORDS:] or f"exit code {tried.returncode}"
    return Walls((), reason)


@dataclass(frozen=True)
class _Run:
    """One child from its start to what it left."""

    plan: Path
    environ: Mapping[str, str]
    order: Path
    output: Path
    limits: ChildLimits

    def until_the_end(self, writes: Path, say: Say) -> int | None:
        """Its exit code, below 0 the signal that ended it; None when its time was over.

        No process of it is left, also when this is interrupted.
        """
        with self.order.open("rb") as job, self.output.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own words
                _words(self.plan),
                stdin=job,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self.environ),
                cwd="/",
                start_new_session=True,  # Ctrl-C on the terminal is for us, and the group can be ended as a whole
            )
        limit = time.monotonic() + self.limits.seconds
        heard = ""
        try:
            while time.monotonic() < limit:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = process.wait(PATIENCE_S)
                    return confine.BY_SIGNAL - code if code > confine.BY_SIGNAL else code
                heard = _hear(writes / STEP, heard, say)
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def result(self, writes: Path, ended: int | None) -> dict[str, Any]:
        """What it left in `result.json`. Raises FreeholdError as `run_child`."""
        try:
            if ended is None:
                raise FreeholdError("isolated_timeout", seconds=self.limits.seconds, log=self._kept())
            if ended == -signal.SIGXCPU:
                raise FreeholdError("isolated_cpu", seconds=self.limits.cpu_seconds, log=self._kept())
            _only_plain_files(writes)
            result = _read(writes / RESULT)
        except _UnsoundError as error:
            raise FreeholdError("isolated_result_invalid", reason=error, log=self._kept()) from None
        if result is None:
            how = signal.Signals(-ended).name if ended < 0 else f"exit code {ended}"
            raise FreeholdError("isolated_died", how=how, said=self._said(), log=self._kept())
        if result.get("ok") is not True:
            raise self._failure(result)
        return result

    def _failure(self, result: Mapping[str, Any]) -> FreeholdError:
        code, details = result.get("code"), result.get("details")
        kept = self._kept()
        known = {"log": kept, "megabytes": self.limits.memory_bytes >> 20}
        if isinstance(code, str) and code in CATALOG and isinstance(details, dict):
            told = {str(key): printable(str(value)) for key, value in details.items()}
            # A detail that the texts of this code need is missing, is none for them, or has a name that is ours.
            with contextlib.suppress(KeyError, ValueError, TypeError):
                return FreeholdError(code, **{**told, **known})
        return FreeholdError("isolated_result_invalid", reason=f"it names the error {printable(str(code))!r}", log=kept)

    def _said(self) -> str:
        text = _end_of(self.output, 4 * LAST_WORDS).decode("utf-8", "replace")
        return printable(" | ".join(line.strip() for line in text.splitlines() if line.strip()))[-LAST_WORDS:] or "-"

    def _kept(self) -> Path:
        """Its output, where the user finds it later."""
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns() % 1_000_000:06}.log"
        target = home(os.environ) / "logs" / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            target.write_bytes(_end_of(self.output, LARGEST_LOG))
        except OSError:
            target = Path(tempfile.gettempdir()) / f"freehold-{name}"
            target.write_bytes(_end_of(self.output, LARGEST_LOG))
        return target


def _end_of(path: Path, size: int) -> bytes:
    """At most `size` bytes: a child may say more than a disk holds twice."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read(size)


class _UnsoundError(Exception):
    """What a child left is not what it should be; the text says how."""


def printable(text: str) -> str:
    """`text` without what would steer a terminal; lines stay lines."""
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    if path.stat().st_size > LARGEST_RESULT:
        raise _UnsoundError(f"{RESULT} is larger than {LARGEST_RESULT >> 20} MB")
    try:
        result = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _UnsoundError(f"{RESULT} is no JSON: {error}") from None
    if not isinstance(result, dict):
        raise _UnsoundError(f"{RESULT} holds no object")
    return result


def _only_plain_files(folder: Path) -> None:
    """A link would have us read, and keep, what the child could not."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise _UnsoundError(f"{path.name} is neither a file nor a folder")


def _hear(path: Path, heard: str, say: Say) -> str:
    """Say the child's step when it is another one; the step."""
    try:
        # It may be a pipe, which would hold us for ever, or a link to what only we may read.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return heard
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return heard
        text = printable(os.read(handle, LONGEST_STEP).decode("utf-8", "replace"))
    finally:
        os.close(handle)
    if text != heard:
        say(text)
    return text


def _written(plan: confine.Plan, folder: Path) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    return path


def _words(plan: Path) -> list[str]:
    return [sys.executable, "-I", "-S", confine.__file__, str(plan)]


def _environment(packages: Path, python: Path | None) -> dict[str, str]:
    """Nothing of ours but where libraries lie: no token, no proxy, no key."""
    places = [str(packages)]
    if python is None and site.ENABLE_USER_SITE:
        places.append(site.getusersitepackages())
    libraries = os.environ.get("LD_LIBRARY_PATH")
    return {
        **ENVIRONMENT,
        "PYTHONPATH": os.pathsep.join(places),
        **({"LD_LIBRARY_PATH": libraries} if libraries else {}),
    }


def _python_places(python: Path | None) -> list[str]:
    """Folders without which that Python does not start. Raises FreeholdError `isolated_python_missing`."""
    libraries = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    places = [path for path in libraries if path]
    if python is None:
        places += [sys.prefix, sys.base_prefix, *site.getsitepackages()]
        if site.ENABLE_USER_SITE:
            places.append(site.getusersitepackages())
    elif not python.is_file():
        raise FreeholdError("isolated_python_missing", python=python)
    places += [str(hop.parent.parent) for hop in _hops(python or Path(sys.executable))]
    return [place for place in dict.fromkeys(places) if place != "/" and Path(place).is_dir()]


def _hops(path: Path) -> Iterator[Path]:
    """`path`, and what it links to, link by link: an environment's `python` links to the one that it was made with."""
    path = Path(_absolute(path))
    yield path
    for _ in range(40):  # as many links as Linux follows
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))
        yield path


def _linked(reads: Sequence[Path]) -> list[str]:
    """What the source's path leads to, and the files that links in it lead to: the cache of a hub keeps a model so.

    Never a folder: a link to one is not followed by what reads a model, and could show a whole home.
    """
    found = []
    for path in reads:
        found += [str(hop) for hop in _hops(path)][1:]
        inside = (Path(where) / name for where, _, names in os.walk(path) for name in names)
        for place in islice(inside, MOST_LOOKED_AT):
            found += [str(hop) for hop in list(_hops(place))[1:] if not hop.is_dir()]
    return found


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay: the path is what the child is told
