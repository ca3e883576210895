"""From one function of TensorFlow tensors to `model.onnx`, and to recorded cases of what that function answered."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from freehold.adapt.children.free_dimensions import (
    Shape,
    cases_of,
    drawn,
    filled,
    named,
    named_by_size,
    sizes_of,
)
from freehold.adapt.children.report import DATATYPES, Array, ChildError, RecordedCase, datatype, save_cases, step
from freehold.adapt.children.tensorflow_source import RawModel, first_line, open_source

OPSET, OLDEST_OPSET, NEWEST_OPSET = 18, 14, 18  # what tf2onnx is tested with
INTEGERS_BELOW = (1000, 100, 10, 2)  # ids reach as far as the model's tables
EXTERNAL_FROM = 1024  # bytes of a tensor


class Recording(NamedTuple):
    """What was asked of the raw model, and the sizes of the free dimensions in each case."""

    cases: list[RecordedCase]
    sizes: list[dict[str, int]]
    refused: dict[str, str]
    """Shape classes that the model itself refuses, and why."""


def convert(job: dict[str, Any]) -> dict[str, Any]:
    """The result of the job of `children.tensorflow`; model.onnx and the cases lie in its folder."""
    opset = job.get("opset") or OPSET
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise ChildError("tensorflow_opset", opset=opset, oldest=OLDEST_OPSET, newest=NEWEST_OPSET)
    step(job["writes"], "Loading the model with TensorFlow")
    raw = open_source(Path(job["source"]), job.get("signature", ""), job["trusted"])
    samples = by_name(raw, job.get("shapes", ()), job.get("names", ()))
    inputs, shapes = _inputs(raw, samples)
    step(job["writes"], "Recording what TensorFlow answers")
    recorded = record(raw, inputs, shapes, sizes_of(shapes, samples), job.get("seed", 0))
    step(job["writes"], "Converting to ONNX")
    model, free = to_onnx(raw, inputs, opset, Path(job["source"]).name)
    outputs = _output_shapes(raw.outputs, free, recorded)
    _name_dimensions(model, {**shapes, **outputs})
    _save(model, Path(job["writes"]) / "model.onnx")
    return {
        "framework": raw.framework,
        "version": raw.version,
        "versions": {
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "tf2onnx": tf2onnx.__version__,
            "onnx": onnx.__version__,
        },
        "exporter": "tf2onnx",
        "opset": opset,
        "inputs": [_row(name, recorded.cases[0].inputs[name], shape) for name, shape in shapes.items()],
        "outputs": [_row(name, recorded.cases[0].outputs[name], shape) for name, shape in outputs.items()],
        "cases": save_cases(job["writes"], recorded.cases),
        "refused": recorded.refused,
    }


def record(
    raw: RawModel, inputs: Sequence["tf.TensorSpec"], shapes: Mapping[str, Shape], sizes: Mapping[str, int], seed: int
) -> Recording:
    """Ask the raw model with seeded inputs in every shape class. Raises ChildError when it refuses the very first."""
    cases: list[RecordedCase] = []
    seen: list[dict[str, int]] = []
    refused: dict[str, str] = {}
    for label, chosen in cases_of(sizes).items():
        tried = {name: filled(shape, chosen) for name, shape in shapes.items()}
        try:
            cases.append(_asked(raw, inputs, tried, label, seed))
            seen.append(chosen)
        except (tf.errors.OpError, ValueError) as error:
            reason = first_line(error)
            if not cases:
                shown = ", ".join(f"{name} {list(shape)}" for name, shape in tried.items())
                raise ChildError("tensorflow_sample_refused", inputs=shown, reason=reason) from error
            refused[label] = reason
    return Recording(cases, seen, refused)


def _asked(
    raw: RawModel, inputs: Sequence["tf.TensorSpec"], shapes: Mapping[str, tuple[int, ...]], label: str, seed: int
) -> RecordedCase:
    """One case, with the widest range of integers that the model takes."""
    for below in INTEGERS_BELOW:
        random = np.random.default_rng(seed)
        given = {
            spec.name: drawn(shapes[spec.name], np.dtype(spec.dtype.as_numpy_dtype), below, random) for spec in inputs
        }
        try:
            answers = raw.call({name: tf.constant(array) for name, array in given.items()})
        except tf.errors.InvalidArgumentError:
            if below == INTEGERS_BELOW[-1] or not any(spec.dtype.is_integer for spec in inputs):
                raise
            continue
        break
    outputs = {name: np.asarray(answers[name]) for name in raw.outputs}
    for name, array in outputs.items():
        datatype(name, array)
    return RecordedCase(label, given, outputs)


def by_name(raw: RawModel, samples: Sequence[Sequence[int]], names: Sequence[str]) -> Sequence[Sequence[int]]:
    """`samples` in the order of the inputs; an input that is not named has free sizes.

    Raises ChildError `tensorflow_input` for a name that is no input.
    """
    if not any(names):
        return samples
    given = dict(zip(names, samples, strict=True))
    known = [spec.name for spec in raw.inputs]
    for name in given:
        if name not in known:
            raise ChildError("tensorflow_input", name=name, known=", ".join(known))
    return [given.get(spec.name, [-1] * (spec.shape.rank or 0)) for spec in raw.inputs]


def _inputs(raw: RawModel, samples: Sequence[Sequence[int]]) -> tuple[list["tf.TensorSpec"], dict[str, Shape]]:
    """Inputs of known rank (where the source leaves it open: that of the samples), and their named shapes."""
    specs = []
    for index, spec in enumerate(raw.inputs):
        if spec.dtype.name not in DATATYPES:
            raise ChildError(
                "datatype_unsupported", name=spec.name, datatype=spec.dtype.name, known=", ".join(DATATYPES.values())
            )
        shape = spec.shape
        if shape.rank is None:
            if index >= len(samples):
                raise ChildError("tensorflow_rank", name=spec.name)
            shape = [None] * len(samples[index])
        specs.append(tf.TensorSpec(shape, spec.dtype, spec.name))
    return specs, named({spec.name: spec.shape.as_list() for spec in specs})


def to_onnx(
    raw: RawModel, inputs: Sequence["tf.TensorSpec"], opset: int, source: str
) -> tuple[Any, dict[str, list[bool]]]:
    """The ONNX model, and of each output which dimensions TensorFlow leaves free; errors name `source`.

    Raises ChildError `tensorflow_ops_unsupported`, `tensorflow_conversion`.
    """

    def answers(*tensors: Any) -> dict[str, Any]:
        given = {spec.name: tensor for spec, tensor in zip(inputs, tensors, strict=True)}
        # Two outputs may be one tensor, or an input: each gets a tensor of its own, which can have a name of its own.
        return {name: tf.identity(value) for name, value in raw.call(given).items()}

    traced = tf.function(answers, input_signature=list(inputs)).get_concrete_function()
    outputs = sorted(raw.outputs)  # TensorFlow flattens a dictionary so
    try:
        # Frozen here, since tf2onnx.convert.from_function takes constants that a function captured for inputs.
        frozen = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
        before = [tensor.name for tensor in (*frozen.inputs, *frozen.outputs)]
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(add_shapes=True),
            name=source,
            input_names=before[: len(inputs)],
            output_names=before[len(inputs) :],
            tensors_to_rename=dict(zip(before, [*(spec.name for spec in inputs), *outputs], strict=True)),
            opset=opset,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:  # tf2onnx has no error of its own
        raise ChildError("tensorflow_conversion", reason=first_line(error)) from error
    refuse_unknown_nodes(model, source)
    shapes = {name: value.shape for name, value in traced.structured_outputs.items()}
    model.graph.output.sort(key=lambda value: raw.outputs.index(value.name))
    ranks = {name: [size is None for size in shape] if shape.rank is not None else [] for name, shape in shapes.items()}
    return model, ranks


def refuse_unknown_nodes(model: Any, source: str) -> None:
    """What tf2onnx cannot convert it leaves as it is. Raises ChildError `tensorflow_ops_unsupported`."""
    left = {node.op_type: node.name for node in _nodes(model.graph) if not onnx.defs.has(node.op_type, node.domain)}
    if left:
        shown = ", ".join(f"{op} (in {name})" for op, name in sorted(left.items()))
        raise ChildError("tensorflow_ops_unsupported", source=source, operations=shown)


def _nodes(graph: Any) -> Any:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _output_shapes(names: Sequence[str], free: Mapping[str, list[bool]], recorded: Recording) -> dict[str, Shape]:
    shapes = {}
    for name in names:
        seen = [case.outputs[name].shape for case in recorded.cases]
        open_ = free[name] or [True] * len(seen[0])
        shapes[name] = named_by_size(name, seen, recorded.sizes, open_)
    return shapes


def _name_dimensions(model: Any, shapes: Mapping[str, Shape]) -> None:
    """Write the names of free dimensions into the graph, in place of tf2onnx's numbers."""
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        tensor = value.type.tensor_type
        del tensor.shape.dim[:]
        for size in shapes[value.name]:
            tensor.shape.dim.add(**({"dim_param": size} if isinstance(size, str) else {"dim_value": size}))


def _save(model: Any, path: Path) -> None:
    onnx.save_model(
        model,
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=f"{path.name}.data",
        size_threshold=EXTERNAL_FROM,
    )
    onnx.checker.check_model(path)


def _row(name: str, array: Array, shape: Shape) -> dict[str, Any]:
    return {"name": name, "datatype": datatype(name, array), "shape": list(shape)}
