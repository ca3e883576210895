"""BERT and RoBERTa encoders as one packed ONNX graph.

All texts of a batch lie one after the other in one row of tokens: nothing is padded, attention stays inside each text,
and positions follow from where a text begins.

Sources: Devlin et al., BERT (arXiv:1810.04805); Liu et al., RoBERTa (arXiv:1907.11692); packing without cross-
contamination: Krell et al. (arXiv:2107.02027).
"""

from typing import Literal

from onnx import TensorProto

from freehold.adapt.architectures import EncoderConfig
from freehold.adapt.attention import (
    CPU,
    CUDA,
    Attention,
    BranchedAttention,
    Heads,
    MaskedAttention,
    Projected,
    same_text,
)
from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.folder import ModelFolder
from freehold.adapt.onnx_graph import GraphWriter
from freehold.adapt.pooling import finish, mean
from freehold.errors import FreeholdError

Dialect = Literal["cpu", "cuda", "standard"]
# The files of an artifact: one function in the dialect of each runtime, over one data file.
GRAPHS: dict[str, Dialect] = {"model.onnx": "cpu", "model.cuda.onnx": "cuda", "model.portable.onnx": "standard"}

WORDS = "embeddings.word_embeddings.weight"
PREFIXES = {"bert": ("", "bert."), "roberta": ("", "roberta.")}


def write_graph(folder: ModelFolder, dialect: Dialect) -> GraphWriter:
    """The packed graph of `folder`.

    `cpu` and `cuda` are fastest on ONNX Runtime there, and never hold a large score matrix; `standard` uses standard
    operators alone and takes heads * tokens^2 floats where the runtime fuses nothing (OpenVINO fuses). All have the
    same weights at the same offsets, so one data file serves them.

    Inputs, all int64: `input_ids` [tokens], `token_type_ids` [tokens] (only where the model has more than one type),
    `sequence_ids` [tokens] (0..sequences-1, not decreasing), `sequence_starts` [sequences] (index of the first token).
    Output, float32: `embeddings` [sequences, dimensions] or `logits` [sequences, labels].

    Raises FreeholdError `tensor_missing`, `tensor_misshapen`, `weights_corrupt`, `weights_quantized`.
    """
    config = folder.config
    encoder = _Encoder(config, Checkpoint.open(folder.weights), dialect)
    graph = encoder.graph
    if config.form.head == "classification":
        graph.output("logits", _classify(encoder, encoder.first_states()), ("sequences", len(config.labels)))
        return graph
    pooled = encoder.first_states() if folder.sentence.pooling == "cls" else encoder.mean_states()
    pooled = finish(graph, pooled, folder.sentence.after)
    graph.output("embeddings", pooled, ("sequences", folder.sentence.dimensions(config.hidden_size)))
    return graph


