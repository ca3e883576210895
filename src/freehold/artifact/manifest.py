"""What an artifact says of itself."""

from typing import Annotated, Literal

import msgspec

from freehold.artifact.compare import Tolerance

Kind = Literal["tensor", "embed", "rerank", "classify", "generate"]
Layout = Literal["tensor", "packed", "padded", "slots"]
"""How a graph takes its rows: as tensors, as sequences end to end, as sequences padded to the longest, or as tokens
that continue what lies in the slots of a key-value buffer."""

Size = Annotated[int, msgspec.Meta(ge=1)]

SCHEMA = 1


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output. `datatype` is an Open Inference Protocol name (FP32, INT64, ...); -1 is a free dimension."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Lengths in tokens: `max_tokens` is where text is truncated, `positions` is what the graph can address."""

    max_tokens: int = 0
    positions: int = 0


class Decoder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an engine must know of a decoder graph (layout "slots") to lay out its key-value buffer.

    `prefill` names the graph for prompts where it is another than `model.onnx`, over the same buffer. `ends` are the
    ids that end an answer; `window` is how many tokens back attention reaches, 0 for all.
    """

    layers: Size
    kv_heads: Size
    head_size: Size
    vocab_size: Size
    ends: tuple[int, ...] = ()
    window: int = 0
    prefill: str = ""


class PairText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a reranker reads a pair as one text: `before` + query + `between` + text, which the tokenizer then cuts."""

    before: str
    between: str

    def of(self, query: str, text: str) -> str:
        """The text to tokenize."""
        return f"{self.before}{query}{self.between}{text}"


class MadeBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The tool that wrote the artifact and the digest of what it was made from."""

    tool: str
    version: str
    source: str  # "sha256:<hex>" of the weights it was made from


class Ancestor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an artifact was made from that is no artifact itself: data, a base model, a checkpoint, a raw file.

    `name` is a file name or a source ("hf://org/name"), `digest` "sha256:<hex>" of its content where that is known.
    """

    role: Literal["data", "base", "fine-tune", "source"]
    name: str
    digest: str = ""
    revision: str = ""
    license: str = ""


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Digest and size of one file of the artifact."""

    sha256: str
    size: int  # bytes


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`manifest.json`. Its own sha256 is the artifact's digest, since `files` pins every other file."""

    schema: int
    name: str
    kind: Kind
    layout: Layout
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    made_by: MadeBy
    files: dict[str, FileEntry]
    limits: Limits = Limits()
    parent: str | None = None
    architecture: str = ""
    pooling: Literal["mean", "cls", "last", ""] = ""
    normalized: bool = False
    dimensions: int = 0
    labels: tuple[str, ...] = ()
    decoder: Decoder | None = None
    pair: PairText | None = None
    """Of a reranker; None: pairs are laid out by the tokenizer."""
    prompts: dict[str, str] = {}
    """Named prefixes ("query", "document") of `config_sentence_transformers.json`: shown, never applied unasked."""
    license: str = ""
    ancestors: tuple[Ancestor, ...] = ()
    """In the order of the making, the oldest first; `parent` is the artifact that came after them."""
    made_with: dict[str, str] = {}
    """Versions and settings of the making: {"torch": "2.13.0", "opset": "20", "exporter": "dynamo"}."""
    tolerance: Tolerance | None = None
    """What replayed outputs may differ by, where a quality report measured it; None: the row of the precision."""
