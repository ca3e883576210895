"""Programs whose streams are a backup's: fed, read, and their failures told in their own words."""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from freehold.errors import FreeholdError

LAST_WORDS = 2000


@dataclass(frozen=True)
class Command:
    """A program of this machine: its words, which everybody may read, and its environment, which may hold secrets."""

    words: tuple[str, ...]
    environ: Mapping[str, str] = field(repr=False)


@contextmanager
def reading(command: Command, about: str, spared: Sequence[int] = (0,)) -> Iterator[IO[bytes]]:
    """What a program writes. Raises `dify_backup_program_failed` where it ends otherwise than with one of `spared`.

    It is killed where the block fails, so that nothing is left behind that goes on.
    """
    with _running(command, about, spared, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None, "it is a pipe"
        yield process.stdout


@contextmanager
def feeding(command: Command, about: str) -> Iterator[IO[bytes]]:
    """What a program reads; as `reading`. The program has ended when the block has."""
    with _running(command, about, (0,), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None, "it is a pipe"
        yield process.stdin


def said(command: Command, about: str, told: bytes = b"") -> bytes:
    """All that a program writes when it is told `told`. Raises `dify_backup_program_failed`."""
    try:
        done = subprocess.run(  # noqa: S603 - argument lists of our own
            command.words, env=dict(command.environ), input=told, capture_output=True, check=False
        )
    except OSError as error:
        raise _absent(command, about, error) from None
    if done.returncode != 0:
        raise _failed(command, about, done.returncode, done.stderr)
    return done.stdout


@contextmanager
def _running(
    command: Command, about: str, spared: Sequence[int], stdin: int, stdout: int
) -> Iterator["subprocess.Popen[bytes]"]:
    with tempfile.TemporaryFile() as words:
        try:
            process = subprocess.Popen(  # noqa: S603 - argument lists of our own
                command.words, env=dict(command.environ), stdin=stdin, stdout=stdout, stderr=words
            )
        except OSError as error:
            raise _absent(command, about, error) from None
        broken: BrokenPipeError | None = None
        try:
            yield process
        except BrokenPipeError as error:  # it ended before it had read all: its own words say why
            broken = error
        except BaseException:
            process.kill()
            raise
        finally:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with suppress(BrokenPipeError):
                        stream.close()
            process.wait()
        if process.returncode not in spared or broken is not None:
            words.seek(0)
            raise _failed(command, about, process.returncode, words.read())


def _failed(command: Command, about: str, status: int, words: bytes) -> FreeholdError:
    text = " ".join(words[-LAST_WORDS:].decode("utf-8", "replace").split())
    program = command.words[0]
    return FreeholdError("dify_backup_program_failed", about=about, program=program, status=status, words=text or "-")


def _absent(command: Command, about: str, error: OSError) -> FreeholdError:
    return FreeholdError(
        "dify_backup_program_missing", about=about, program=command.words[0], reason=error.strerror or str(error)
    )
