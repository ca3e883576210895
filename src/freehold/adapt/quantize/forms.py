"""The forms that a weight can take, over operators that ONNX Runtime has fast kernels for on a processor.

All hold weights symmetrically: as processors multiply unsigned by signed bytes, activations are the unsigned side.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from onnx import TensorProto

from freehold.adapt.checkpoint import Floats
from freehold.adapt.onnx_graph import MICROSOFT, GraphWriter
from freehold.adapt.quantize.stored import Stored, StoredMatrix
from freehold.adapt.quantize.units import Use
from freehold.adapt.weights import Array, BlockCodes, ChannelCodes, ChannelScales, Matrix, inverse_of

INT8_ACTIVATIONS = 4
"""MatMulNBits' accuracy level at which it may quantize activations to int8 too: its fast kernels need that."""
MIDDLE = 128
LEAST_SCALE = 1e-30


@dataclass(frozen=True)
class RowCodes:
    """A matrix [n, k] in int8 as it lies, with one scale a row."""

    rows: Matrix
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.int8)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, k]."""
        return self.rows.shape

    def blocks(self) -> Iterator[Array]:
        """Whole rows."""
        scales = np.concatenate(list(ChannelScales(self.rows).blocks()))
        inverse = inverse_of(scales)
        done = 0
        for values in self.rows.passes():
            yield np.rint(values * inverse[done : done + len(values), None]).astype(np.int8)
            done += len(values)


@dataclass
class Writing:
    """A graph being written in quantized form; activations that several weights multiply are quantized once."""

    graph: GraphWriter
    attributes: dict[str, Any] = field(default_factory=dict)  # of the node that is replaced now
    _prepared: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def once(self, form: str, states: str, prepare: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        """What `prepare` makes of `states` in `form`: made at the first call."""
        key = form, states
        if key not in self._prepared:
            self._prepared[key] = prepare()
        return self._prepared[key]


class Form(Protocol):
    """How a weight is held and multiplied; a table whose rows are looked up is written by `look_up` whatever its form.
    `name` goes into reports and manifests; `bits` are those of a weight."""

    @property
    def name(self) -> str: ...

    @property
    def bits(self) -> int: ...

    def write(self, writing: Writing, use: Use) -> str:
        """Add nodes that do what `use`, which is no lookup, does; the name of the tensor that they make."""
        ...


def add_bias(graph: GraphWriter, product: str, bias: str) -> str:
    """`product` with `bias` added, where there is one."""
    return graph.node("Add", product, bias) if bias else product


def look_up(graph: GraphWriter, use: Use) -> str:
    """Rows of a table in int8 with a scale a row, back in float."""
    codes, stem = RowCodes(use.weight), f"{use.weight.stored.name}.q8r"
    height = use.weight.shape[0]
    rows = graph.node("Gather", graph.external(stem, codes), use.states, axis=0)
    scales = graph.external(f"{stem}.scales", ChannelScales(use.weight), (height, 1))
    values = graph.node("Cast", rows, to=TensorProto.FLOAT)
    return graph.node("Mul", values, graph.node("Gather", scales, use.states, axis=0))


def convolve(writing: Writing, use: Use, activation: tuple[str, str, str]) -> str:
    """ConvInteger of quantized `activation` (values, zero point, scale) with an int8 kernel, a scale a channel."""
    graph, stored = writing.graph, use.weight.stored
    stem = f"{stored.name}.q8r"
    values, zero, scale = activation
    kernel = graph.external(stem, RowCodes(use.weight), stored.shape)
    product = graph.node("ConvInteger", values, kernel, zero, **writing.attributes)
    across = (1, stored.shape[0], *(1 for _ in stored.shape[2:]))
    scales = graph.external(f"{stem}.scales", ChannelScales(use.weight), across)
    floats = graph.node("Cast", product, to=TensorProto.FLOAT)
    scaled = graph.node("Mul", floats, graph.node("Mul", scales, scale))
    if not use.bias:
        return scaled
    shape = graph.vector(1, -1, *(1 for _ in stored.shape[2:]))
    return graph.node("Add", scaled, graph.node("Reshape", use.bias, shape))


def channels(graph: GraphWriter, name: str, weight: "StoredMatrix | Widened") -> tuple[str, str]:
    """Codes int8 [k, n] and scales [n] of a weight."""
    stem = f"{name}.q8c" if isinstance(weight, StoredMatrix) else f"{name}.q8w"
    return graph.external(stem, ChannelCodes(weight)), graph.external(f"{stem}.scales", ChannelScales(weight))


@dataclass(frozen=True)
class Dynamic:
    """int8 weights with a scale an output; activations in uint8 with one scale for the whole tensor, found at each run.

    The fastest, and what everybody means by dynamic quantization. A row's result depends a little on the rows beside
    it, since one scale serves them all.
    """

    name: ClassVar[str] = "dynamic"
    bits: ClassVar[int] = 8

    def write(self, writing: Writing, use: Use) -> str:
        """As the Protocol says."""
        graph = writing.graph
        values, scale, zero = writing.once(self.name, use.states, lambda: self._quantized(graph, use.states))
        if use.role == "convolution":
            return convolve(writing, use, (values, zero, scale))
        codes, scales = channels(graph, use.weight.stored.name, use.weight)
        inputs = [values, codes, scale, scales, zero]
        if use.bias_is_vector:
            return graph.node("MatMulIntegerToFloat", *inputs, "", use.bias, domain=MICROSOFT)
        return add_bias(graph, graph.node("MatMulIntegerToFloat", *inputs, domain=MICROSOFT), use.bias)

    @staticmethod
    def _quantized(graph: GraphWriter, states: str) -> tuple[str, ...]:
        made = [graph.name("quantized"), graph.name("scale"), graph.name("zero")]
        graph.node("DynamicQuantizeLinear", states, outputs=made)
        return tuple(made)


@dataclass(frozen=True)
class Norm:
    """A layer norm over the last dimension: what it reads, its constants [channels], and its epsilon."""

    states: str
    scale: Floats
    shift: Floats
    epsilon: float


@dataclass(frozen=True)
class RowSetting:
    """How rows of one tensor are quantized: `zero` is the code of 0, 1 to 254. With `divisors` [channels] the tensor is
    made again by its `norm`, divided by them, and the weights that it meets are multiplied by them."""

    zero: int = MIDDLE
    norm: Norm | None = None
    divisors: Floats | None = None


@dataclass(frozen=True)
class Widened:
    """A matrix [n, k] with its columns multiplied by `factors` [k]: the other side of a smoothed activation."""

    rows: StoredMatrix
    factors: Floats = field(compare=False)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, k]."""
        return self.rows.shape

    def passes(self) -> Iterator[Floats]:
        """Pieces of whole rows."""
        for values in self.rows.passes():
            yield values * self.factors

    def slabs(self) -> Iterator[Floats]:
        """Blocks of whole columns."""
        done = 0
        for values in self.rows.slabs():
            yield values * self.factors[done : done + values.shape[1]]
            done += values.shape[1]


