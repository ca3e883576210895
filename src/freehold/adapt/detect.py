"""What a raw model is, by its content: nothing is unpickled, decompressed or run to find out."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from freehold.errors import FreeholdError

HEAD_BYTES = 4096


class Format(StrEnum):
    """The formats that are converted."""

    PICKLE = "pytorch pickle"  # a module, a state dict or a checkpoint
    SAFETENSORS = "safetensors"  # weights alone
    SCRIPT = "torchscript"
    PROGRAM = "pytorch program"  # .pt2, what torch.export saves
    HUGGING_FACE = "hugging face folder"
    SAVED_MODEL = "tensorflow savedmodel"
    KERAS = "keras"
    KERAS_H5 = "keras h5"
    ONNX = "onnx"


@dataclass(frozen=True)
class Detected:
    """A format, and the file or folder that has it (of a folder with one model in it, that model)."""

    format: Format
    path: Path


# What is known and not converted: name for people, beginning of the file or "".
_FOREIGN: dict[str, tuple[bytes, int]] = {
    "GGUF": (b"GGUF", 0),
    "TensorFlow Lite": (b"TFL3", 4),
    "Git LFS pointer": (b"version https://git-lfs", 0),
    "HTML page": (b"<!doctype html", 0),
    "gzip archive": (b"\x1f\x8b", 0),
    "7-zip archive": (b"7z\xbc\xaf", 0),
    "NumPy array": (b"\x93NUMPY", 0),
    "TensorRT engine": (b"ftrt", 0),
    "Core ML": (b"coreml", 0),
}
_FOREIGN_NAMES = {
    ".engine": "TensorRT engine",
    ".plan": "TensorRT engine",
    ".tflite": "TensorFlow Lite",
    ".gguf": "GGUF",
    ".mlmodel": "Core ML",
    ".pdmodel": "PaddlePaddle",
    ".pdiparams": "PaddlePaddle",
    ".joblib": "joblib",
    ".ckpt-index": "TensorFlow checkpoint",
    ".index": "TensorFlow checkpoint",
    ".meta": "TensorFlow checkpoint",
    ".msgpack": "Flax",
    ".mar": "TorchServe archive",
}
_LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number of torch.save before 1.6, pickled
_IN_FOLDER = ("*.onnx", "*.keras", "*.pt2", "*.pt", "*.pth", "*.h5", "*.safetensors")


def detect(path: Path) -> Detected:
    """The format of the file or folder at `path`.

    Raises FreeholdError `convert_source_missing`, `convert_source_unreadable`, `convert_format_unknown`,
    `convert_format_foreign`, `convert_pointer`, `convert_folder_unclear`, `convert_already`.
    """
    if not path.exists():
        raise FreeholdError("convert_source_missing", path=path)
    try:
        return _folder(path) if path.is_dir() else Detected(_file(path), path)
    except OSError as error:
        raise FreeholdError("convert_source_unreadable", path=path, reason=error.strerror or str(error)) from None


def _folder(folder: Path) -> Detected:
    if (folder / "manifest.json").is_file():
        raise FreeholdError("convert_already", path=folder)
    if (folder / "saved_model.pb").is_file() or (folder / "saved_model.pbtxt").is_file():
        return Detected(Format.SAVED_MODEL, folder)
    if (folder / "config.json").is_file():
        return Detected(Format.HUGGING_FACE, folder)
    models = sorted(found for pattern in _IN_FOLDER for found in folder.glob(pattern))
    if len(models) != 1:
        found = ", ".join(sorted(entry.name for entry in folder.iterdir())[:8]) or "-"
        raise FreeholdError("convert_folder_unclear", path=folder, count=len(models), found=found)
    return Detected(_file(models[0]), models[0])


def _file(path: Path) -> Format:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for name, (magic, place) in _FOREIGN.items():
        if head[place : place + len(magic)].lower() == magic.lower():
            code = "convert_pointer" if name in {"Git LFS pointer", "HTML page"} else "convert_format_foreign"
            raise FreeholdError(code, path=path, format=name, size=path.stat().st_size)
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    for fits, found in _BY_HEAD:
        if fits(path, head):
            return found
    foreign = _FOREIGN_NAMES.get(path.suffix.lower())
    if foreign is not None:
        raise FreeholdError("convert_format_foreign", path=path, format=foreign, size=path.stat().st_size)
    raise FreeholdError("convert_format_unknown", path=path, found=_shown(head), known=", ".join(Format))


def _archive(path: Path) -> Format:
    """Of a zip archive, by the names in its directory: PyTorch, Keras and others all keep models so."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:  # a name that is no UTF-8 is a ValueError
        raise FreeholdError("convert_archive_damaged", path=path, reason=str(error)) from None
    inner = {name.split("/", 1)[1] for name in names if "/" in name}
    if "config.json" in names and "metadata.json" in names:
        return Format.KERAS
    if inner & {"archive_format", "models/model.json"} or "serialized_exported_program.json" in names:
        return Format.PROGRAM
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return Format.SCRIPT
    if "data.pkl" in inner:
        return Format.PICKLE
    if "MAR-INF/MANIFEST.json" in names:
        raise FreeholdError("convert_format_foreign", path=path, format="TorchServe archive", size=path.stat().st_size)
    shown = ", ".join(names[:5]) or "-"
    raise FreeholdError("convert_format_unknown", path=path, found=f"zip: {shown}", known=", ".join(Format))


def _is_safetensors(path: Path, head: bytes) -> bool:
    """The length of a JSON header in eight bytes, then the header."""
    length = int.from_bytes(head[:8], "little")
    return len(head) > 8 and head[8:9] == b"{" and 2 <= length <= path.stat().st_size - 8


def _is_onnx(path: Path, head: bytes) -> bool:
    """A protobuf that begins as ModelProto does: field 1, the version of its format; or its name says so."""
    if path.suffix.lower() == ".onnx":
        return True
    return len(head) > 2 and head[0] == 0x08 and 1 <= head[1] <= 32 and head[2] in {0x12, 0x3A}


def _is_pickle(path: Path, head: bytes) -> bool:
    """PyTorch's old format, or any pickle under one of PyTorch's names."""
    names = {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"}
    return head.startswith(_LEGACY_TORCH) or (head[:1] == b"\x80" and path.suffix.lower() in names)


_BY_HEAD: tuple[tuple[Callable[[Path, bytes], bool], Format], ...] = (
    (lambda _, head: head.startswith(b"\x89HDF\r\n\x1a\n"), Format.KERAS_H5),
    (_is_safetensors, Format.SAFETENSORS),
    (_is_pickle, Format.PICKLE),
    (_is_onnx, Format.ONNX),
)


def _shown(head: bytes) -> str:
    if not head:
        return "an empty file"
    text = head[:24].decode("ascii", "replace")
    return repr(text) if text.isprintable() and "\ufffd" not in text else head[:8].hex(" ")
