"""What a model needs in memory when one of our engines runs it: weights, keys and values, workspace.

Every constant is measured, with ONNX Runtime 1.31 on x86-64, by the tests of `tests/e2e/test_fit.py`, which keep each
sum within 15 % of what a server really takes. What counts is the memory of a server's processes with each page counted
once: anonymous pages, pages of mapped files (weights that are not in memory are read again at each use), and the pages
of keys and values, whatever number of times they are mapped.
"""

import mmap
from dataclasses import dataclass
from math import ceil, gcd

from freehold.config import ModelConfig
from freehold.deploy.fitting.graph_memory import activation_bytes
from freehold.deploy.fitting.model_files import ModelFiles
from freehold.deploy.fitting.shape import Transformer
from freehold.errors import FreeholdError

MIB = 1 << 20
FLOAT = 4
"""Bytes of a float32: activations, and keys and values of our own engine."""

PROCESS_BYTES = 115 * MIB
"""A server without a model: Python, ONNX Runtime and what a server imports, 60 MiB of them its own pages."""
WORKER_BYTES = 52 * MIB
"""Each engine process more: the pages of libraries and of mapped weights are shared."""

OPENVINO_BYTES = 66 * MIB
"""OpenVINO in each process: libraries and compiled kernels."""

PACKED_BYTES = {"fp32": 4.0, "int8": 1.25, "int4": 0.75, "w8a8": 1.0}
"""Bytes of one weight in the form that ONNX Runtime's kernels multiply. Blocks of 32 have a scale and, once packed, the
sum of each block beside the codes: 8 or 4 bits and twice 4 bytes a block."""
WIDE_BYTES = 0.5625
"""int4 in blocks of 128: layers of `fast` for answers, and the heads of `fast` and `w8a8`."""
TABLE_BYTES = {"fp32": 4.0, "int8": 1.125, "int4": 0.625, "w8a8": 1.125, "fast": 1.125}
"""Bytes of one weight in the table of embeddings, which is mapped as it lies in the file."""

TOKEN_BYTES = {"BPE": 730, "Unigram": 500, "WordLevel": 260, "WordPiece": 260}
"""Of one word of a vocabulary in memory: BPE keeps merges beside it, Unigram scores and a trie."""
SLICE_TOKENS = 256
"""Tokens of a prompt that are computed at once, by what engines measure themselves with when they are loaded."""
DRAFT_ROWS, PADDING_ROWS = 8, 2
"""Rows of a step at least, and those that only fill it up (`engine.text_loop`, `engine.text`)."""
BUDGET_TOKENS = 512
"""Tokens of a packed batch: the largest of the budgets that engines were seen to choose on processors."""
BUDGET_ROWS = 16
"""Rows of a batch of tensors, in the same way (1 to 64)."""
KV_SHARE = 4
"""Keys and values get a quarter of what is available after the weights, prompts that are kept a quarter of that
(`engine.kv_plan`)."""
UNASKED_TOKENS = 4096
"""The room of a sequence where nothing says how long it may be: the longest answer of a request that does not say."""
CUDA_CONTEXT_BYTES = 500 * MIB
"""What CUDA, cuBLAS and cuDNN take of a card for one process. An assumption: NVIDIA names no figure; 300 to 600 MiB are
what nvidia-smi shows for an idle context on cards from T4 to H100."""


@dataclass(frozen=True)
class Load:
    """What a model is to bear at a time: `concurrency` sequences of `context` tokens."""

    context: int
    concurrency: int


@dataclass(frozen=True)
class Need:
    """Bytes in one place: a machine's memory, or each of `cards` GPUs. `formula` says how they came about."""

    weights: int
    kv: int
    workspace: int
    formula: tuple[str, ...] = ()

    @property
    def sum(self) -> int:
        """All of it."""
        return self.weights + self.kv + self.workspace


def load_of(model: ModelConfig, files: ModelFiles) -> Load:
    """The load that the configuration asks for; where it is silent, the most that the engine would take on."""
    usual = files.max_tokens or UNASKED_TOKENS
    longest = (files.shape.positions if files.shape is not None else 0) or usual
    context = min(model.context_length or usual, longest)
    if files.kind != "generate":
        return Load(context, 1)
    slots = model.generation.slots
    return Load(context, min(model.limits.concurrency or slots, slots))