@dataclass(frozen=True)
class ByRow:
    """int8 weights with a scale an output; activations in uint8 with a scale for each row (of a convolution: each
    sample), found at each run. No row's result depends on the rows beside it.

    `settings`, from a calibration, are by the names of the tensors that products read; without one the codes of a
    tensor lie evenly around 0.
    """

    settings: Mapping[str, RowSetting] = field(default_factory=dict, compare=False)
    name: ClassVar[str] = "by-row"
    bits: ClassVar[int] = 8

    def write(self, writing: Writing, use: Use) -> str:
        """As the Protocol says."""
        graph = writing.graph
        if use.role == "convolution":
            axes = range(1, len(use.weight.stored.shape))
            values, scale = writing.once(self.name, use.states, lambda: quantized(graph, use.states, axes, MIDDLE))
            return convolve(writing, use, (values, graph.constant(MIDDLE, np.uint8), scale))
        setting = self.settings.get(use.states, RowSetting())
        values, scale = writing.once(self.name, use.states, lambda: self._rows(graph, use.states, setting))
        weight = use.weight if setting.divisors is None else Widened(use.weight, setting.divisors)
        codes, scales = channels(graph, use.weight.stored.name, weight)
        inputs = [values, codes, graph.real(1.0), scales, graph.constant(setting.zero, np.uint8)]
        product = graph.node("MatMulIntegerToFloat", *inputs, domain=MICROSOFT)
        return add_bias(graph, graph.node("Mul", product, scale), use.bias)

    @staticmethod
    def _rows(graph: GraphWriter, states: str, setting: RowSetting) -> tuple[str, ...]:
        norm = setting.norm
        if norm is not None and setting.divisors is not None:
            constants = [graph.constant(each / setting.divisors, np.float32) for each in (norm.scale, norm.shift)]
            states = graph.node("LayerNormalization", norm.states, *constants, epsilon=norm.epsilon)
        return quantized(graph, states, (-1,), setting.zero)


