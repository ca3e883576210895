"""Decoder graphs in ONNX Runtime over one key-value memory: prompts slice by slice, answers row by row.

A request's tokens must not depend on its neighbours, on how its prompt was cut, or on drafts, so every token has to
meet the same kernels wherever it is computed. Measured with ONNX Runtime 1.31.1 on AVX-512, to the bit:

- Attention has one kernel for a lone query and another for several, and the second uses yet another matrix product
  for a block of one query. A prompt is therefore cut into slices of an even number of tokens (an odd end is filled
  up: what it writes behind the prompt is overwritten before anyone reads it), and an answer's tokens are always lone
  queries, drafts too: each is a row of its own that shows the same slot. The operator writes all rows' keys and
  values before it attends.
- int4 and int8 kernels with blocks of 128 take rows in pairs, and an odd last row by another kernel; blocks of 32,
  float32 and w8a8 do not care. `measure` finds out, and where it matters odd steps get a row that nobody reads.
- With more threads than heads, attention over rows of one and the same length is split by threads. A row of another
  length prevents that.
"""

import logging
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import numpy as np
import onnxruntime

from freehold.artifact import Artifact
from freehold.artifact.manifest import Decoder
from freehold.engine.base import Array
from freehold.engine.kv_memory import KvMemory
from freehold.engine.providers import SessionOptions
from freehold.engine.session import open_runtime, running
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

MEASURED_TOKENS = 256
FINE, COARSE = 16, 64
"""Slices of prompts are multiples of 16 tokens; of 64 where a cut shows in the last bits, so that cuts are fewer and
mostly the same."""


class Row(NamedTuple):
    """One token of one step: it is written at `position` of `slot`, and attends to everything before and itself."""

    slot: int
    position: int
    token: int


class _Bound(NamedTuple):
    """A run whose tensors lie where they lay the last time, so that only their contents change."""

    binding: onnxruntime.IOBinding
    ids: Array
    lengths: Array
    longest: Array
    wanted: Array
    logits: Array


