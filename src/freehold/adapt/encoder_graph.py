"""BERT and RoBERTa encoders as one packed ONNX graph.

All texts of a batch lie one after the other in one row of tokens: nothing is padded, and attention is kept inside each
text by a block-diagonal mask. Positions follow from where a text begins.

Sources: Devlin et al., BERT (arXiv:1810.04805); Liu et al., RoBERTa (arXiv:1907.11692); packing without cross-
contamination: Krell et al. (arXiv:2107.02027).
"""

from dataclasses import dataclass, field

import numpy as np

from freehold.adapt.architectures import EncoderConfig
from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.folder import Dense, ModelFolder, Normalize
from freehold.adapt.onnx_graph import GraphWriter
from freehold.errors import FreeholdError

WORDS = "embeddings.word_embeddings.weight"
PREFIXES = {"bert": ("", "bert."), "roberta": ("", "roberta.")}
# torch.nn.functional.normalize, which sentence-transformers uses, divides by at least this.
SHORTEST_NORM = 1e-12


def write_graph(folder: ModelFolder) -> GraphWriter:
    """The packed graph of `folder`.

    Inputs, all int64: `input_ids` [tokens], `token_type_ids` [tokens] (only where the model has more than one type),
    `sequence_ids` [tokens] (0..sequences-1, not decreasing), `sequence_starts` [sequences] (index of the first token).
    Output, float32: `embeddings` [sequences, dimensions] or `logits` [sequences, labels].

    Raises FreeholdError `tensor_missing`, `tensor_misshapen`, `weights_corrupt`, `weights_quantized`.
    """
    checkpoint = Checkpoint.open(folder.weights)
    encoder = _Encoder(folder.config, checkpoint, _prefix(folder.config, checkpoint))
    graph = encoder.graph
    if folder.config.form.head == "classification":
        logits = _classify(encoder, encoder.states(only_first=True))
        graph.output("logits", logits, ("sequences", len(folder.config.labels)))
        return graph
    if folder.sentence.pooling == "cls":
        pooled = encoder.states(only_first=True)
    else:
        pooled = encoder.mean(encoder.states(only_first=False))
    for module in folder.sentence.after:
        pooled = _normalize(graph, pooled) if isinstance(module, Normalize) else _dense(graph, pooled, module)
    graph.output("embeddings", pooled, ("sequences", folder.sentence.dimensions(folder.config.hidden_size)))
    return graph


def _prefix(config: EncoderConfig, checkpoint: Checkpoint) -> str:
    for prefix in PREFIXES[config.form.family]:
        if prefix + WORDS in checkpoint:
            return prefix
    raise FreeholdError("tensor_missing", path=checkpoint.folder, tensor=WORDS, count=len(checkpoint.where))


