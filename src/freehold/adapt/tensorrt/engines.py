"""Engines that were built on this machine, by all that makes one fit: built again where any of it differs."""

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from freehold.adapt.tensorrt.profiles import Profile
from freehold.artifact.artifact import sha256_of, write_durably

NOTE = "key.json"


class EngineKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that an engine depends on.

    `artifact` is a digest; `builder` is "trtexec" or "onnxruntime", with `version` of TensorRT or of ONNX Runtime;
    `capability` is the GPU's ("9.0"), `driver` the driver's major version. What is not known yet is "".
    """

    artifact: str
    builder: str
    version: str
    capability: str
    driver: str
    precision: str
    workspace_mb: int
    profiles: tuple[Profile, ...]

    @property
    def digest(self) -> str:
        """Hex sha256 over all of it."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies beside cached files: what they are for, and the sha256 of each."""

    key: EngineKey
    files: dict[str, str]


@dataclass(frozen=True)
class EngineCache:
    """A folder of engines, one folder for each key."""

    folder: Path

    def find(self, key: EngineKey) -> Path | None:
        """The folder of the files that were kept under `key`; None where there is none, or its files have changed."""
        kept = self.folder / key.digest
        try:
            note = msgspec.json.decode((kept / NOTE).read_bytes(), type=_Note)
            sound = note.key == key and all(sha256_of(kept / name) == digest for name, digest in note.files.items())
        except (OSError, msgspec.MsgspecError):
            return None
        return kept if sound else None

    def keep(self, key: EngineKey, files: list[Path]) -> None:
        """Put copies of `files` under `key`, at once and for good. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        try:
            for file in files:
                shutil.copyfile(file, aside / file.name)
            note = _Note(key, {file.name: sha256_of(aside / file.name) for file in files})
            write_durably(aside / NOTE, msgspec.json.format(msgspec.json.encode(note), indent=1))
            target = self.folder / key.digest
            if target.exists():  # damaged, or kept by somebody else meanwhile: ours is as good
                shutil.rmtree(target, ignore_errors=True)
            aside.replace(target)
        except OSError:
            shutil.rmtree(aside, ignore_errors=True)
            raise
