"""What activations are like, seen while a float graph runs over calibration examples, and what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from freehold.adapt.checkpoint import Floats
from freehold.adapt.quantize.forms import Norm, Range, RowSetting
from freehold.adapt.quantize.units import FloatGraph, Use
from freehold.engine.providers import Feeds, SessionOptions
from freehold.engine.session import OnnxSession

CUT = 0.00005
"""The share of values on either side that a range leaves out: a few outliers would cost all others their precision."""
SMOOTHING = 0.65
"""How much of the spread of channels goes into the weights: 0 nothing, 1 all of it. Measured on MiniLM, 0.5 to 0.75 are
nearly alike (docs/decisions/minilm-int8.md)."""
ZEROS = range(8, 248, 8)
LEAST_PEAK = 1e-3


@dataclass
class Activation:
    """Of one tensor: the `range` of its values, the ends of every row, and each channel's largest magnitude in every
    feed."""

    range: Range = field(default_factory=lambda: Range(0.0, 0.0))
    ends: list[Floats] = field(default_factory=list)  # [rows, 2] a feed: the lowest, the highest
    peaks: list[Floats] = field(default_factory=list)  # [channels] a feed

    def add(self, values: np.ndarray[Any, Any]) -> None:
        """Take in what one feed made."""
        if not values.size:
            return
        lowest, highest = np.quantile(values, (CUT, 1 - CUT))
        self.range = Range(min(self.range.lowest, float(lowest)), max(self.range.highest, float(highest)))
        rows = values.reshape(-1, values.shape[-1]).astype(np.float32)
        self.ends.append(np.stack([rows.min(axis=1), rows.max(axis=1)], axis=1))
        self.peaks.append(np.abs(rows).max(axis=0))

    def peak(self) -> Floats:
        """[channels]."""
        return np.asarray(np.maximum(np.mean(self.peaks, axis=0), LEAST_PEAK), np.float32)

    def zero(self, divisors: Floats | None) -> int:
        """The code of 0 with which the scales of rows are smallest, in the mean of their squares; as a scale must cover
        both ends of its row, values that are mostly positive want a low one. Of a tensor that will be divided by
        `divisors` the ends are not known, so it is taken as even."""
        if divisors is not None or not self.ends:
            return 128
        lowest, highest = np.concatenate(self.ends).T
        lost = [np.mean(np.maximum(highest / (255 - zero), -lowest / zero) ** 2) for zero in ZEROS]
        return ZEROS[int(np.argmin(lost))]


def watch(source: FloatGraph, graph: Path, feeds: Sequence[Feeds]) -> dict[str, Activation]:
    """Every tensor that a product or convolution of `source` reads, and that a convolution makes, by name.

    `graph` is `source` as it lies in a scratch folder; a copy that shows these tensors is written beside it. Raises
    OSError, and FreeholdError `graph_invalid` or `inference_failed`.
    """
    uses = [use for unit in source.units for use in unit.uses if use.role != "lookup"]
    names = sorted({use.states for use in uses} | {use.output for use in uses if use.role == "convolution"})
    model = onnx.load(graph, load_external_data=False)
    fed = {entry.name for entry in model.graph.input}
    shown = {output.name for output in model.graph.output}
    asked = [name for name in names if name not in fed]
    for name in asked:
        if name not in shown:
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    watched = graph.with_name(f"watched-{graph.name}")
    watched.write_bytes(model.SerializeToString())
    session = OnnxSession(watched, SessionOptions(), graph.stem)
    seen = {name: Activation() for name in names}
    for feed in feeds:
        values = dict(zip(asked, session.run(asked, feed), strict=True))
        for name in names:
            seen[name].add(values[name] if name in values else feed[name])
    watched.unlink()
    return seen


def row_settings(source: FloatGraph, seen: Mapping[str, Activation]) -> dict[str, RowSetting]:
    """How each tensor that products read is best quantized row by row.

    What a layer norm makes is smoothed: its channels are divided by numbers that the weights take up, so that no
    channel is so large that it takes the others' precision (Xiao et al., SmoothQuant, arXiv:2211.10438). The norm is
    written a second time for it, with other constants: the residual stream goes on with the first.
    """
    makers = {name: node for node in source.model.graph.node for name in node.output}
    readers: dict[str, list[Use]] = {}
    for unit in source.units:
        for use in unit.uses:
            if use.role == "product":
                readers.setdefault(use.states, []).append(use)
    settings = {}
    for name, uses in readers.items():
        norm = _norm(makers.get(name), source)
        divisors = _divisors(seen[name].peak(), uses) if norm is not None and seen[name].peaks else None
        settings[name] = RowSetting(seen[name].zero(divisors), norm, divisors)
    return settings


def _norm(node: onnx.NodeProto | None, source: FloatGraph) -> Norm | None:
    """The layer norm over the last dimension that `node` is, where its constants are known."""
    if node is None or node.op_type != "LayerNormalization" or len(node.input) != 3:
        return None
    options: dict[str, Any] = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    scale, shift = (source.tensors.get(name) for name in node.input[1:])
    if scale is None or shift is None or options.get("axis", -1) != -1 or scale.dtype != np.float32:
        return None
    return Norm(node.input[0], scale.array(), shift.array(), options.get("epsilon", 1e-5))


def _divisors(peaks: Floats, uses: Sequence[Use]) -> Floats:
    """[channels]: peak^a / (largest weight)^(1 - a), whose geometric mean is 1."""
    largest = np.max([np.abs(use.weight.array()).max(axis=0) for use in uses], axis=0)
    divisors = peaks**SMOOTHING / np.maximum(largest, LEAST_PEAK) ** (1 - SMOOTHING)
    return np.asarray(divisors / np.exp(np.log(divisors).mean()), np.float32)