def quantized(graph: GraphWriter, states: str, axes: Iterable[int], zero: int) -> tuple[str, ...]:
    """uint8 values around `zero`, and their float scales, each the smallest that covers both ends of the values along
    `axes`."""
    along = graph.vector(*axes)
    above = graph.node("Mul", graph.node("ReduceMax", states, along, keepdims=1), graph.real(1 / (255 - zero)))
    below = graph.node("Mul", graph.node("ReduceMin", states, along, keepdims=1), graph.real(-1 / zero))
    scale = graph.node("Max", above, below, graph.real(LEAST_SCALE))
    middle = graph.constant(zero, np.uint8)
    return graph.node("QuantizeLinear", graph.node("Div", states, scale), graph.real(1.0), middle), scale


@dataclass(frozen=True)
class Blocks:
    """Weights in `bits` with a scale for each `size` values of a row; activations in int8 by the same blocks
    (MatMulNBits). Convolutions have no such operator, and tables are held in 8 bits where no product shares them."""

    bits: int
    size: int

    @property
    def name(self) -> str:
        """ "nbits4", "nbits8"."""
        return f"nbits{self.bits}"

    def write(self, writing: Writing, use: Use) -> str:
        """As the Protocol says; a convolution is written in `ByRow`'s form."""
        if use.role == "convolution":
            return ByRow().write(writing, use)
        graph, weight = writing.graph, use.weight
        height, width = weight.shape
        codes, stem = BlockCodes(weight, self.bits, self.size), f"{weight.stored.name}.q{self.bits}b{self.size}"
        parts = [graph.external(stem, codes), graph.external(f"{stem}.scales", codes.scales)]
        sizes: dict[str, Any] = {"N": height, "K": width, "bits": self.bits, "block_size": self.size}
        product = graph.node(
            "MatMulNBits", use.states, *parts, domain=MICROSOFT, accuracy_level=INT8_ACTIVATIONS, **sizes
        )
        return add_bias(graph, product, use.bias)


@dataclass(frozen=True)
class Range:
    """The values that an activation was seen to take; 0 is among them."""

    lowest: float
    highest: float

    @property
    def scale(self) -> float:
        """Of a uint8 code."""
        return max((self.highest - self.lowest) / 255, LEAST_SCALE)

    @property
    def zero(self) -> int:
        """The code of 0."""
        return int(np.clip(round(-self.lowest / self.scale), 0, 255))


@dataclass(frozen=True)
class Static:
    """Weights in int8 and activations in uint8 with scales from a calibration, as pairs of QuantizeLinear and
    DequantizeLinear, which every runtime reads. `ranges` are those of the tensors that products and convolutions read
    and make, by name."""

    ranges: Mapping[str, Range] = field(compare=False)
    name: ClassVar[str] = "static"
    bits: ClassVar[int] = 8

    def write(self, writing: Writing, use: Use) -> str:
        """As the Protocol says."""
        graph, stored = writing.graph, use.weight.stored
        states = writing.once(self.name, use.states, lambda: (self._rounded(graph, use.states, use.states),))[0]
        axis = 1 if use.weight.turned else 0
        kernel = self._dequantized(graph, use.weight, stored, axis)
        if use.role == "convolution":
            made = graph.node("Conv", states, kernel, *([use.bias] if use.bias else []), **writing.attributes)
            return self._rounded(graph, made, use.output)
        if axis == 1:
            return add_bias(graph, graph.node("MatMul", states, kernel), use.bias)
        return graph.node("Gemm", states, kernel, *([use.bias] if use.bias else []), transB=1)

    def _rounded(self, graph: GraphWriter, states: str, measured: str) -> str:
        """`states` through uint8 codes of the range that was seen of the tensor `measured`."""
        seen = self.ranges[measured]
        scale, zero = graph.real(seen.scale), graph.constant(seen.zero, np.uint8)
        return graph.node("DequantizeLinear", graph.node("QuantizeLinear", states, scale, zero), scale, zero)

    @staticmethod
    def _dequantized(graph: GraphWriter, weight: StoredMatrix, stored: Stored, axis: int) -> str:
        if axis == 1:
            codes, scales = channels(graph, stored.name, weight)
        else:
            stem = f"{stored.name}.q8r"
            codes = graph.external(stem, RowCodes(weight), stored.shape)
            scales = graph.external(f"{stem}.scales", ChannelScales(weight))
        zeros = graph.constant(np.zeros(weight.shape[0]), np.int8)
        return graph.node("DequantizeLinear", codes, scales, zeros, axis=axis)