@dataclass
class _Encoder:
    """Writes the encoder layers. Token states are [tokens, hidden]."""

    config: EncoderConfig
    checkpoint: Checkpoint
    prefix: str
    graph: GraphWriter = field(default_factory=GraphWriter)

    def __post_init__(self) -> None:
        graph = self.graph
        self.ids = graph.input("input_ids", ("tokens",))
        self.types = graph.input("token_type_ids", ("tokens",)) if self.config.type_vocab_size > 1 else ""
        self.owners = graph.input("sequence_ids", ("tokens",))
        self.starts = graph.input("sequence_starts", ("sequences",))

    def states(self, *, only_first: bool) -> str:
        """Last hidden states: of every token [tokens, hidden], or of each first token [sequences, hidden].

        In the latter case the last layer computes queries and feed-forward for first tokens alone: its other rows
        would be thrown away.
        """
        states = self._embed()
        mask = self._mask()
        first_mask = self.graph.node("Gather", mask, self.starts, axis=0) if only_first else ""
        last = self.config.num_hidden_layers - 1
        for layer in range(last + 1):
            name = f"encoder.layer.{layer}"
            if only_first and layer == last:
                queries = self.graph.node("Gather", states, self.starts, axis=0)
                states = self._layer(name, queries, states, first_mask)
            else:
                states = self._layer(name, states, states, mask)
        return states

    def mean(self, states: str) -> str:
        """Mean of each text's states: [sequences, hidden]."""
        graph = self.graph
        number = graph.node("Range", *self._scalars(0), self._length(self.starts), *self._scalars(1))
        column = graph.node("Unsqueeze", number, graph.ints(1))
        row = graph.node("Unsqueeze", self.owners, graph.ints(0))
        member = graph.node("Cast", graph.node("Equal", column, row), to=1)
        count = graph.node("ReduceSum", member, graph.ints(1), keepdims=1)
        return graph.node("Div", graph.node("MatMul", member, states), count)

    def linear(self, source: str, name: str, inputs: int, outputs: int) -> str:
        """x W^T + b of the checkpoint's `name`."""
        return self._project(source, (name,), inputs, outputs)

    def _project(self, source: str, names: tuple[str, ...], inputs: int, outputs: int) -> str:
        """Several linear layers of one source as one product, side by side: [rows, len(names) * outputs]."""
        rows = len(names) * outputs
        weight = self._weight(*(f"{name}.weight" for name in names), shape=(rows, inputs))
        bias = self._weight(*(f"{name}.bias" for name in names), shape=(rows,))
        return self.graph.node("Gemm", source, weight, bias, transB=1)

    def _weight(self, *parts: str, shape: tuple[int, ...]) -> str:
        return self.graph.weight(self.checkpoint, *(self.prefix + part for part in parts), shape=shape)

    def _embed(self) -> str:
        graph, config = self.graph, self.config
        words = self._weight(WORDS, shape=(config.vocab_size, config.hidden_size))
        table = self._weight(
            "embeddings.position_embeddings.weight", shape=(config.max_position_embeddings, config.hidden_size)
        )
        kinds = self._weight(
            "embeddings.token_type_embeddings.weight", shape=(config.type_vocab_size, config.hidden_size)
        )
        kind = graph.node("Gather", kinds, self.types, axis=0) if self.types else kinds
        states = graph.node("Add", graph.node("Gather", words, self.ids, axis=0), kind)
        positions = self._offset_positions() if config.form.family == "roberta" else self._positions()
        states = graph.node("Add", states, graph.node("Gather", table, positions, axis=0))
        return self._norm(states, "embeddings.LayerNorm")

    def _positions(self) -> str:
        """Index of each token in its text: [tokens]."""
        graph = self.graph
        index = graph.node("Range", *self._scalars(0), self._length(self.ids), *self._scalars(1))
        return graph.node("Sub", index, graph.node("Gather", self.starts, self.owners, axis=0))

    def _offset_positions(self) -> str:
        """RoBERTa counts the tokens that are not padding, from padding_index + 1; a padding token keeps padding_index.

        A text that spells out the padding token has it as a token: transformers numbers it so, and so do we.
        """
        graph = self.graph
        padding = graph.constant(self.config.padding_index, np.int64)
        real = graph.node("Cast", graph.node("Not", graph.node("Equal", self.ids, padding)), to=7)
        counted = graph.node("CumSum", real, graph.constant(0, np.int64))
        before = graph.node("Gather", graph.node("Sub", counted, real), self.starts, axis=0)
        number = graph.node("Sub", counted, graph.node("Gather", before, self.owners, axis=0))
        return graph.node("Add", graph.node("Mul", number, real), padding)

    def _mask(self) -> str:
        """0 where query and key are of one text, lowest float elsewhere: [tokens, tokens]."""
        graph = self.graph
        column = graph.node("Unsqueeze", self.owners, graph.ints(1))
        row = graph.node("Unsqueeze", self.owners, graph.ints(0))
        zero = graph.constant(0.0, np.float32)
        lowest = graph.constant(np.finfo(np.float32).min, np.float32)
        return graph.node("Where", graph.node("Equal", column, row), zero, lowest)

    def _layer(self, name: str, queries: str, states: str, mask: str) -> str:
        """One post-norm transformer layer over `queries`, which attend to `states`."""
        graph, width = self.graph, self.config.hidden_size
        context = self._attend(f"{name}.attention.self", queries, states, mask)
        attended = self.linear(context, f"{name}.attention.output.dense", width, width)
        attended = self._norm(graph.node("Add", attended, queries), f"{name}.attention.output.LayerNorm")
        inner = self.linear(attended, f"{name}.intermediate.dense", width, self.config.intermediate_size)
        outer = self.linear(self._activate(inner), f"{name}.output.dense", self.config.intermediate_size, width)
        return self._norm(graph.node("Add", outer, attended), f"{name}.output.LayerNorm")

    def _attend(self, name: str, queries: str, states: str, mask: str) -> str:
        graph, width = self.graph, self.config.hidden_size
        query, key, value = (f"{name}.{part}" for part in ("query", "key", "value"))
        if queries == states:
            joined = self._heads(self._project(states, (query, key, value), width, width), 3)
            three = tuple(f"{name}.{part}" for part in "qkv")
            q, k, v = graph.split("Split", joined, names=three, axis=0, num_outputs=3)
        else:
            q = self._heads(self.linear(queries, query, width, width), 1)
            joined = self._heads(self._project(states, (key, value), width, width), 2)
            k, v = graph.split("Split", joined, names=(f"{name}.k", f"{name}.v"), axis=0, num_outputs=2)
        scale = graph.constant(self.config.head_size**-0.5, np.float32)
        scores = graph.node("MatMul", graph.node("Mul", q, scale), graph.node("Transpose", k, perm=[0, 1, 3, 2]))
        shares = graph.node("Softmax", graph.node("Add", scores, mask), axis=-1)
        context = graph.node("Transpose", graph.node("MatMul", shares, v), perm=[0, 2, 1, 3])
        return graph.node("Reshape", context, graph.ints(-1, width))

    def _heads(self, states: str, parts: int) -> str:
        """[rows, parts * hidden] -> [parts, heads, rows, head_size]."""
        shape = self.graph.ints(-1, parts, self.config.num_attention_heads, self.config.head_size)
        return self.graph.node("Transpose", self.graph.node("Reshape", states, shape), perm=[1, 2, 0, 3])

    def _activate(self, source: str) -> str:
        if self.config.hidden_act == "relu":
            return self.graph.node("Relu", source)
        return self.graph.node("Gelu", source, approximate="none" if self.config.hidden_act == "gelu" else "tanh")

    def _norm(self, source: str, name: str) -> str:
        width = self.config.hidden_size
        scale, shift = "weight", "bias"
        if f"{self.prefix}{name}.gamma" in self.checkpoint:  # the names of checkpoints converted from TensorFlow
            scale, shift = "gamma", "beta"
        weight = self._weight(f"{name}.{scale}", shape=(width,))
        bias = self._weight(f"{name}.{shift}", shape=(width,))
        return self.graph.node("LayerNormalization", source, weight, bias, epsilon=self.config.layer_norm_eps)

    def _length(self, vector: str) -> str:
        return self.graph.node("Squeeze", self.graph.node("Shape", vector), self.graph.ints(0))

    def _scalars(self, *values: int) -> tuple[str, ...]:
        return tuple(self.graph.constant(value, np.int64) for value in values)


