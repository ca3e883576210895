"""Reading the JSON files of a model folder into types, with errors that name the file and the field."""

from pathlib import Path
from typing import TypeVar

import msgspec

from freehold.errors import FreeholdError

T = TypeVar("T")


def read(path: Path, kind: type[T]) -> T:
    """The JSON document at `path` as `kind`; unknown fields are ignored.

    Raises FreeholdError `model_folder_invalid` when the file is absent, unreadable, no JSON or of another shape.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise FreeholdError("model_folder_invalid", path=path, reason=error.strerror or str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FreeholdError("model_folder_invalid", path=path, reason=str(error)) from error


def read_or(path: Path, kind: type[T], default: T) -> T:
    """As `read`; `default` when the file is absent."""
    return read(path, kind) if path.is_file() else default