class DecoderSession:
    """The graphs of one decoder. Used from one thread at a time; arrays that it returns live until the next call."""

    def __init__(
        self,
        decode: onnxruntime.InferenceSession,
        prefill: onnxruntime.InferenceSession,
        decoder: Decoder,
        memory: KvMemory,
        threads: int,
        positions: int,
    ) -> None:
        """`positions` are what the graphs can address; the memory's capacity may be rounded up beyond them."""
        self.memory = memory
        self.row_multiple = 2
        self.drafts_allowed = False
        self.slice_grain = COARSE
        self.prefill_speed = 0.0  # tokens per second, after `measure`
        self._decode, self._prefill = decode, prefill
        self._decoder = decoder
        self._threads = threads
        self._positions = positions
        self._steps: dict[int, _Bound] = {}

    def prefill(self, slot: int, ids: Array, start: int) -> Array:
        """Compute `ids` int64 [tokens] at positions `start`... of `slot`; the logits [vocab] after the last of them.

        Raises FreeholdError `inference_failed`.
        """
        count = len(ids)
        tokens = np.zeros((1, count + count % 2), np.int64)
        tokens[0, :count] = ids
        bound = self._bind(self._prefill, tokens, lambda plane: self.memory.slot_address(plane, slot))
        bound.lengths[0] = start + tokens.shape[1] - 1
        bound.longest[...] = start + tokens.shape[1]
        bound.wanted[...] = count - 1
        with running():
            self._prefill.run_with_iobinding(bound.binding)
        last: Array = bound.logits[0]
        return last

    def decode(self, rows: list[Row]) -> Array:
        """One step of one token a row: logits [rows, vocab]. Raises FreeholdError `inference_failed`."""
        return self._step(rows, self._padding(rows))[: len(rows)]

    def measure(self) -> None:
        """See which rows this machine's kernels compute alike, to the bit, and how fast they are.

        Runs some fifteen steps on slots whose contents are lost.
        """
        self._measure_rows()
        self._measure_drafts()
        self._measure_slices()
        for slot in range(self.memory.slots):
            self.memory.clear(slot)

    def _measure_rows(self) -> None:
        count = self.memory.rows - self.memory.rows % 2
        rows = [Row(index % self.memory.slots, 1 + index // self.memory.slots, 1 + index) for index in range(count)]
        whole = self._step(rows, 0).copy()
        probed = sorted({1, 2, 3, count // 2, count - 2, count - 1})
        alike = {few: np.array_equal(self._step(rows[:few], 0), whole[:few]) for few in probed}
        self.row_multiple = 1 if all(alike.values()) else 2
        uneven = [few for few, same in alike.items() if not same and few % 2 == 0]
        if uneven:
            log.warning(
                "answers may depend on their neighbours here: steps of %s rows differ in their last bits", uneven
            )

    def _measure_slices(self) -> None:
        room = min(MEASURED_TOKENS, self.memory.layout.capacity, self._positions)
        ids = np.arange(room - room % 2) % self._decoder.vocab_size
        self.prefill(0, ids, 0)  # the first run of a shape allocates
        begun = perf_counter()
        whole = self.prefill(0, ids, 0).copy()
        self.prefill_speed = len(ids) / (perf_counter() - begun)
        kept = self.memory.base[:, :, 0, :, : len(ids)].copy()
        for begin, end in pairwise((0, FINE, 4 * FINE, 7 * FINE, len(ids))):
            if begin < len(ids):
                cut = self.prefill(0, ids[begin:end], begin)
        if np.array_equal(cut, whole) and np.array_equal(self.memory.base[:, :, 0, :, : len(ids)], kept):
            self.slice_grain = FINE

    def _measure_drafts(self) -> None:
        chain = [Row(0, 1 + index, 1 + index) for index in range(min(4, self.memory.rows))]
        single = np.concatenate([self.decode([row]).copy() for row in chain])
        self.drafts_allowed = bool(np.array_equal(self.decode(chain), single))
        if not self.drafts_allowed:
            log.warning("drafts would change answers here, so none are made")

    def _padding(self, rows: list[Row]) -> int:
        """How many rows that nobody reads make the kernels the same for all steps."""
        padding = -len(rows) % self.row_multiple
        splits = len(rows) * self._decoder.kv_heads < self._threads  # at the least: there are more heads than that
        if splits and not padding and all(row.position == rows[0].position for row in rows):
            padding = self.row_multiple
        return padding

    def _step(self, rows: list[Row], padding: int) -> Array:
        count = len(rows) + padding
        bound = self._steps.get(count)
        if bound is None:
            bound = self._steps[count] = self._bind(
                self._decode, np.zeros((count, 1), np.int64), self.memory.row_address, wanted=count
            )
        for index, row in enumerate(rows):
            self.memory.place(index, row.slot)
            bound.ids[index, 0] = row.token
            bound.lengths[index] = row.position
        for index in range(len(rows), count):
            self.memory.place(index, self.memory.scratch)
            bound.lengths[index] = 0
        bound.longest[...] = int(bound.lengths.max()) + 1
        with running():
            self._decode.run_with_iobinding(bound.binding)
        return bound.logits

    def _bind(
        self, session: onnxruntime.InferenceSession, ids: Array, address: Callable[[int], int], wanted: int = 2
    ) -> _Bound:
        layout = self.memory.layout
        rows = len(ids)
        bound = _Bound(
            session.io_binding(),
            ids,
            np.zeros(rows, np.int32),
            np.zeros((), np.int32),
            np.arange(wanted, dtype=np.int64),
            np.empty((wanted, self._decoder.vocab_size), np.float32),
        )
        named = (
            ("input_ids", bound.ids),
            ("seqlens_k", bound.lengths),
            ("total_length", bound.longest),
            ("logits_at", bound.wanted),
        )
        for name, array in named:
            bound.binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        shape = (rows, layout.kv_heads, layout.capacity, layout.head_size)
        for layer in range(layout.layers):
            for part, name in enumerate(("key", "value")):
                pointer = address(2 * layer + part)
                bound.binding.bind_input(f"past.{layer}.{name}", "cpu", 0, np.float32, shape, pointer)
                bound.binding.bind_output(f"present.{layer}.{name}", "cpu", 0, np.float32, shape, pointer)
        logits = bound.logits
        bound.binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
        return bound


def open_decoder(artifact: Artifact, options: SessionOptions, memory: KvMemory) -> DecoderSession:
    """The graphs of a decoder artifact; one where prompts and answers share theirs.

    Raises FreeholdError `decoder_manifest_invalid`, `artifact_invalid`, `device_not_granted` or `graph_invalid`.
    """
    decoder, name = artifact.manifest.decoder, artifact.manifest.name
    if decoder is None:
        raise FreeholdError("decoder_manifest_invalid", path=artifact.path)
    decode = open_runtime(artifact.graph, options, name)
    prefill = open_runtime(artifact.path / decoder.prefill, options, name) if decoder.prefill else decode
    for graph in {decode, prefill}:
        _check(graph, decoder, artifact)
    positions = artifact.manifest.limits.positions or memory.layout.capacity
    return DecoderSession(decode, prefill, decoder, memory, options.threads, positions)


def _check(graph: onnxruntime.InferenceSession, decoder: Decoder, artifact: Artifact) -> None:
    """Raises FreeholdError `artifact_invalid` where a graph has another buffer than its manifest says: memory is bound
    by the manifest's word."""
    shapes = {node.name: node.shape for node in (*graph.get_inputs(), *graph.get_outputs())}
    buffers = {name: tuple(shape[1::2]) for name, shape in shapes.items() if name.startswith("past.")}
    parts = [f"past.{layer}.{part}" for layer in range(decoder.layers) for part in ("key", "value")]
    vocab_size = shapes.get("logits", [0])[-1]
    if buffers != dict.fromkeys(parts, (decoder.kv_heads, decoder.head_size)) or vocab_size != decoder.vocab_size:
        sizes = ", ".join(f"{heads} heads of {size}" for heads, size in sorted(set(buffers.values())))
        said = f"{decoder.layers} layers, {decoder.kv_heads} heads of {decoder.head_size}, {decoder.vocab_size} tokens"
        reason = f"the graph has {len(buffers) // 2} layers, {sizes}, {vocab_size} tokens; manifest.json says {said}"
        raise FreeholdError("artifact_invalid", path=artifact.path, reason=reason)
