"""Programs whose streams are a backup's."""

import os

import pytest

from freehold.deploy.dify.backup.programs import Command, feeding, reading, said
from freehold.errors import FreeholdError


def sh(script: str, **environ: str) -> Command:
    """A shell's script."""
    return Command(("sh", "-c", script), {"PATH": os.environ["PATH"], **environ})


def test_streams_and_words() -> None:
    """What it writes is read, what it reads is written, secrets come by its environment and show in no repr."""
    with reading(sh("printf abc"), "x") as stream:
        assert stream.read() == b"abc"
    assert said(sh('cat; printf "$SECRET"', SECRET="hush"), "x", b"told ") == b"told hush"
    assert "hush" not in repr(sh("true", SECRET="hush"))


def test_a_failure_has_the_programs_own_words() -> None:
    """Where it ends badly, stops reading, or is not there."""
    broken = sh("echo 'no space' >&2; exit 3")
    with pytest.raises(FreeholdError, match="no space"), reading(broken, "x") as stream:
        stream.read()
    with pytest.raises(FreeholdError, match="ended with 3: no space"), feeding(broken, "x") as sink:
        sink.write(bytes(10_000_000))
    with pytest.raises(FreeholdError, match="no space"):
        said(broken, "x")
    for call in (lambda: said(Command(("/none",), {}), "x"), lambda: reading(Command(("/none",), {}), "x").__enter__()):
        with pytest.raises(FreeholdError) as missing:
            call()
        assert missing.value.code == "dify_backup_program_missing"


def test_a_block_that_fails_ends_the_program() -> None:
    """It would go on for a minute."""
    pids: list[int] = []

    def fail(line: bytes) -> None:
        pids.append(int(line))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), reading(sh("echo $$; exec sleep 60"), "x") as stream:
        fail(stream.readline())
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
