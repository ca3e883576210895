"""What a model's files say of its size and shape, read without any runtime: headers, manifests, `config.json`."""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from freehold.artifact import Artifact, Kind
from freehold.artifact.artifact import MANIFEST
from freehold.artifact.external_data import weight_bytes
from freehold.deploy.shape import Transformer, read_shape
from freehold.errors import FreeholdError

LARGEST_HEADER = 100 << 20
"""Bytes of a safetensors header; the format's own reader refuses longer ones."""
WEIGHTS = ("*.safetensors", "*.gguf", "*.bin", "*.pt", "*.pth")
"""Files of weights in a Hugging Face folder; the first form that is there counts, as publishers offer several."""


@dataclass(frozen=True)
class ModelFiles:
    """One model on disk.

    `bytes` of weights; `values` their number by datatype, as safetensors names it ("F32", "BF16", "U8"); `tables` the
    number of those that lie in tables of embeddings and in the output layer.
    """

    form: Literal["artifact", "folder", "onnx"]
    kind: Kind
    bytes: int
    digest: str = ""
    architecture: str = ""
    precision: str = ""
    """Of an artifact, by its manifest."""
    values: Mapping[str, int] = field(default_factory=dict)
    tables: int = 0
    shape: Transformer | None = None
    padded: bool = False
    """Texts of a batch are padded to the longest."""
    max_tokens: int = 0
    """Where texts are cut, or how long prompt and answer may be, unless the configuration says; 0: not said."""
    tokenizer_bytes: int = 0
    graph: Path | None = None
    """The ONNX file, where there is one."""

    @property
    def parameters(self) -> int:
        """How many values there are."""
        return sum(self.values.values())


def read_model(path: Path, kind: str = "auto") -> ModelFiles:
    """What lies at `path`: an `.onnx` file, an artifact or a Hugging Face folder. `kind` as in the configuration.

    Raises FreeholdError `fit_unreadable`, and `artifact_invalid` or `artifact_corrupt` of an artifact.
    """
    try:
        if path.is_file():
            return ModelFiles("onnx", "tensor", weight_bytes(path), graph=path)
        return _artifact(path) if (path / MANIFEST).is_file() else _folder(path, kind)
    except OSError as error:
        raise FreeholdError("fit_unreadable", path=path, reason=error.strerror or str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise FreeholdError("fit_unreadable", path=path, reason=f"{type(error).__name__}: {error}") from error


def tensors_of(file: Path) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    """Name, datatype and shape of each tensor of a safetensors file, from its header. Raises OSError, ValueError.

    Format: 8 bytes of length, little-endian, then JSON (https://github.com/huggingface/safetensors#format).
    """
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        if length > LARGEST_HEADER:
            raise ValueError(f"{file.name} has a header of {length} bytes")
        header = msgspec.json.decode(opened.read(length))
    for name, entry in header.items():
        if name != "__metadata__":
            yield name, str(entry["dtype"]), tuple(int(size) for size in entry["shape"])


def _artifact(path: Path) -> ModelFiles:
    artifact = Artifact.open(path)
    manifest = artifact.manifest
    tokenizer = manifest.files.get("tokenizer.json")
    files = ModelFiles(
        "artifact",
        manifest.kind,
        sum(entry.size for name, entry in manifest.files.items() if name.endswith((".onnx", ".data"))),
        artifact.digest,
        manifest.architecture,
        manifest.precision,
        padded=manifest.layout == "padded",
        max_tokens=manifest.limits.max_tokens or manifest.limits.positions,
        tokenizer_bytes=tokenizer.size if tokenizer else 0,
        graph=artifact.graph,
    )
    decoder = manifest.decoder
    if decoder is None:
        return files
    shape = Transformer(
        layers=decoder.layers,
        kv_heads=decoder.kv_heads,
        head_size=decoder.head_size,
        vocab_size=decoder.vocab_size,
        positions=manifest.limits.positions,
    )
    return replace(files, shape=shape)


def _folder(path: Path, kind: str) -> ModelFiles:
    config = msgspec.json.decode((path / "config.json").read_bytes(), type=dict)
    shape = read_shape(config)
    weights = next((found for form in WEIGHTS if (found := sorted(path.glob(form)))), [])
    values, tables = Counter[str](), 0
    for file in weights:
        for name, datatype, sizes in tensors_of(file) if file.suffix == ".safetensors" else ():
            values[datatype] += prod(sizes)
            tables += prod(sizes) if "embed" in name or name.startswith("lm_head") else 0
    architecture = str((config.get("architectures") or [""])[0])
    tokenizer = path / "tokenizer.json"
    return ModelFiles(
        "folder",
        _kind(kind, architecture, config, path),
        sum(file.stat().st_size for file in weights),
        architecture=architecture,
        values=dict(values),
        tables=tables,
        shape=shape,
        max_tokens=_max_tokens(path, shape),
        tokenizer_bytes=tokenizer.stat().st_size if tokenizer.is_file() else 0,
    )


def _kind(kind: str, architecture: str, config: Mapping[str, object], path: Path) -> Kind:
    """What the model does, as serving it would find out from the same files."""
    if kind in get_args(Kind):
        return cast(Kind, kind)
    if architecture.endswith("ForSequenceClassification"):
        labels = config.get("id2label")
        return "classify" if isinstance(labels, dict) and len(labels) > 1 else "rerank"
    if architecture.endswith(("ForCausalLM", "ForConditionalGeneration")) and not (path / "modules.json").is_file():
        return "generate"
    return "embed"


def _max_tokens(path: Path, shape: Transformer) -> int:
    """Where sentence-transformers cuts texts, else the positions."""
    stated = path / "sentence_bert_config.json"
    if stated.is_file():
        length = msgspec.json.decode(stated.read_bytes(), type=dict).get("max_seq_length")
        if isinstance(length, int):
            return min(length, shape.positions or length)
    return shape.positions
