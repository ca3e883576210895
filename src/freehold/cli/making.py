"""What the verbs that make an artifact share: what it is called, where it is made, and how it leaves for a folder."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from freehold.adapt.work_folder import work_folder
from freehold.errors import FreeholdError
from freehold.store.store import check_name


def named(text: str) -> tuple[str, str]:
    """Name and tag of `--name NAME[:TAG]`, the tag "" where there is none. Raises as `check_name`."""
    name, _, tag = text.partition(":")
    check_name(name, tag)
    return name, tag


def refuse_existing(folder: Path | None, code: str) -> None:
    """Raises the error `code` where `--output` names what is there already, a link that leads nowhere too."""
    if folder is not None and (folder.exists() or folder.is_symlink()):
        raise FreeholdError(code, path=folder)


def move_out(made: Path, folder: Path, code: str) -> None:
    """Move the artifact that was made to `folder`, which is whole or absent. Raises the error `code`."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(made, aside)
        aside.rename(folder)
    except OSError as error:
        raise FreeholdError(code, path=folder, reason=error.strerror or str(error)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def working_in(parent: Path) -> Iterator[Path]:
    """A work folder under `parent` that also goes when this process is asked to leave. Raises as `work_folder`."""
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with work_folder(parent) as folder:
            yield folder
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
