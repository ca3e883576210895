"""Attention inside each text of a packed batch, in two forms of one function.

Queries, keys and values are [tokens, hidden]; `owners` [tokens] says to which text a token belongs, `starts` [texts]
where each text begins. Softmax(Q K^T / sqrt(head_size)) V: Vaswani et al. (arXiv:1706.03762).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from onnx import TensorProto, helper

from freehold.adapt.onnx_graph import MICROSOFT, GraphWriter

END = np.iinfo(np.int64).max
Body = Callable[..., str]
"""Writes what one block computes: (writer, its end of each range...) -> the name of its rows."""


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
        self.graph, self.heads, self.mask = graph, heads, additive(graph, member)

    def attend(self, states: Projected) -> str:
        """As the Protocol says."""
        return _masked(self.graph, self.heads, states, self.mask)


class Blocks:
    """Queries in blocks of one size, as a scan wants it: the last is moved back to end with the tokens."""

    def __init__(self, graph: GraphWriter, tokens: str, most: int) -> None:
        """`tokens` says how many queries there are, a scalar; a block has `most` of them, or all where they are
        fewer."""
        node, number = graph.node, graph.number
        size = node("Min", tokens, number(most))
        count = node("Div", node("Sub", node("Add", tokens, size), number(1)), size)
        begin = node("Mul", node("Range", number(0), count, number(1)), size)
        self.begin = node("Min", begin, node("Sub", tokens, size))  # [blocks]
        self.end = node("Add", self.begin, size)  # [blocks]
        # Rows that the moved last block shares with the one before it come out twice: where to cut.
        whole = node("Mul", node("Sub", count, number(1)), size)
        self._head, self._tail = graph.row(whole), graph.row(node("Sub", whole, tokens))

    def scan(self, graph: GraphWriter, ranges: Sequence[str], shape: tuple[int, ...], body: Body) -> str:
        """Run `body` on each block and put its rows together: [tokens, product of shape].

        `ranges` are [blocks, 1] each; `body` gets a writer and, for its block, one [1] of each, and returns
        [queries, *shape].
        """
        inside = graph.inside()
        given = [inside.input(inside.name("range"), (1,)) for _ in ranges]
        made = body(inside, *given)
        inside.outputs.append(helper.make_tensor_value_info(made, TensorProto.FLOAT, (None, *shape)))
        stacked = graph.node("Scan", *ranges, body=inside.graph("block"), num_scan_inputs=len(ranges))
        rows = graph.node("Reshape", stacked, graph.vector(-1, int(np.prod(shape))))
        zero = graph.vector(0)
        before = graph.node("Slice", rows, zero, self._head, zero)
        return graph.node("Concat", before, graph.node("Slice", rows, self._tail, graph.vector(END), zero), axis=0)


class BranchedAttention:
    """For ONNX Runtime: takes at each run what is fastest there, and never holds a large score matrix.

    A lone text takes the runtime's fused kernel (com.microsoft.MultiHeadAttention without a mask), which keeps no
    scores at all. Several go under a mask while they are few tokens, and beyond that in blocks of queries, each of
    which meets only the keys from the first of its texts to the last, a contiguous range.
    """

    def __init__(self, graph: GraphWriter, heads: Heads, owners: str, starts: str, turns: Turns) -> None:
        self.graph, self.heads, self.owners = graph, heads, owners
        tokens = graph.length(owners)
        self.lone = graph.node("Equal", graph.length(starts), graph.number(1))
        self.few = graph.node("LessOrEqual", tokens, graph.number(turns.few))
        # Read by the branch for few tokens alone, and for few tokens it is whole.
        clipped = graph.node("Slice", owners, graph.vector(0), graph.vector(turns.few))
        self.mask = additive(graph, same_text(graph, clipped, clipped))
        self.blocks = blocks = Blocks(graph, tokens, turns.block)
        last = graph.node("Sub", blocks.end, graph.number(1))
        first = graph.node("Gather", starts, graph.node("Gather", owners, blocks.begin))
        stop = graph.node("Gather", stops(graph, starts, owners), graph.node("Gather", owners, last))
        self.ranges = tuple(graph.column(each) for each in (blocks.begin, blocks.end, first, stop))

    def attend(self, states: Projected) -> str:
        """As the Protocol says."""
        lone, several = self.graph.inside(), self.graph.inside()
        few, many = several.inside(), several.inside()
        width = self.heads.width
        give(lone, self._fused(lone, states), width)
        give(few, _masked(few, self.heads, states, self.mask), width)
        give(many, self._in_blocks(many, states), width)
        give(several, several.choose(self.few, few, many), width)
        return self.graph.choose(self.lone, lone, several)

    def _fused(self, graph: GraphWriter, states: Projected) -> str:
        rows = [graph.row(each) for each in states]
        context = graph.node("MultiHeadAttention", *rows, domain=MICROSOFT, num_heads=self.heads.count)
        return graph.node("Squeeze", context, graph.vector(0))

    def _in_blocks(self, graph: GraphWriter, states: Projected) -> str:
        q, k, v = _by_head(graph, self.heads, states)

        def block(body: GraphWriter, begin: str, end: str, first: str, stop: str) -> str:
            queries = body.node("Slice", q, begin, end, body.vector(1))
            keys = body.node("Slice", k, first, stop, body.vector(2))
            values = body.node("Slice", v, first, stop, body.vector(1))
            ours = body.node("Slice", self.owners, begin, end)
            theirs = body.node("Slice", self.owners, first, stop)
            mask = additive(body, same_text(body, ours, theirs))
            return body.node("Transpose", weigh(body, Projected(queries, keys, values), mask), perm=[1, 0, 2])

        return self.blocks.scan(graph, self.ranges, (self.heads.count, self.heads.size), block)


def give(branch: GraphWriter, context: str, width: int) -> None:
    """Make `context` [tokens, width] the output of a branch."""
    branch.output(branch.name("context"), context, ("tokens", width))


def stops(graph: GraphWriter, starts: str, owners: str) -> str:
    """Where each text ends: [texts], one past its last token."""
    later = graph.node("Slice", starts, graph.vector(1), graph.vector(END))
    return graph.node("Concat", later, graph.node("Shape", owners), axis=0)


def same_text(graph: GraphWriter, ours: str, theirs: str) -> str:
    """Which tokens are of one text: bool [ours, theirs]."""
    return graph.node("Equal", graph.column(ours), graph.row(theirs))


def additive(graph: GraphWriter, member: str) -> str:
    """What to add to scores: 0 where `member` is true, the lowest float elsewhere, whose share is exactly 0."""
    return graph.node("Where", member, graph.real(0.0), graph.real(float(np.finfo(np.float32).min)))


def _masked(graph: GraphWriter, heads: Heads, states: Projected, mask: str) -> str:
    context = weigh(graph, _by_head(graph, heads, states), mask)
    return graph.node("Reshape", graph.node("Transpose", context, perm=[1, 0, 2]), graph.vector(-1, heads.width))


def _by_head(graph: GraphWriter, heads: Heads, states: Projected) -> Projected:
    """Scaled queries [heads, queries, size], keys [heads, size, tokens], values [heads, tokens, size]."""

    def split(each: str, perm: list[int]) -> str:
        return graph.node(
            "Transpose", graph.node("Reshape", each, graph.vector(-1, heads.count, heads.size)), perm=perm
        )

    scaled = graph.node("Mul", split(states.query, [1, 0, 2]), graph.real(heads.size**-0.5))
    return Projected(scaled, split(states.key, [1, 2, 0]), split(states.value, [1, 0, 2]))


def weigh(graph: GraphWriter, states: Projected, mask: str) -> str:
    """Softmax(query key + mask) value: [..., queries, size] of [..., queries, size], [..., size, tokens] and
    [..., tokens, size]."""
    scores = graph.node("Add", graph.node("MatMul", states.query, states.key), mask)
    return graph.node("MatMul", graph.node("Softmax", scores, axis=-1), states.value)
