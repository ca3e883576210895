"""Huffman coding of header strings, the reading half. Source: RFC 7541, section 5.2 and appendix B.

The code is canonical: the lengths below are all that it takes to know it.
"""

from functools import cache

# of the codes of bytes 0 to 255, and of EOS, in bits
_LENGTHS = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b08060606050505060606"
    "0606060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e060f0506050605060606050707"
    "0606060506070605050607070707070f0b0e0d1c14161414161616171617171717171817181816171817171717151617161717181615"
    "1416161717151716161815161717151516151716171714161616171616171a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b18"
    "15151a1a1c1b1b1b14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)
_EOS = 256

Step = tuple[int, int]
"""The node that four bits lead to, and the byte that ended on the way; -1: none did."""


class HuffmanError(ValueError):
    """A string that is no Huffman code: it holds EOS, or ends within a byte's code."""


def decode(data: bytes) -> bytes:
    """The string that `data` encodes. Raises HuffmanError."""
    steps, endings = _machine()
    out = bytearray()
    node = 0
    for byte in data:
        for nibble in (byte >> 4, byte & 15):
            node, symbol = steps[node][nibble]
            if symbol >= 0:
                out.append(symbol)
            if node < 0:
                raise HuffmanError("EOS within a string")
    if node not in endings:
        raise HuffmanError("it ends within a code")
    return bytes(out)


@cache
def _machine() -> tuple[list[list[Step]], frozenset[int]]:
    """For each node of the code's tree, the step for each four bits; and the nodes at which a string may end: up to
    seven ones behind the last code."""
    tree = _tree()
    ends, node = {0}, 0
    for _ in range(7):
        node = tree[node][1]
        ends.add(node)
    return [[_walk(tree, node, nibble) for nibble in range(16)] for node in range(len(tree))], frozenset(ends)


def _tree() -> list[list[int]]:
    """Nodes with two children each: another node, or ~symbol."""
    tree = [[0, 0]]
    code, before = 0, 0
    for symbol in sorted(range(len(_LENGTHS)), key=lambda one: (_LENGTHS[one], one)):
        length = _LENGTHS[symbol]
        code <<= length - before
        node = 0
        for place in range(length - 1, 0, -1):
            bit = code >> place & 1
            if not tree[node][bit]:
                tree[node][bit] = len(tree)
                tree.append([0, 0])
            node = tree[node][bit]
        tree[node][code & 1] = ~symbol
        code, before = code + 1, length
    return tree


def _walk(tree: list[list[int]], node: int, nibble: int) -> Step:
    symbol = -1
    for place in (3, 2, 1, 0):
        node = tree[node][nibble >> place & 1]
        if node < 0:
            symbol, node = ~node, 0
            if symbol == _EOS:
                return -1, -1
    return node, symbol