def container_load(model: ModelConfig, files: ModelFiles) -> Load:
    """The load that a container of its own is made for: where nothing says how long sequences may be, each slot has
    room for the longest answer of a request that does not say either."""
    load = load_of(model, files)
    if files.kind == "generate" and model.context_length is None:
        return Load(min(load.context, UNASKED_TOKENS), load.concurrency)
    return load


def need(model: ModelConfig, files: ModelFiles, load: Load, cores: int, kv_budget: int | None = None) -> Need:
    """What `model` takes of the machine's memory on a processor of `cores`, its process aside.

    `kv_budget` is what a decoder sets aside for keys and values where `kv_mb` does not say (None: what `load` takes);
    a quarter of it comes on top for prompts that are kept.
    """
    if files.kind == "generate":
        stated = model.generation.kv_mb
        return _decoder(model, files, load, kv_budget if stated is None else stated * MIB)
    return _tensor(model, files, cores) if files.kind == "tensor" else _encoder(model, files, load, cores)


def kv_bytes(shape: Transformer, load: Load) -> int:
    """Keys and values of `load` in float32: whole pages for every head of every sequence, and a token that evens out.

    The memory of `engine.kv_memory`: layers x (key, value) x slots x heads x capacity x head size.
    """
    return load.concurrency * capacity(shape, load.context) * shape.kv_values * shape.layers * FLOAT


def capacity(shape: Transformer, context: int) -> int:
    """Tokens of a slot: `context` and one, rounded up so that every head begins on a page."""
    grain = mmap.PAGESIZE // gcd(mmap.PAGESIZE, shape.head_size * FLOAT)
    return ceil((context + 1) / grain) * grain


def tokenizer_bytes(files: ModelFiles) -> int:
    """What the package `tokenizers` takes for this vocabulary."""
    words = files.shape.vocab_size if files.shape is not None else 0
    return words * TOKEN_BYTES.get(files.tokenizer, 0)


def _decoder(model: ModelConfig, files: ModelFiles, load: Load, kv_budget: int | None) -> Need:
    """Packed weights of every graph and the mapped table; slots; logits of every step's rows, one slice of a prompt."""
    shape = _shape(model, files)
    packed, mapped = _decoder_weights(model, files, shape)
    asked = kv_bytes(shape, load)
    kv = asked if kv_budget is None else min(asked, kv_budget)
    prefix_mb = model.generation.prefix_cache_mb
    prefix = (asked if kv_budget is None else kv_budget) // KV_SHARE if prefix_mb is None else prefix_mb * MIB
    rows = max(model.generation.slots, DRAFT_ROWS) + PADDING_ROWS
    logits = rows * (rows + 1) // 2 * shape.vocab_size * FLOAT  # a buffer for each number of rows
    slices = SLICE_TOKENS * (4 * shape.inner + 6 * shape.hidden) * FLOAT
    words = tokenizer_bytes(files)
    return Need(
        packed + mapped,
        kv + prefix,
        logits + slices + words,
        (
            f"weights = {mebibytes(packed)} packed for kernels + {mebibytes(mapped)} table of embeddings",
            f"KV = {load.concurrency} x {capacity(shape, load.context)} tokens x"
            f" {shape.kv_values * shape.layers * FLOAT} bytes{'' if kv == asked else f', held to {mebibytes(kv)},'}"
            f" + {mebibytes(prefix)} for beginnings that prompts share",
            f"workspace = {mebibytes(logits)} logits + {mebibytes(slices)} slice of {SLICE_TOKENS} tokens"
            f" + {mebibytes(words)} tokenizer",
        ),
    )


def _decoder_weights(model: ModelConfig, files: ModelFiles, shape: Transformer) -> tuple[int, int]:
    """(what products multiply, over all graphs; the table that tokens are looked up in), in bytes."""
    if files.form == "artifact":
        return files.packed, files.mapped
    precision = model.precision
    table = shape.vocab_size * shape.hidden  # tied or not, the head is packed for itself
    layers = files.parameters - files.tables
    mapped = int(table * TABLE_BYTES.get(precision, FLOAT))
    if precision == "fast":
        return int(layers * (WIDE_BYTES + PACKED_BYTES["w8a8"]) + 2 * table * WIDE_BYTES), mapped
    each = PACKED_BYTES.get(precision, FLOAT)
    return int(layers * each + table * (WIDE_BYTES if precision == "w8a8" else each)), mapped


