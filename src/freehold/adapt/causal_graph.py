"""Embeddings and scores of whole texts from the causal body of a Llama-like decoder, as one packed ONNX graph.

All texts of a batch lie one after the other in one row of tokens, as in `encoder_graph`; each token attends to those
before it in its own text, and positions begin anew with each text. Sources of the layers: see `decoder_graph`; scoring
by the tokens for yes and no: Nogueira et al. (arXiv:2003.06713), Zhang et al., Qwen3 Embedding (arXiv:2506.05176).
"""

from typing import Literal

from freehold.adapt.attention import CPU, CUDA, Projected, same_text, stops
from freehold.adapt.causal_attention import CausalBlocks, CausalMasked, GroupedHeads, Reach
from freehold.adapt.causal_folder import CausalFolder, TokenScore
from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.decoder_config import DecoderConfig
from freehold.adapt.folder import Sentence
from freehold.adapt.onnx_graph import MICROSOFT, GraphWriter
from freehold.adapt.pooling import finish, mean
from freehold.adapt.rotary import RotaryTable
from freehold.adapt.token_difference import TokenDifference
from freehold.adapt.weights import Rows

Dialect = Literal["cpu", "cuda", "standard"]
EMBEDDING, HEAD, SCORE = "embed_tokens.weight", "lm_head.weight", "score.weight"
PREFIXES = ("model.", "")  # some publishers save the inner model alone


def write_causal(folder: CausalFolder, dialect: Dialect) -> GraphWriter:
    """The packed graph of `folder`. Dialects, weights and inputs are as `encoder_graph.write_graph` has them.

    Inputs, all int64: `input_ids` [tokens], `sequence_ids` [tokens] (0..sequences-1, not decreasing),
    `sequence_starts` [sequences] (index of the first token). Output, float32: `embeddings` [sequences, dimensions] or
    `logits` [sequences, labels].

    Raises FreeholdError `tensor_missing`, `tensor_misshapen`, `weights_corrupt`, `weights_quantized`.
    """
    config, head = folder.config, folder.head
    body = _Body(config, Checkpoint.open(folder.weights), dialect)
    graph = body.graph
    if isinstance(head, Sentence):
        pooled = body.last_states() if head.pooling == "last" else body.mean_states()
        graph.output("embeddings", finish(graph, pooled, head.after), ("sequences", folder.width))
        return graph
    states = body.last_states()
    weight = body.token_score(head) if isinstance(head, TokenScore) else body.labels(len(head.names))
    graph.output("logits", graph.node("Gemm", states, weight, transB=1), ("sequences", folder.width))
    return graph


