"""The values that activations take, seen while a float graph runs over calibration examples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from freehold.adapt.quantize.forms import Range
from freehold.adapt.quantize.units import FloatGraph
from freehold.engine.providers import Feeds, SessionOptions
from freehold.engine.session import OnnxSession

CUT = 0.00005
"""The share of values on either side that a range leaves out: a few outliers would cost all others their precision."""


def measured_ranges(source: FloatGraph, graph: Path, feeds: Sequence[Feeds]) -> dict[str, Range]:
    """The range of every tensor that a product or convolution of `source` reads, and that a convolution makes.

    `graph` is `source` as it lies in a scratch folder; a copy that shows these tensors is written beside it. Raises
    OSError, and FreeholdError `graph_invalid` or `inference_failed`.
    """
    uses = [use for unit in source.units for use in unit.uses if use.role != "lookup"]
    wanted = {use.states for use in uses} | {use.output for use in uses if use.role == "convolution"}
    names = sorted(wanted)
    model = onnx.load(graph, load_external_data=False)
    shown = {output.name for output in model.graph.output}
    fed = {entry.name for entry in model.graph.input}
    for name in names:
        if name not in shown | fed:
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    watched = graph.with_name(f"watched-{graph.name}")
    watched.write_bytes(model.SerializeToString())
    session = OnnxSession(watched, SessionOptions(), graph.stem)
    seen = {name: [0.0, 0.0] for name in names}
    asked = [name for name in names if name not in fed]
    for feed in feeds:
        values = dict(zip(asked, session.run(asked, feed), strict=True))
        for name in names:
            flat = np.ravel(values[name] if name in values else feed[name])
            lowest, highest = np.quantile(flat, (CUT, 1 - CUT)) if flat.size else (0.0, 0.0)
            seen[name] = [min(seen[name][0], float(lowest)), max(seen[name][1], float(highest))]
    return {name: Range(lowest, highest) for name, (lowest, highest) in seen.items()}