def _classify(encoder: _Encoder, first: str) -> str:
    """BERT: pooler (dense, tanh), classifier. RoBERTa: classifier.dense, tanh, classifier.out_proj."""
    graph, config = encoder.graph, encoder.config
    width = config.hidden_size
    bert = config.form.family == "bert"
    if bert:
        hidden = encoder.linear(first, "pooler.dense", width, width)
    encoder.prefix = ""  # the head's own tensors carry no prefix
    if not bert:
        hidden = encoder.linear(first, "classifier.dense", width, width)
    last = "classifier" if bert else "classifier.out_proj"
    return encoder.linear(graph.node("Tanh", hidden), last, width, len(config.labels))


def _dense(graph: GraphWriter, pooled: str, module: Dense) -> str:
    checkpoint = Checkpoint.open((module.file,))
    label = module.file.parent.name
    weight = graph.weight(
        checkpoint, "linear.weight", shape=(module.outputs, module.inputs), name=f"{label}.linear.weight"
    )
    bias = [graph.weight(checkpoint, "linear.bias", shape=(module.outputs,), name=f"{label}.linear.bias")]
    result = graph.node("Gemm", pooled, weight, *(bias if module.bias else []), transB=1)
    return graph.node("Tanh", result) if module.activation == "tanh" else result


def _normalize(graph: GraphWriter, pooled: str) -> str:
    length = graph.node("ReduceL2", pooled, graph.ints(1), keepdims=1)
    return graph.node("Div", pooled, graph.node("Max", length, graph.constant(SHORTEST_NORM, np.float32)))
