"""Llama-like decoders as one ONNX graph over the slots of a key-value buffer.

Keys and values of all layers are appended in place: an engine binds each `present` output to the memory of its `past`
input. Logits are computed only where they are asked for.

Sources: Touvron et al., LLaMA (arXiv:2302.13971); Jiang et al., Mistral 7B (arXiv:2310.06825); Qwen2 (arXiv:2407.10671)
and Qwen3 (arXiv:2505.09388) technical reports; grouped queries: Ainslie et al. (arXiv:2305.13245).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.decoder_config import DecoderConfig
from freehold.adapt.decoder_folder import DecoderFolder
from freehold.adapt.linear import Blockwise, Float, Linear, RowQuantized
from freehold.adapt.onnx_graph import MICROSOFT, DataFile, GraphWriter
from freehold.adapt.rotary import RotaryTable
from freehold.adapt.weights import Rows

DECODE, PREFILL = "model.onnx", "prefill.onnx"
EMBEDDING = "embed_tokens.weight"
PREFIXES = ("model.", "")  # some publishers save the inner model alone
BLOCK = 32
WIDE_BLOCK = 128


# An embedding of its own takes no time, and of its memory only the rows that are read; its error goes into every layer.
OWN_EMBEDDING = Blockwise(bits=8, size=BLOCK)


@dataclass(frozen=True)
class Numbers:
    """How one graph holds its weights: those of the layers, and the head's.

    `shared`: where a model ties embedding and head, one quantized copy serves both; otherwise `OWN_EMBEDDING`.
    """

    body: Linear
    head: Float | Blockwise
    shared: bool = True


def graphs_of(precision: str, block: int = BLOCK) -> Mapping[str, Numbers]:
    """The graphs of a precision, by file name. `block` is int4's block size, 32 or 128.

    fp32, int8 and int4 hold every weight so. w8a8 has int8 layers with activations quantized row by row, and a head in
    int4; fast adds a graph for decoding whose layers are in int4, over the same head and buffer: w8a8 is faster from
    about sixteen rows on, int4 below.
    """
    narrow, wide = Blockwise(4, block), Blockwise(4, WIDE_BLOCK)
    eight = Blockwise(8, BLOCK)
    by_row = Numbers(RowQuantized(), wide, shared=False)
    table: dict[str, dict[str, Numbers]] = {
        "fp32": {DECODE: Numbers(Float(), Float())},
        "int8": {DECODE: Numbers(eight, eight)},
        "int4": {DECODE: Numbers(narrow, narrow)},
        "w8a8": {DECODE: by_row},
        "fast": {DECODE: Numbers(wide, wide, shared=False), PREFILL: by_row},
    }
    return MappingProxyType(table[precision])


def write_decoder(folder: DecoderFolder, precision: str, block: int = BLOCK) -> dict[str, GraphWriter]:
    """The graphs of `folder` in `precision`, by file name, over one data file. All take and give the same:

    - `input_ids` int64 [rows, tokens]; one token for each of several rows, or several for one row.
    - `seqlens_k` int32 [rows]: the length of each row after this step, minus 1. `total_length` int32 []: the longest.
    - `logits_at` int64 [wanted]: indices into the rows * tokens positions, row by row; at least one.
    - `past.{layer}.key`, `past.{layer}.value` float32 [rows, kv_heads, capacity, head_size].
    - `logits` float32 [wanted, vocab], `present.{layer}.key`, `present.{layer}.value` as their `past`.

    Raises FreeholdError `tensor_missing`, `tensor_misshapen`, `weights_corrupt`, `weights_quantized`.
    """
    checkpoint, data = Checkpoint.open(folder.weights), DataFile()
    return {
        name: _Decoder(folder.config, checkpoint, numbers, GraphWriter(data=data)).write()
        for name, numbers in graphs_of(precision, block).items()
    }


class _Decoder:
    """Writes one graph. States are [rows * tokens, hidden]."""

    def __init__(self, config: DecoderConfig, checkpoint: Checkpoint, numbers: Numbers, graph: GraphWriter) -> None:
        self.config, self.checkpoint, self.numbers, self.graph = config, checkpoint, numbers, graph
        self.prefix = next((each for each in PREFIXES if each + EMBEDDING in checkpoint), PREFIXES[0])
        self.ids = graph.input("input_ids", ("rows", "tokens"))
        self.lengths = graph.input("seqlens_k", ("rows",), np.int32)
        self.longest = graph.input("total_length", (), np.int32)
        self.wanted = graph.input("logits_at", ("wanted",))
        # [rows, tokens, -1] gives a matrix of states its rows and tokens back.
        self.by_row = graph.node("Concat", graph.node("Shape", self.ids), graph.vector(-1), axis=0)

    def write(self) -> GraphWriter:
        """The whole graph."""
        graph, config = self.graph, self.config
        states = self._embed()
        normed = self._norm(states, "layers.0.input_layernorm", config.hidden_size)
        last = config.num_hidden_layers - 1
        for layer, window in enumerate(config.windows()):
            context = self._attend(layer, normed, window)
            if layer == last:  # the rest is row by row, and rows whose logits nobody wants end here
                context, states = (graph.node("Gather", each, self.wanted, axis=0) for each in (context, states))
            attended = self._project(layer, context)
            normed, states = self._add_and_norm(attended, states, f"layers.{layer}.post_attention_layernorm")
            fed = self._feed_forward(layer, normed)
            after = "norm" if layer == last else f"layers.{layer + 1}.input_layernorm"
            normed, states = self._add_and_norm(fed, states, after)
        graph.output("logits", self._head(normed), ("wanted", config.vocab_size))
        return graph

    def _embed(self) -> str:
        graph, config = self.graph, self.config
        ids = graph.node("Reshape", self.ids, graph.vector(-1))
        table = self._rows({EMBEDDING: (config.vocab_size, config.hidden_size)})
        form = self.numbers.head
        if isinstance(form, Blockwise) and not (self.numbers.shared and config.tie_word_embeddings):
            form = OWN_EMBEDDING
        if isinstance(form, Blockwise) and config.hidden_size % form.size == 0:
            return form.lookup(graph, EMBEDDING, table, ids)
        return graph.node("Gather", graph.external(EMBEDDING, table), ids, axis=0)

    def _head(self, states: str) -> str:
        shape = (self.config.vocab_size, self.config.hidden_size)
        if self.config.tie_word_embeddings:
            return self.numbers.head.multiply(self.graph, states, EMBEDDING, self._rows({EMBEDDING: shape}))
        head = Rows.of(self.checkpoint, {"lm_head.weight": shape})
        return self.numbers.head.multiply(self.graph, states, "lm_head.weight", head)

    def _attend(self, layer: int, states: str, window: int) -> str:
        """Attention of each token to what is in its row's slot, after this step's keys and values went there."""
        graph, config = self.graph, self.config
        size, kv_heads = config.head_size, config.kv_heads
        widths = {"q_proj": config.heads * size, "k_proj": kv_heads * size, "v_proj": kv_heads * size}
        name = f"layers.{layer}.self_attn"
        packed = self._linear(states, name, widths, config.hidden_size, bias=config.biases[0])
        if config.form.head_norm:
            query, key, value = graph.split(packed, *widths.values())
            queries = [self._head_norm(query, f"{name}.q_norm"), self._head_norm(key, f"{name}.k_norm"), value]
            queries = [graph.node("Reshape", each, self.by_row) for each in queries]
        else:
            queries = [graph.node("Reshape", packed, self.by_row), "", ""]
        slots = ("rows", kv_heads, "capacity", size)
        past = [graph.input(f"past.{layer}.{part}", slots, np.float32) for part in ("key", "value")]
        present = [graph.output(f"present.{layer}.{part}", None, slots) for part in ("key", "value")]
        context = graph.node(
            "GroupQueryAttention",
            *queries,
            *past,
            self.lengths,
            self.longest,
            self._rotary("cos"),
            self._rotary("sin"),
            outputs=[graph.name("GroupQueryAttention"), *present],
            domain=MICROSOFT,
            num_heads=config.heads,
            kv_num_heads=kv_heads,
            do_rotary=1,
            local_window_size=window or -1,
        )
        return graph.node("Reshape", context, graph.vector(-1, config.heads * size))

    def _project(self, layer: int, context: str) -> str:
        width = self.config.heads * self.config.head_size
        parts = {"o_proj": self.config.hidden_size}
        return self._linear(context, f"layers.{layer}.self_attn", parts, width, bias=self.config.biases[1])

    def _feed_forward(self, layer: int, states: str) -> str:
        """down(silu(gate(x)) * up(x)), gate and up in one product."""
        graph, width, inner = self.graph, self.config.hidden_size, self.config.intermediate_size
        name, bias = f"layers.{layer}.mlp", self.config.biases[2]
        both = self._linear(states, name, {"gate_proj": inner, "up_proj": inner}, width, bias=bias)
        gate, up = graph.split(both, inner, inner)
        gated = graph.node("Mul", graph.node("QuickGelu", gate, domain=MICROSOFT, alpha=1.0), up)
        return self._linear(gated, name, {"down_proj": width}, inner, bias=bias)

    def _linear(self, states: str, module: str, parts: dict[str, int], inputs: int, *, bias: bool) -> str:
        """The linear layers `parts` (name: outputs) of `module`, side by side, as one product."""
        weight = self._rows({f"{module}.{part}.weight": (outputs, inputs) for part, outputs in parts.items()})
        added = self._rows({f"{module}.{part}.bias": (outputs,) for part, outputs in parts.items()}) if bias else None
        return self.numbers.body.multiply(self.graph, states, f"{module}.{'+'.join(parts)}", weight, added)

    def _norm(self, states: str, name: str, size: int) -> str:
        """x / sqrt(mean(x^2) + epsilon) * weight, over the last dimension, which is `size`."""
        return self.graph.node(
            "SimplifiedLayerNormalization",
            states,
            self._norm_weight(name, size),
            axis=-1,
            epsilon=self.config.rms_norm_eps,
        )

    def _head_norm(self, states: str, name: str) -> str:
        """The same head by head: [..., heads * size] -> [... * heads, size]."""
        size = self.config.head_size
        return self._norm(self.graph.node("Reshape", states, self.graph.vector(-1, size)), name, size)

    def _add_and_norm(self, added: str, states: str, name: str) -> tuple[str, str]:
        """The norm of a sum, and the sum."""
        normed, total = self.graph.name("Norm"), self.graph.name("Sum")
        weight = self._norm_weight(name, self.config.hidden_size)
        self.graph.node(
            "SkipSimplifiedLayerNormalization",
            added,
            states,
            weight,
            outputs=[normed, "", "", total],
            domain=MICROSOFT,
            epsilon=self.config.rms_norm_eps,
        )
        return normed, total

    def _norm_weight(self, name: str, size: int) -> str:
        return self.graph.external(f"{name}.weight", self._rows({f"{name}.weight": (size,)}))

    def _rotary(self, function: Literal["cos", "sin"]) -> str:
        config = self.config
        table = RotaryTable(config.rope, config.max_position_embeddings, config.head_size, function)
        return self.graph.external(f"rotary.{function}", table)

    def _rows(self, parts: dict[str, tuple[int, ...]]) -> Rows:
        return Rows.of(self.checkpoint, {self.prefix + name: shape for name, shape in parts.items()})
