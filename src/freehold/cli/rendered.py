"""Rendered files, written to a folder and told."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from freehold.artifact.artifact import write_durably
from freehold.cli.output import LABELS, Output, describe
from freehold.errors import FreeholdError

Configuration = Annotated[
    str | None, typer.Argument(metavar="CONFIG", help="As for `gateway`; left out: ./freehold.yaml, ./config.yaml.")
]
Folder = Annotated[
    Path, typer.Option("--output", "-o", metavar="DIR", help="Where the files go; older ones are replaced.")
]

_AT_ONCE = 16  # files that wait for the disk together: a hundred one by one take half a second


def write_rendered(
    output: Output, folder: Path, files: Mapping[str, str], warnings: Sequence[FreeholdError] = ()
) -> None:
    """Write `files` below `folder` and say which. Raises `rendering_unwritable`."""
    paths = [folder / name for name in files]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(_write, paths, files.values()))
    data = {
        "folder": str(folder),
        "files": list(files),
        "warnings": [describe(warning, output.language) for warning in warnings],
    }
    label = LABELS[output.language].note
    told = [output.told(warning, label) for warning in warnings]
    output.show(data, "\n".join([*told, *map(str, paths)]))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, text.encode("utf-8"))
    except OSError as error:
        raise FreeholdError("rendering_unwritable", path=path, reason=error.strerror or str(error)) from None
