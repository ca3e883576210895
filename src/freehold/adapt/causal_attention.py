"""Causal attention inside each text of a packed batch: a token sees its own text up to itself.

Queries are [tokens, heads * size], keys and values [tokens, groups * size]: each key-value head serves a group of query
heads, as in Ainslie et al. (arXiv:2305.13245). What a token sees is one range of tokens, from its text's first or, with
a sliding window (Beltagy et al., arXiv:2004.05150), from `window` tokens back.
"""

from dataclasses import dataclass
from typing import NamedTuple

from freehold.adapt.attention import Blocks, Projected, Turns, additive, give, weigh
from freehold.adapt.onnx_graph import GraphWriter


@dataclass(frozen=True)
class GroupedHeads:
    """How hidden states split: `count` query heads over `groups` key-value heads, each of `size` elements."""

    count: int
    groups: int
    size: int

    @property
    def width(self) -> int:
        """Elements of all query heads."""
        return self.count * self.size

    @property
    def shared_width(self) -> int:
        """Elements of all key-value heads."""
        return self.groups * self.size


class Reach(NamedTuple):
    """What tokens see: of each, its own index and the first index that it sees, [tokens] both."""

    own: str
    first: str

    @classmethod
    def back(cls, graph: GraphWriter, owners: str, starts: str, window: int) -> "Reach":
        """To the text's first token, `window` tokens at most (0: all), itself included."""
        index = graph.node("Range", graph.number(0), graph.length(owners), graph.number(1))
        first = graph.node("Gather", starts, owners)
        if window:
            first = graph.node("Max", first, graph.node("Sub", index, graph.number(window - 1)))
        return cls(index, first)

    def of(self, graph: GraphWriter, tokens: str) -> "Reach":
        """Of some tokens alone, by their index."""
        return Reach(tokens, graph.node("Gather", self.first, tokens))

    def cut(self, graph: GraphWriter, begin: str, end: str) -> "Reach":
        """Of the tokens from `begin` to before `end`, [1] both."""
        return Reach(graph.node("Slice", self.own, begin, end), graph.node("Slice", self.first, begin, end))

    def sees(self, graph: GraphWriter, index: str) -> str:
        """Whether these tokens see those at `index`: bool [ours, theirs]."""
        theirs = graph.row(index)
        after = graph.node("GreaterOrEqual", theirs, graph.column(self.first))
        return graph.node("And", after, graph.node("LessOrEqual", theirs, graph.column(self.own)))


class CausalMasked:
    """Every query against every key under one mask, in standard operators."""

    def __init__(self, graph: GraphWriter, heads: GroupedHeads, queries: Reach, keys: Reach) -> None:
        self.graph, self.heads, self.mask = graph, heads, additive(graph, queries.sees(graph, keys.own))

    def attend(self, states: Projected) -> str:
        """The context of each query: [queries, heads * size]."""
        return _masked(self.graph, self.heads, states, self.mask)


class CausalBlocks:
    """For ONNX Runtime: one mask while tokens are few, beyond that blocks of queries.

    A block meets the keys from the first that its first query sees to its own last: half of them in a long text, and
    never a score for what lies behind it.
    """

    def __init__(self, graph: GraphWriter, heads: GroupedHeads, reach: Reach, turns: Turns) -> None:
        self.graph, self.heads, self.reach = graph, heads, reach
        tokens = graph.length(reach.own)
        self.few = graph.node("LessOrEqual", tokens, graph.number(turns.few))
        # Read by the branch for few tokens alone, and for few tokens it is whole.
        clipped = reach.cut(graph, graph.vector(0), graph.vector(turns.few))
        self.mask = additive(graph, clipped.sees(graph, clipped.own))
        self.blocks = blocks = Blocks(graph, tokens, turns.block)
        first = graph.node("Gather", reach.first, blocks.begin)
        self.ranges = tuple(graph.column(each) for each in (blocks.begin, blocks.end, first))

    def attend(self, states: Projected) -> str:
        """The context of each token: [tokens, heads * size]."""
        few, many = self.graph.inside(), self.graph.inside()
        give(few, _masked(few, self.heads, states, self.mask), self.heads.width)
        give(many, self._in_blocks(many, states), self.heads.width)
        return self.graph.choose(self.few, few, many)

    def _in_blocks(self, graph: GraphWriter, states: Projected) -> str:
        q, k, v = _by_group(graph, self.heads, states)

        def block(body: GraphWriter, begin: str, end: str, first: str) -> str:
            queries = body.node("Slice", q, begin, end, body.vector(2))
            keys = body.node("Slice", k, first, end, body.vector(3))
            values = body.node("Slice", v, first, end, body.vector(2))
            seen = body.node("Slice", self.reach.own, first, end)
            mask = additive(body, self.reach.cut(body, begin, end).sees(body, seen))
            context = weigh(body, Projected(queries, keys, values), mask)
            return _by_token(body, self.heads, context)

        return self.blocks.scan(graph, self.ranges, (self.heads.width,), block)


def _masked(graph: GraphWriter, heads: GroupedHeads, states: Projected, mask: str) -> str:
    return _by_token(graph, heads, weigh(graph, _by_group(graph, heads, states), mask))


def _by_group(graph: GraphWriter, heads: GroupedHeads, states: Projected) -> Projected:
    """Scaled queries [groups, heads a group, queries, size], keys [groups, 1, size, tokens], values [groups, 1, tokens,
    size]: products spread keys and values over their group without a copy."""

    def split(each: str, members: int, perm: list[int]) -> str:
        parts = graph.node("Reshape", each, graph.vector(-1, heads.groups, members, heads.size))
        return graph.node("Transpose", parts, perm=perm)

    scaled = graph.node("Mul", states.query, graph.real(heads.size**-0.5))
    return Projected(
        split(scaled, heads.count // heads.groups, [1, 2, 0, 3]),
        split(states.key, 1, [1, 2, 3, 0]),
        split(states.value, 1, [1, 2, 0, 3]),
    )


def _by_token(graph: GraphWriter, heads: GroupedHeads, context: str) -> str:
    """[groups, heads a group, queries, size] -> [queries, heads * size]."""
    rows = graph.node("Transpose", context, perm=[2, 0, 1, 3])
    return graph.node("Reshape", rows, graph.vector(-1, heads.width))
