"""Matrix products of a decoder in each precision, over the operators that ONNX Runtime has fast kernels for.

Each multiplies every row by itself: no row's result depends on the rows beside it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from freehold.adapt.onnx_graph import MICROSOFT, GraphWriter
from freehold.adapt.weights import BlockCodes, ChannelCodes, Rows

# ONNX Runtime multiplies block-quantized weights fast only when it may quantize the activations to int8 as well.
INT8_ACTIVATIONS = 4
# The least scale of a row: a row of zeros is divided by it, and stays zeros.
LEAST_SCALE = 1e-30


class Linear(Protocol):
    """x W^T + b."""

    def multiply(self, graph: GraphWriter, states: str, name: str, weight: Rows, bias: Rows | None = None) -> str:
        """[rows, k] -> [rows, n] by `weight` [n, k], which is placed under `name`, and `bias` [n]."""
        ...


@dataclass(frozen=True)
class Float:
    """float32 weights as they lie in the checkpoint."""

    def multiply(self, graph: GraphWriter, states: str, name: str, weight: Rows, bias: Rows | None = None) -> str:
        """One Gemm."""
        return graph.node("Gemm", states, graph.external(name, weight), *_bias(graph, name, bias), transB=1)


@dataclass(frozen=True)
class Blockwise:
    """Weights in `bits` a value with a scale for each block of `size`; activations in int8 by the same blocks."""

    bits: int
    size: int

    def codes(self, weight: Rows) -> BlockCodes:
        """The quantized form of `weight`."""
        return BlockCodes(weight, self.bits, self.size)

    def names(self, name: str) -> tuple[str, str]:
        """Of codes and scales in the data file: several forms of one weight may lie in it."""
        stem = f"{name}.q{self.bits}b{self.size}"
        return stem, f"{stem}.scales"

    def multiply(self, graph: GraphWriter, states: str, name: str, weight: Rows, bias: Rows | None = None) -> str:
        """One MatMulNBits."""
        codes, (codes_name, scales_name) = self.codes(weight), self.names(name)
        height, width = weight.shape
        parts = [graph.external(codes_name, codes), graph.external(scales_name, codes.scales)]
        if bias is not None:
            parts += ["", "", *_bias(graph, name, bias)]
        sizes: dict[str, Any] = {"N": height, "K": width, "bits": self.bits, "block_size": self.size}
        return graph.node("MatMulNBits", states, *parts, domain=MICROSOFT, accuracy_level=INT8_ACTIVATIONS, **sizes)

    def lookup(self, graph: GraphWriter, name: str, weight: Rows, ids: str) -> str:
        """Rows of `weight` by index: [n] -> [n, k]. The width must be a multiple of the block.

        The codes are those that `multiply` takes under the same name, seen in another shape: one copy serves both.
        """
        codes, (codes_name, scales_name) = self.codes(weight), self.names(name)
        height, width = weight.shape
        table = graph.external(codes_name, codes, (height, width * self.bits // 8))
        scales = graph.external(scales_name, codes.scales)
        sizes: dict[str, Any] = {"bits": self.bits, "block_size": self.size, "gather_axis": 0, "quantize_axis": 1}
        return graph.node("GatherBlockQuantized", table, ids, scales, domain=MICROSOFT, **sizes)


@dataclass(frozen=True)
class RowQuantized:
    """int8 weights with a scale for each output; activations in uint8 around 128, with a scale for each row.

    ONNX Runtime's own dynamic quantization has one scale for the whole batch, with which a row's result depends on
    its neighbours; made of single operators, a scale a row costs nothing that could be measured. Activations are
    unsigned since the processor's dot product is of unsigned by signed bytes: with signed ones the same product took
    15 times as long.
    """

    def multiply(self, graph: GraphWriter, states: str, name: str, weight: Rows, bias: Rows | None = None) -> str:
        """One MatMulIntegerToFloat and what prepares it."""
        codes, stem = ChannelCodes(weight), f"{name}.q8c"
        largest = graph.node("ReduceMax", graph.node("Abs", states), graph.vector(1), keepdims=1)
        scale = graph.node("Max", graph.node("Mul", largest, graph.real(1 / 127)), graph.real(LEAST_SCALE))
        middle = graph.constant(128, np.uint8)
        quantized = graph.node("QuantizeLinear", graph.node("Div", states, scale), graph.real(1.0), middle)
        product = graph.node(
            "MatMulIntegerToFloat",
            quantized,
            graph.external(stem, codes),
            graph.real(1.0),
            graph.external(f"{stem}.scales", codes.scales),
            middle,
            domain=MICROSOFT,
        )
        product = graph.node("Mul", product, scale)
        for added in _bias(graph, name, bias):
            product = graph.node("Add", product, added)
        return product


def _bias(graph: GraphWriter, name: str, bias: Rows | None) -> list[str]:
    return [] if bias is None else [graph.external(f"{name}.bias", bias)]