class _Encoder:
    """Writes the encoder's layers. States are [tokens, hidden]."""

    def __init__(self, config: EncoderConfig, checkpoint: Checkpoint, dialect: Dialect) -> None:
        self.config, self.checkpoint = config, checkpoint
        self.prefix = _prefix(config, checkpoint)
        self.graph = graph = GraphWriter()
        self.ids = graph.input("input_ids", ("tokens",))
        self.types = graph.input("token_type_ids", ("tokens",)) if config.type_vocab_size > 1 else ""
        self.owners = graph.input("sequence_ids", ("tokens",))
        self.starts = graph.input("sequence_starts", ("sequences",))
        self.heads = Heads(config.num_attention_heads, config.head_size)
        self.attention: Attention
        if dialect == "standard":
            self.attention = MaskedAttention(graph, self.heads, same_text(graph, self.owners, self.owners))
        else:
            turns = CPU if dialect == "cpu" else CUDA
            self.attention = BranchedAttention(graph, self.heads, self.owners, self.starts, turns)

    def mean_states(self) -> str:
        """Mean of the last states of each text: [sequences, hidden]."""
        states = self._embed()
        for index in range(self.config.num_hidden_layers):
            states = self._layer(index, states, states, self.attention)
        return mean(self.graph, states, self._member())

    def first_states(self) -> str:
        """Last state of each text's first token: [sequences, hidden].

        Queries and feed-forward of the last layer are computed for first tokens alone: its other rows would be thrown
        away. That is a fifth of the work of a model of four layers.
        """
        states = self._embed()
        last = self.config.num_hidden_layers - 1
        for index in range(last):
            states = self._layer(index, states, states, self.attention)
        first = self.graph.node("Gather", states, self.starts, axis=0)
        return self._layer(last, first, states, MaskedAttention(self.graph, self.heads, self._member()))

    def linear(self, source: str, name: str, inputs: int, outputs: int) -> str:
        """x W^T + b of the checkpoint's `name`, with its weights as they lie there: [rows, outputs]."""
        weight = self._weight(f"{name}.weight", outputs, inputs)
        return self.graph.node("Gemm", source, weight, self._weight(f"{name}.bias", outputs), transB=1)

    def _weight(self, name: str, *shape: int) -> str:
        return self.graph.weight(self.checkpoint, self.prefix + name, shape)

    def _member(self) -> str:
        """Whether a token belongs to a text: bool [sequences, tokens]."""
        graph = self.graph
        texts = graph.node("Range", graph.number(0), graph.length(self.starts), graph.number(1))
        return same_text(graph, texts, self.owners)

    def _embed(self) -> str:
        graph, config = self.graph, self.config
        words = self._weight(WORDS, config.vocab_size, config.hidden_size)
        table = self._weight(
            "embeddings.position_embeddings.weight", config.max_position_embeddings, config.hidden_size
        )
        kinds = self._weight("embeddings.token_type_embeddings.weight", config.type_vocab_size, config.hidden_size)
        kind = graph.node("Gather", kinds, self.types, axis=0) if self.types else kinds
        states = graph.node("Add", graph.node("Gather", words, self.ids, axis=0), kind)
        positions = self._offset_positions() if config.form.family == "roberta" else self._positions()
        states = graph.node("Add", states, graph.node("Gather", table, positions, axis=0))
        return self._norm(states, "embeddings.LayerNorm")

    def _positions(self) -> str:
        """Index of each token in its text: [tokens]."""
        graph = self.graph
        index = graph.node("Range", graph.number(0), graph.length(self.ids), graph.number(1))
        return graph.node("Sub", index, graph.node("Gather", self.starts, self.owners))

    def _offset_positions(self) -> str:
        """RoBERTa counts the tokens that are not padding, from padding_index + 1; a padding token keeps padding_index.

        A text that spells out the padding token has it as a token: transformers numbers it so, and so do we.
        """
        graph = self.graph
        padding = graph.number(self.config.padding_index)
        counts = graph.node("Not", graph.node("Equal", self.ids, padding))
        counts = graph.node("Cast", counts, to=TensorProto.INT64)
        counted = graph.node("CumSum", counts, graph.number(0))
        before = graph.node("Gather", graph.node("Sub", counted, counts), self.starts)
        index = graph.node("Sub", counted, graph.node("Gather", before, self.owners))
        return graph.node("Add", graph.node("Mul", index, counts), padding)

    def _layer(self, index: int, queries: str, states: str, attention: Attention) -> str:
        """One post-norm transformer layer over `queries`, which attend to `states`."""
        graph, width, inner = self.graph, self.config.hidden_size, self.config.intermediate_size
        name = f"encoder.layer.{index}"
        query = self.linear(queries, f"{name}.attention.self.query", width, width)
        key = self.linear(states, f"{name}.attention.self.key", width, width)
        value = self.linear(states, f"{name}.attention.self.value", width, width)
        context = attention.attend(Projected(query, key, value))
        attended = graph.node("Add", self.linear(context, f"{name}.attention.output.dense", width, width), queries)
        attended = self._norm(attended, f"{name}.attention.output.LayerNorm")
        widened = self._activate(self.linear(attended, f"{name}.intermediate.dense", width, inner))
        added = graph.node("Add", self.linear(widened, f"{name}.output.dense", inner, width), attended)
        return self._norm(added, f"{name}.output.LayerNorm")

    def _activate(self, source: str) -> str:
        if self.config.hidden_act == "relu":
            return self.graph.node("Relu", source)
        return self.graph.node("Gelu", source, approximate="none" if self.config.hidden_act == "gelu" else "tanh")

    def _norm(self, source: str, name: str) -> str:
        scale, shift = "weight", "bias"
        if f"{self.prefix}{name}.gamma" in self.checkpoint:  # the names of checkpoints converted from TensorFlow
            scale, shift = "gamma", "beta"
        width = self.config.hidden_size
        scale, shift = self._weight(f"{name}.{scale}", width), self._weight(f"{name}.{shift}", width)
        return self.graph.node("LayerNormalization", source, scale, shift, epsilon=self.config.layer_norm_eps)


def _prefix(config: EncoderConfig, checkpoint: Checkpoint) -> str:
    for prefix in PREFIXES[config.form.family]:
        if prefix + WORDS in checkpoint:
            return prefix
    raise FreeholdError("tensor_missing", path=checkpoint.folder, tensor=WORDS, count=len(checkpoint.where))


def _classify(encoder: _Encoder, first: str) -> str:
    """BERT: pooler.dense, tanh, classifier. RoBERTa: classifier.dense, tanh, classifier.out_proj. [texts, labels]"""
    width, labels = encoder.config.hidden_size, len(encoder.config.labels)
    if encoder.config.form.family == "bert":
        pooled = encoder.graph.node("Tanh", encoder.linear(first, "pooler.dense", width, width))
        encoder.prefix = ""  # only the encoder's own tensors carry it
        return encoder.linear(pooled, "classifier", width, labels)
    encoder.prefix = ""
    hidden = encoder.graph.node("Tanh", encoder.linear(first, "classifier.dense", width, width))
    return encoder.linear(hidden, "classifier.out_proj", width, labels)
