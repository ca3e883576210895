"""Attention inside each text of a packed batch, in two forms of one function.

Queries, keys and values are [tokens, hidden]; `owners` [tokens] says to which text a token belongs, `starts` [texts]
where each text begins. Softmax(Q K^T / sqrt(head_size)) V: Vaswani et al. (arXiv:1706.03762).
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from onnx import TensorProto, helper

from freehold.adapt.onnx_graph import MICROSOFT, GraphWriter

END = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Turns:
    """Where `BranchedAttention` turns from one form to the next, in tokens."""

    few: int  # up to here several texts go under one mask
    block: int  # queries a block beyond that


# Measured with one thread and AVX-512 on MiniLM and on bge-small-zh's shape: at 128 tokens one masked product makes the
# whole model 2 % faster than blocks, at 256 blocks win by up to 3 %, at 512 by 20 %. Blocks of 32, 48 and 64 queries
# are equally fast, 128 is slower. The fused kernel is level with the masked product at 100 tokens, ahead from 256 on.
CPU = Turns(few=192, block=64)
# Measured on an H100 in float32, 3 layers of MiniLM's width: level with one masked product up to 2,000 tokens; at 8,000
# three times as fast with a fifth of the memory, at 16,000 six times with a twentieth. Smaller blocks are slower.
CUDA = Turns(few=2048, block=1024)


@dataclass(frozen=True)
class Heads:
    """How hidden states split."""

    count: int
    size: int

    @property
    def width(self) -> int:
        """Elements of all heads."""
        return self.count * self.size


class Projected(NamedTuple):
    """What the three projections of a layer gave: [queries, hidden], [tokens, hidden], [tokens, hidden]."""

    query: str
    key: str
    value: str


class Attention(Protocol):
    """Adds attention to a graph."""

    def attend(self, states: Projected) -> str:
        """The context of each query: [queries, hidden]."""
        ...


class MaskedAttention:
    """Every query against every key under a mask, in standard operators; scores are heads * queries * tokens floats."""

    def __init__(self, graph: GraphWriter, heads: Heads, member: str) -> None:
        """`member` is bool [queries, tokens]: true within a text."""
        self.graph, self.heads, self.mask = graph, heads, _mask(graph, member)

    def attend(self, states: Projected) -> str:
        """As the Protocol says."""
        return _masked(self.graph, self.heads, states, self.mask)


class BranchedAttention:
    """For ONNX Runtime: takes at each run what is fastest there, and never holds a large score matrix.

    A lone text takes the runtime's fused kernel (com.microsoft.MultiHeadAttention without a mask), which keeps no
    scores at all. Several go under a mask while they are few tokens, and beyond that in blocks of queries, each of
    which meets only the keys from the first of its texts to the last, a contiguous range.
    """

    def __init__(self, graph: GraphWriter, heads: Heads, owners: str, starts: str, turns: Turns) -> None:
        self.graph, self.heads, self.owners, self.turns = graph, heads, owners, turns
        tokens = graph.length(owners)
        self.lone = graph.node("Equal", graph.length(starts), graph.number(1))
        self.few = graph.node("LessOrEqual", tokens, graph.number(turns.few))
        # Read by the branch for few tokens alone, and for few tokens it is whole.
        clipped = graph.node("Slice", owners, graph.vector(0), graph.vector(turns.few))
        self.mask = _mask(graph, same_text(graph, clipped, clipped))
        self._lay_blocks(tokens, starts)

    def _lay_blocks(self, tokens: str, starts: str) -> None:
        """Where each block of queries begins and ends, and where its keys do: [blocks, 1] each."""
        graph, owners = self.graph, self.owners
        node, number = graph.node, graph.number
        size = node("Min", tokens, number(self.turns.block))
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
        self.head, self.tail = graph.row(whole), graph.row(node("Sub", whole, tokens))

    def attend(self, states: Projected) -> str:
        """As the Protocol says."""
        lone, several = self.graph.inside(), self.graph.inside()
        few, many = several.inside(), several.inside()
        self._yield(lone, self._fused(lone, states))
        self._yield(few, _masked(few, self.heads, states, self.mask))
        self._yield(many, self._in_blocks(many, states))
        self._yield(several, several.choose(self.few, few, many))
        return self.graph.choose(self.lone, lone, several)

    def _yield(self, branch: GraphWriter, context: str) -> None:
        branch.output(branch.name("context"), context, ("tokens", self.heads.width))

    def _fused(self, graph: GraphWriter, states: Projected) -> str:
        rows = [graph.row(each) for each in states]
        context = graph.node("MultiHeadAttention", *rows, domain=MICROSOFT, num_heads=self.heads.count)
        return graph.node("Squeeze", context, graph.vector(0))

    def _in_blocks(self, graph: GraphWriter, states: Projected) -> str:
        q, k, v = _by_head(graph, self.heads, states)
        body = graph.inside()
        begin, end, first, last = (body.input(body.name(name), (1,)) for name in ("begin", "end", "first", "last"))
        queries = body.node("Slice", q, begin, end, body.vector(1))
        keys = body.node("Slice", k, first, last, body.vector(2))
        values = body.node("Slice", v, first, last, body.vector(1))
        ours = body.node("Slice", self.owners, begin, end)
        theirs = body.node("Slice", self.owners, first, last)
        context = _weigh(body, Projected(queries, keys, values), _mask(body, same_text(body, ours, theirs)))
        context = body.node("Transpose", context, perm=[1, 0, 2])
        shape = (None, self.heads.count, self.heads.size)
        body.outputs.append(helper.make_tensor_value_info(context, TensorProto.FLOAT, shape))
        stacked = graph.node("Scan", *self.ranges, body=body.graph("block"), num_scan_inputs=len(self.ranges))
        rows = graph.node("Reshape", stacked, graph.vector(-1, self.heads.width))
        zero = graph.vector(0)
        before = graph.node("Slice", rows, zero, self.head, zero)
        return graph.node("Concat", before, graph.node("Slice", rows, self.tail, graph.vector(END), zero), axis=0)


def same_text(graph: GraphWriter, ours: str, theirs: str) -> str:
    """Which tokens are of one text: bool [ours, theirs]."""
    return graph.node("Equal", graph.column(ours), graph.row(theirs))


def _mask(graph: GraphWriter, member: str) -> str:
    """What to add to scores: 0 within a text, the lowest float elsewhere, whose share is exactly 0."""
    return graph.node("Where", member, graph.real(0.0), graph.real(float(np.finfo(np.float32).min)))


def _masked(graph: GraphWriter, heads: Heads, states: Projected, mask: str) -> str:
    context = _weigh(graph, _by_head(graph, heads, states), mask)
    return graph.node("Reshape", graph.node("Transpose", context, perm=[1, 0, 2]), graph.vector(-1, heads.width))


def _by_head(graph: GraphWriter, heads: Heads, states: Projected) -> Projected:
    """Scaled queries [heads, queries, size], keys [heads, size, tokens], values [heads, tokens, size]."""

    def split(each: str, perm: list[int]) -> str:
        return graph.node(
            "Transpose", graph.node("Reshape", each, graph.vector(-1, heads.count, heads.size)), perm=perm
        )

    scaled = graph.node("Mul", split(states.query, [1, 0, 2]), graph.real(heads.size**-0.5))
    return Projected(scaled, split(states.key, [1, 2, 0]), split(states.value, [1, 0, 2]))


def _weigh(graph: GraphWriter, states: Projected, mask: str) -> str:
    """Softmax(query key + mask) value, of what `_by_head` made: [heads, queries, size]."""
    scores = graph.node("Add", graph.node("MatMul", states.query, states.key), mask)
    return graph.node("MatMul", graph.node("Softmax", scores, axis=-1), states.value)
