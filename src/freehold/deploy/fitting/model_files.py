"""What a model's files say of its size and shape, read without any runtime: headers, manifests, `config.json`."""

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

from freehold.artifact import Artifact, Kind, Manifest
from freehold.artifact.artifact import MANIFEST
from freehold.artifact.external_data import weight_bytes
from freehold.deploy.fitting.graph_memory import GraphWeights, graph_weights
from freehold.deploy.fitting.shape import Transformer, read_shape
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
    tokenizer: str = ""
    """The algorithm of its tokenizer: BPE, Unigram, WordPiece."""
    graph: Path | None = None
    """The ONNX file, where there is one."""
    packed: int = 0
    mapped: int = 0
    """Of an artifact, bytes of its graphs' weights: those that kernels pack, and tables that are mapped."""

    @property
    def parameters(self) -> int:
        """How many values there are."""
        return sum(self.values.values())


class _Algorithm(msgspec.Struct, frozen=True):
    type: str = ""


class _Tokenizer(msgspec.Struct, frozen=True):
    model: _Algorithm = _Algorithm()


def read_model(path: Path, kind: str = "auto") -> ModelFiles:
    """What lies at `path`: an `.onnx` file, an artifact or a Hugging Face folder. `kind` as in the configuration.

    Raises FreeholdError `fit_unreadable`, and `artifact_invalid` or `artifact_corrupt` of an artifact.
    """
    try:
        if path.is_file():
            return ModelFiles("onnx", "tensor", weight_bytes(path), graph=path)
        return _artifact(path) if (path / MANIFEST).is_file() else _folder(path, kind)
    except OSError as error:
        reason = error.strerror or str(error)
        raise FreeholdError("fit_unreadable", path=error.filename or path, reason=reason) from error
    except (AttributeError, KeyError, TypeError, ValueError, struct.error) as error:
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
    manifest, decoder = artifact.manifest, artifact.manifest.decoder
    graphs = [artifact.graph, *([path / decoder.prefill] if decoder and decoder.prefill else [])]
    weights = [graph_weights(graph) for graph in graphs]
    tables = {place: size for each in weights for place, size in each.tables.items()}
    return ModelFiles(
        "artifact",
        manifest.kind,
        sum(entry.size for name, entry in manifest.files.items() if name.endswith((".onnx", ".data"))),
        artifact.digest,
        manifest.architecture,
        manifest.precision,
        shape=_written_shape(manifest, weights[0]),
        padded=manifest.layout == "padded",
        max_tokens=manifest.limits.max_tokens or manifest.limits.positions,
        tokenizer=_tokenizer(artifact.tokenizer),
        graph=artifact.graph,
        packed=sum(each.packed for each in weights),
        mapped=sum(tables.values()),
    )


def _written_shape(manifest: Manifest, weights: GraphWeights) -> Transformer:
    """What manifest and graph tell together; the widest product of a decoder is both halves of its feed-forward."""
    decoder, positions = manifest.decoder, manifest.limits.positions
    if decoder is None:
        return Transformer(hidden=weights.hidden, inner=weights.widest, vocab_size=weights.height, positions=positions)
    return Transformer(
        layers=decoder.layers,
        hidden=weights.hidden,
        kv_heads=decoder.kv_heads,
        head_size=decoder.head_size,
        inner=weights.widest // 2,
        vocab_size=decoder.vocab_size,
        positions=positions,
    )


def _tokenizer(file: Path) -> str:
    """The algorithm that a `tokenizer.json` names; "" where there is none."""
    return msgspec.json.decode(file.read_bytes(), type=_Tokenizer).model.type if file.is_file() else ""


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
    return ModelFiles(
        "folder",
        _kind(kind, architecture, config, path),
        sum(file.stat().st_size for file in weights),
        architecture=architecture,
        values=dict(values),
        tables=tables,
        shape=shape,
        max_tokens=_max_tokens(path, shape),
        tokenizer=_tokenizer(path / "tokenizer.json"),
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
