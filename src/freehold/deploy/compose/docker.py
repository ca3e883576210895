"""The docker command line of this machine and its Compose, by argument lists and never by a shell."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from freehold.deploy.compose.complaints import complaint
from freehold.errors import FreeholdError

PLUGIN, STANDALONE = ("docker", "compose"), ("docker-compose",)
DEFAULT_ADDRESS = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Docker:
    """Runs commands with `environ`, whose DOCKER_HOST and DOCKER_CONTEXT count as they do for the user.

    Every method blocks, and raises FreeholdError with what Docker said in our words.
    """

    environ: Mapping[str, str]
    compose_words: tuple[str, ...] = PLUGIN

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> "Docker":
        """The commands that are here: Compose v2 before docker-compose. Raises `compose_docker_missing`,
        `compose_missing`."""
        where = environ.get("PATH")
        if shutil.which("docker", path=where) is None:
            raise FreeholdError("compose_docker_missing")
        if _run((*PLUGIN, "version"), environ).returncode == 0:
            return cls(environ, PLUGIN)
        if shutil.which(STANDALONE[0], path=where) is None:
            raise FreeholdError("compose_missing")
        return cls(environ, STANDALONE)

    def run(self, *words: str, image: str = "") -> str:
        """What `docker WORDS` prints. `image` is the one that it may have to pull, for the error."""
        return self._said(("docker", *words), image)

    def compose(self, *words: str) -> str:
        """What Compose prints. Services that run although the file does not name them are no surprise here."""
        return self._said((*self.compose_words, *words))

    def tried(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """`docker WORDS`, whose failure is the caller's to read: of a program in a container, say."""
        return _run(("docker", *words), self.environ)

    def inspected(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """What Docker knows of these containers; those that are gone by now are left out."""
        if not ids:
            return []
        done = self.tried("inspect", "--type", "container", *ids)
        gone = all("No such" in line for line in done.stderr.splitlines() if line.strip())
        if done.returncode != 0 and not gone:
            raise self.failure(done)
        found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
        return found

    def lines(self, *words: str) -> Iterator[str]:
        """The lines that `docker WORDS` writes, as they come; closing the iterator ends the command."""
        command = ("docker", *words)
        with subprocess.Popen(  # noqa: S603 - argument lists of our own
            command,
            env=dict(self.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            assert process.stdout is not None, "it is a pipe"
            try:
                for line in process.stdout:
                    yield line.rstrip("\n")
            finally:
                process.terminate()

    def failure(self, done: "subprocess.CompletedProcess[str]", image: str = "") -> FreeholdError:
        """Why a command failed."""
        address = self.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS
        return complaint(f"{done.stderr}\n{done.stdout}", done.args, address, image)

    def _said(self, command: Sequence[str], image: str = "") -> str:
        done = _run(command, self.environ)
        if done.returncode != 0:
            raise self.failure(done, image)
        return done.stdout


def _run(command: Sequence[str], environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - argument lists of our own
        list(command),
        env={**environ, "COMPOSE_IGNORE_ORPHANS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