def _encoder(model: ModelConfig, files: ModelFiles, load: Load, cores: int) -> Need:
    """One mapped copy of the weights, beside which OpenVINO makes one of its own in each process; for each thread the
    activations of a batch: a longer text is a batch by itself.

    For a token, a layer holds rows of the hidden width (the state, queries, keys and values, each also by head, the
    context) and the feed-forward's before and after its activation: with what the runtime's allocator cannot use again
    in batches of other lengths ten and three.
    """
    shape = _shape(model, files)
    mapped = files.packed + files.mapped if files.form == "artifact" else files.parameters * FLOAT
    tokens = max(BUDGET_TOKENS, load.context)
    value = _openvino_value(model, files)
    row = (10 * shape.hidden + 3 * shape.inner) * (value or FLOAT)
    threads = max(1, cores)
    words = tokenizer_bytes(files)
    copies = max(1, model.workers)
    own = copies * mapped * value // FLOAT
    processes = model.workers * WORKER_BYTES + (copies * OPENVINO_BYTES if value else 0)
    return Need(
        mapped + own,
        0,
        threads * tokens * row + copies * words + processes,
        (
            f"weights = {mebibytes(mapped)}, mapped once for all threads and workers"
            f"{f' + {mebibytes(own)} in {8 * value} bits for OpenVINO' if value else ''}",
            f"workspace = {threads} threads x {tokens} tokens x {row} bytes"
            f" + {mebibytes(copies * words)} tokenizer"
            f"{f' + {mebibytes(processes)} {_of_processes(model, value)}' if processes else ''}",
        ),
    )


def _openvino_value(model: ModelConfig, files: ModelFiles) -> int:
    """Bytes of a value where OpenVINO computes the model; 0 where ONNX Runtime does. `auto` is counted as the larger
    one: bf16 in OpenVINO, where there can be goldens to hold it to."""
    if model.precision == "bf16" or (model.precision == "auto" and files.form == "artifact"):
        return FLOAT // 2
    return FLOAT if model.device == "openvino" else 0


def _of_processes(model: ModelConfig, value: int) -> str:
    return " and ".join([*(["workers"] if model.workers else []), *(["OpenVINO"] if value else [])])


def _tensor(model: ModelConfig, files: ModelFiles, cores: int) -> Need:
    """One mapped copy of the weights; for each thread what a run of a batch holds."""
    if files.graph is None:
        raise _unknown(model, "there is no graph")
    try:
        activations = activation_bytes(files.graph, BUDGET_ROWS, model.input_shape)
    except (OSError, ValueError) as error:
        raise _unknown(model, str(error)) from error
    threads, value, copies = max(1, cores), _openvino_value(model, files), max(1, model.workers)
    own = copies * files.bytes * value // FLOAT
    processes = model.workers * WORKER_BYTES + (copies * OPENVINO_BYTES if value else 0)
    return Need(
        files.bytes + own,
        0,
        threads * activations + processes,
        (
            f"weights = {mebibytes(files.bytes)}, mapped once for all threads and workers"
            f"{f' + {mebibytes(own)} in {8 * value} bits for OpenVINO' if value else ''}",
            f"workspace = {threads} threads x {mebibytes(activations)} of {BUDGET_ROWS} rows"
            f"{f' + {mebibytes(processes)} {_of_processes(model, value)}' if processes else ''}",
        ),
    )


def _shape(model: ModelConfig, files: ModelFiles) -> Transformer:
    if files.shape is None:
        raise _unknown(model, "nothing says how wide its layers are")
    return files.shape


def _unknown(model: ModelConfig, reason: str) -> FreeholdError:
    return FreeholdError("fit_unreadable", path=model.source, reason=reason)


def mebibytes(size: int) -> str:
    """Rounded up: nothing that is there reads as 0 MiB."""
    return f"{-(-size // MIB):,} MiB"