class _Body:
    """Writes the decoder's layers. States are [tokens, hidden]."""

    def __init__(self, config: DecoderConfig, checkpoint: Checkpoint, dialect: Dialect) -> None:
        self.config, self.checkpoint, self.dialect = config, checkpoint, dialect
        self.prefix = next((each for each in PREFIXES if each + EMBEDDING in checkpoint), PREFIXES[0])
        self.graph = graph = GraphWriter()
        self.ids = graph.input("input_ids", ("tokens",))
        self.owners = graph.input("sequence_ids", ("tokens",))
        self.starts = graph.input("sequence_starts", ("sequences",))
        self.heads = GroupedHeads(config.heads, config.kv_heads, config.head_size)
        self.reaches = {
            window: Reach.back(graph, self.owners, self.starts, window) for window in sorted(set(config.windows()))
        }
        index = next(iter(self.reaches.values())).own
        self.positions = graph.node("Sub", index, graph.node("Gather", self.starts, self.owners))

    def mean_states(self) -> str:
        """Mean of the last states of each text: [sequences, hidden]."""
        graph = self.graph
        states = self._normed(self._layers(self.config.num_hidden_layers), "norm")
        texts = graph.node("Range", graph.number(0), graph.length(self.starts), graph.number(1))
        return mean(graph, states, same_text(graph, texts, self.owners))

    def last_states(self) -> str:
        """Last state of each text's last token: [sequences, hidden].

        Queries and feed-forward of the last layer are computed for last tokens alone: its other rows would be thrown
        away.
        """
        graph, layer = self.graph, self.config.num_hidden_layers - 1
        states = self._layers(layer)
        last = graph.node("Sub", stops(graph, self.starts, self.owners), graph.number(1))
        reach = self.reaches[self.config.windows()[layer]]
        attention = CausalMasked(graph, self.heads, reach.of(graph, last), reach)
        return self._normed(self._layer(layer, states, attention, last), "norm")

    def token_score(self, score: TokenScore) -> str:
        """The head's row for the token that means yes, minus the one for no: [1, hidden]."""
        name = self.prefix + EMBEDDING if self.config.tie_word_embeddings else HEAD
        self.checkpoint.require(name, self._table_shape)
        width = self.config.hidden_size
        return self.graph.external(HEAD, TokenDifference(self.checkpoint, name, width, score.yes, score.no))

    def labels(self, count: int) -> str:
        """The weights of a classification head: [count, hidden]."""
        return self.graph.weight(self.checkpoint, SCORE, (count, self.config.hidden_size))

    @property
    def _table_shape(self) -> tuple[int, ...]:
        return (self.config.vocab_size, self.config.hidden_size)

    def _layers(self, count: int) -> str:
        """The first `count` layers over every token."""
        graph = self.graph
        states = graph.node("Gather", graph.external(EMBEDDING, self._rows(EMBEDDING)), self.ids, axis=0)
        forms = {window: self._attention(reach) for window, reach in self.reaches.items()}
        for layer, window in enumerate(self.config.windows()[:count]):
            states = self._layer(layer, states, forms[window])
        return states

    def _attention(self, reach: Reach) -> CausalMasked | CausalBlocks:
        if self.dialect == "standard":
            return CausalMasked(self.graph, self.heads, reach, reach)
        return CausalBlocks(self.graph, self.heads, reach, CPU if self.dialect == "cpu" else CUDA)

    def _layer(self, layer: int, states: str, attention: CausalMasked | CausalBlocks, only: str = "") -> str:
        """One pre-norm layer; with `only` for the tokens at these indices, which attend to all states."""
        graph, config = self.graph, self.config
        name, width, (query_bias, output_bias, _) = f"layers.{layer}", config.hidden_size, config.biases
        normed = self._normed(states, f"{name}.input_layernorm")
        asking, positions = normed, self.positions
        if only:
            whole = (normed, states, positions)
            asking, states, positions = (graph.node("Gather", each, only, axis=0) for each in whole)
        query = self._linear(asking, f"{name}.self_attn.q_proj", width, self.heads.width, bias=query_bias)
        key = self._linear(normed, f"{name}.self_attn.k_proj", width, self.heads.shared_width, bias=query_bias)
        value = self._linear(normed, f"{name}.self_attn.v_proj", width, self.heads.shared_width, bias=query_bias)
        if config.form.head_norm:
            query = self._head_normed(query, f"{name}.self_attn.q_norm")
            key = self._head_normed(key, f"{name}.self_attn.k_norm")
        query = self._rotated(query, self.heads.count, positions)
        key = self._rotated(key, self.heads.groups, self.positions)
        context = attention.attend(Projected(query, key, value))
        attended = self._linear(context, f"{name}.self_attn.o_proj", self.heads.width, width, bias=output_bias)
        states = graph.node("Add", states, attended)
        return graph.node("Add", states, self._feed_forward(layer, states))

    def _feed_forward(self, layer: int, states: str) -> str:
        """down(silu(gate(x)) * up(x)) of the normed states."""
        graph, width, inner = self.graph, self.config.hidden_size, self.config.intermediate_size
        name, bias = f"layers.{layer}", self.config.biases[2]
        normed = self._normed(states, f"{name}.post_attention_layernorm")
        gate, up = (self._linear(normed, f"{name}.mlp.{part}_proj", width, inner, bias=bias) for part in ("gate", "up"))
        gated = graph.node("Mul", graph.node("Mul", gate, graph.node("Sigmoid", gate)), up)
        return self._linear(gated, f"{name}.mlp.down_proj", inner, width, bias=bias)

    def _linear(self, states: str, name: str, inputs: int, outputs: int, *, bias: bool) -> str:
        parts = [self._weight(f"{name}.weight", outputs, inputs)]
        parts += [self._weight(f"{name}.bias", outputs)] if bias else []
        return self.graph.node("Gemm", states, *parts, transB=1)

    def _rotated(self, states: str, heads: int, positions: str) -> str:
        """Rotary position embedding of [tokens, heads * size]: the two halves of a head are turned as one vector."""
        graph, node, size = self.graph, self.graph.node, self.config.head_size
        tables = [self._rotary("cos"), self._rotary("sin")]
        if self.dialect != "standard":
            # As texts of one token each: the operator wants no more tokens in a text than the tables have positions.
            apart = node("Unsqueeze", states, graph.vector(1))
            at = graph.column(positions)
            turned = node("RotaryEmbedding", apart, at, *tables, domain=MICROSOFT, num_heads=heads)
            return node("Squeeze", turned, graph.vector(1))
        cos, sin = (node("Unsqueeze", node("Gather", each, positions, axis=0), graph.vector(1)) for each in tables)
        first, second = graph.split(node("Reshape", states, graph.vector(-1, heads, size)), size // 2, size // 2)
        left = node("Sub", node("Mul", first, cos), node("Mul", second, sin))
        right = node("Add", node("Mul", second, cos), node("Mul", first, sin))
        return node("Reshape", node("Concat", left, right, axis=-1), graph.vector(-1, heads * size))

    def _rotary(self, function: Literal["cos", "sin"]) -> str:
        config = self.config
        table = RotaryTable(config.rope, config.max_position_embeddings, config.head_size, function)
        return self.graph.external(f"rotary.{function}", table)

    def _normed(self, states: str, name: str) -> str:
        """x / sqrt(mean(x^2) + epsilon) * weight over the last dimension (Zhang and Sennrich, arXiv:1910.07467)."""
        return self._scaled(states, self._weight(f"{name}.weight", self.config.hidden_size))

    def _head_normed(self, states: str, name: str) -> str:
        """The same by head: [tokens, heads * size]."""
        graph, size = self.graph, self.config.head_size
        by_head = graph.node("Reshape", states, graph.vector(0, -1, size))
        return graph.node("Reshape", self._scaled(by_head, self._weight(f"{name}.weight", size)), graph.vector(0, -1))

    def _scaled(self, states: str, weight: str) -> str:
        graph, epsilon = self.graph, self.config.rms_norm_eps
        if self.dialect != "standard":
            return graph.node("SimplifiedLayerNormalization", states, weight, axis=-1, epsilon=epsilon)
        square = graph.node("ReduceMean", graph.node("Mul", states, states), graph.vector(-1), keepdims=1)
        length = graph.node("Sqrt", graph.node("Add", square, graph.real(epsilon)))
        return graph.node("Mul", graph.node("Div", states, length), weight)

    def _weight(self, name: str, *shape: int) -> str:
        return self.graph.weight(self.checkpoint, self.prefix + name, shape, name)

    def _rows(self, name: str) -> Rows:
        return Rows.of(self.checkpoint, {self.prefix + name: self._table_shape})
