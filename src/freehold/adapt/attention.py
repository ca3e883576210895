"""Attention inside each text of a packed batch, in two forms of one function.

Queries, keys and values are [tokens, hidden]; `owners` [tokens] says to which text a token belongs, `starts` [texts]
where each text begins. Softmax(Q K^T / sqrt(head_size)) V: Vaswani et al. (arXiv:1706.03762).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from onnx import TensorProto, helper

from freehold.adapt.onnx_graph import MICROSOFT, GraphWriter

# Measured on MiniLM with AVX-512: 32 and 64 rows are equally fast, 128 is slower. 64 wastes less on long texts.
BLOCK = 64
END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Heads:
    """How hidden states split."""

    count: int
    size: int

    @property
    def width(self) -> int:
        """Elements of all heads."""
        return self.count * self.size


class Attention(Protocol):
    """Adds attention to a graph."""

    def attend(self, query: str, key: str, value: str) -> str:
        """The context of each query: [tokens, hidden]."""
        ...


class MaskedAttention:
    """Every query against every key, and a mask [queries, tokens] that is true within a text. Standard operators only.

    Scores take heads * queries * tokens floats.
    """

    def __init__(self, graph: GraphWriter, heads: Heads, member: str) -> None:
        self.graph, self.heads = graph, heads
        lowest = graph.real(float(np.finfo(np.float32).min))
        self.mask = graph.node("Where", member, graph.real(0.0), lowest)

    @classmethod
    def packed(cls, graph: GraphWriter, heads: Heads, owners: str) -> "MaskedAttention":
        """For all tokens as queries."""
        return cls(graph, heads, graph.node("Equal", graph.column(owners), graph.row(owners)))

    def attend(self, query: str, key: str, value: str) -> str:
        """As the Protocol says; [queries, hidden]."""
        graph = self.graph
        q, k, v = _by_head(graph, self.heads, query, key, value)
        return _merge(graph, self.heads, _weigh(graph, q, k, v, self.mask))


class BlockAttention:
    """For ONNX Runtime's CPU: a lone text by its fused kernel, several in blocks of queries.

    A block of BLOCK queries meets only the keys from the first of its texts to the last, a contiguous range, so short
    texts cost little more than alone, and no [tokens, tokens] matrix is ever whole. A lone text takes the runtime's
    flash kernel (com.microsoft.MultiHeadAttention without a mask), which keeps no scores at all.
    """

    def __init__(self, graph: GraphWriter, heads: Heads, owners: str, starts: str) -> None:
        self.graph, self.heads, self.owners = graph, heads, owners
        node, number = graph.node, graph.number
        tokens = graph.length(owners)
        size = node("Min", tokens, number(BLOCK))
        count = node("Div", node("Sub", node("Add", tokens, size), number(1)), size)
        # Blocks are of one size, as a scan wants it: the last is moved back to end with the tokens.
        begin = node("Mul", node("Range", number(0), count, number(1)), size)
        begin = node("Min", begin, node("Sub", tokens, size))
        end = node("Add", begin, size)
        stops = node("Concat", node("Slice", starts, graph.vector(1), graph.vector(END)), node("Shape", owners), axis=0)
        first = node("Gather", starts, node("Gather", owners, begin))
        last = node("Gather", stops, node("Gather", owners, node("Sub", end, number(1))))
        self.ranges = tuple(graph.column(each) for each in (begin, end, first, last))
        # Rows that the moved last block shares with the one before it come out twice: where to cut.
        whole = node("Mul", node("Sub", count, number(1)), size)
        self.head = graph.row(whole)
        self.tail = graph.row(node("Sub", whole, tokens))
        self.alone = node("Equal", graph.length(starts), number(1))

    def attend(self, query: str, key: str, value: str) -> str:
        """As the Protocol says."""
        lone, many = self.graph.inside(), self.graph.inside()
        self._output(lone, self._fused(lone, query, key, value))
        self._output(many, self._blocks(many, query, key, value))
        return self.graph.node(
            "If", self.alone, then_branch=lone.graph("lone_text"), else_branch=many.graph("several_texts")
        )

    def _output(self, graph: GraphWriter, made: str) -> None:
        graph.output(graph.name("context"), made, ("tokens", self.heads.width))

    def _fused(self, graph: GraphWriter, query: str, key: str, value: str) -> str:
        rows = [graph.row(each) for each in (query, key, value)]
        context = graph.node("MultiHeadAttention", *rows, domain=MICROSOFT, num_heads=self.heads.count)
        return graph.node("Squeeze", context, graph.vector(0))

    def _blocks(self, graph: GraphWriter, query: str, key: str, value: str) -> str:
        q, k, v = _by_head(graph, self.heads, query, key, value)
        body = graph.inside()
        begin, end, first, last = (body.input(body.name(name), (1,)) for name in ("begin", "end", "first", "last"))
        queries = body.node("Slice", q, begin, end, body.vector(1))
        keys = body.node("Slice", k, first, last, body.vector(2))
        values = body.node("Slice", v, first, last, body.vector(1))
        ours = body.column(body.node("Slice", self.owners, begin, end))
        theirs = body.row(body.node("Slice", self.owners, first, last))
        attention = MaskedAttention(body, self.heads, body.node("Equal", ours, theirs))
        context = _weigh(body, queries, keys, values, attention.mask)
        context = body.node("Transpose", context, perm=[1, 0, 2])
        body.outputs.append(
            helper.make_tensor_value_info(context, TensorProto.FLOAT, (None, self.heads.count, self.heads.size))
        )
        stacked = graph.node("Scan", *self.ranges, body=body.graph("block"), num_scan_inputs=len(self.ranges))
        rows = graph.node("Reshape", stacked, graph.vector(-1, self.heads.width))
        zero = graph.vector(0)
        before = graph.node("Slice", rows, zero, self.head, zero)
        return graph.node("Concat", before, graph.node("Slice", rows, self.tail, graph.vector(END), zero), axis=0)


def _by_head(graph: GraphWriter, heads: Heads, query: str, key: str, value: str) -> tuple[str, str, str]:
    """Scaled queries [heads, queries, size], keys [heads, size, tokens], values [heads, tokens, size]."""

    def split(states: str, perm: list[int]) -> str:
        return graph.node(
            "Transpose", graph.node("Reshape", states, graph.vector(-1, heads.count, heads.size)), perm=perm
        )

    scaled = graph.node("Mul", split(query, [1, 0, 2]), graph.real(heads.size**-0.5))
    return scaled, split(key, [1, 2, 0]), split(value, [1, 0, 2])


def _weigh(graph: GraphWriter, query: str, key: str, value: str, mask: str) -> str:
    """Softmax(query key + mask) value: [heads, queries, size]."""
    scores = graph.node("Add", graph.node("MatMul", query, key), mask)
    return graph.node("MatMul", graph.node("Softmax", scores, axis=-1), value)


def _merge(graph: GraphWriter, heads: Heads, context: str) -> str:
    """[heads, queries, size] -> [queries, hidden]."""
    return graph.node("Reshape", graph.node("Transpose", context, perm=[1, 0, 2]), graph.vector(-1, heads.width))
