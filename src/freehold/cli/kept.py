"""Models that were loaded while a server ran, kept under FREEHOLD_HOME until they are unloaded."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from freehold.access.private import write_private
from freehold.config.forms import ID
from freehold.errors import FreeholdError

LOADED = "loaded"
"""The folder below FREEHOLD_HOME."""
_SUFFIX = ".json"
_FILES = f"{_SUFFIX}.files"


@dataclass(frozen=True)
class Kept:
    """One file a model in `folder`: what was stated of it, as JSON; and, where files came with it, a folder of them."""

    folder: Path

    def names(self) -> list[str]:
        """The ids of all that are kept."""
        return self._named(_SUFFIX)

    def with_files(self) -> list[str]:
        """The ids of all of which files were laid, kept or not."""
        return self._named(_FILES)

    def find(self, model: str) -> dict[str, Any] | None:
        """What was stated of that model; None where it is not kept. Raises FreeholdError `kept_unreadable`."""
        path = self._path(model)
        return _read(path) if path.is_file() else None

    def put(self, model: str, settings: Mapping[str, Any]) -> None:
        """Keep a model. Raises FreeholdError `kept_unwritable`."""
        path = self._path(model)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(path, json.dumps(dict(settings), ensure_ascii=False, indent=1).encode())
        except OSError as error:
            raise FreeholdError("kept_unwritable", path=path, reason=error.strerror or str(error)) from None
        self._clear(model, settings)

    def tidy(self, model: str) -> None:
        """Leave no files of a model that nothing needs: those of a load that failed, or was cut short."""
        self._clear(model, self.find(model) or {})

    def remove(self, model: str) -> bool:
        """Keep a model no longer; False where it was not kept. Raises FreeholdError `kept_unwritable`."""
        path = self._path(model)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise FreeholdError("kept_unwritable", path=path, reason=error.strerror or str(error)) from None
        self._clear(model, {})
        return True

    def lay(self, model: str, files: Mapping[str, bytes]) -> Path:
        """A folder of `files`, by their paths like `1/model.onnx`; the same files get the same folder.

        Raises FreeholdError `model_file_misplaced` for a path that leads elsewhere, and `kept_unwritable`.
        """
        for name in files:
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,7}", name):
                raise FreeholdError("model_file_misplaced", model=model, file=name[:200])
        digest = hashlib.sha256()
        for name, content in sorted(files.items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        place = self._files(model) / digest.hexdigest()[:16]
        coming = place.with_name(f"{place.name}.coming")
        try:
            if not place.is_dir():
                shutil.rmtree(coming, ignore_errors=True)
                for name, content in files.items():
                    path = coming / PurePosixPath(name)
                    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                    with path.open("wb") as file:
                        file.write(content)
                        file.flush()
                        os.fsync(file.fileno())
                coming.rename(place)
        except OSError as error:
            shutil.rmtree(coming, ignore_errors=True)
            raise FreeholdError("kept_unwritable", path=place, reason=error.strerror or str(error)) from None
        return place

    def _clear(self, model: str, settings: Mapping[str, Any]) -> None:
        """Remove files that came with the model and that nothing of `settings` names."""
        said = json.dumps(dict(settings))
        files = self._files(model)
        for place in list(files.iterdir()) if files.is_dir() else ():
            if place.name not in said:
                shutil.rmtree(place, ignore_errors=True)
        if files.is_dir() and not any(files.iterdir()):
            files.rmdir()

    def _named(self, suffix: str) -> list[str]:
        names = sorted(path.name.removesuffix(suffix) for path in self.folder.glob(f"*{suffix}"))
        return [name for name in names if re.fullmatch(ID, name)]

    def _path(self, model: str) -> Path:
        """Raises FreeholdError `model_not_found` for what can be no model's id, and so leads to no other file."""
        if not re.fullmatch(ID, model):
            raise FreeholdError("model_not_found", model=model[:200], served="-")
        return self.folder / f"{model}{_SUFFIX}"

    def _files(self, model: str) -> Path:
        return self._path(model).with_name(f"{model}{_FILES}")


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FreeholdError("kept_unreadable", path=path, reason=str(error)) from None
    if not isinstance(found, dict):
        raise FreeholdError("kept_unreadable", path=path, reason="no JSON object")
    return found
