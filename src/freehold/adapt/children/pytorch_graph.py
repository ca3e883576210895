"""PyTorch's two exporters as they are used here: free dimensions found and named, and a long message made a short one.

A module is captured by `torch.export` with every dimension left to it: what the model holds fixed stays fixed, all else
is free. A script has no such capture and takes the older exporter.
"""

import logging
import re
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch

from freehold.adapt.children.export_refusal import depends_on_data, refusal
from freehold.adapt.children.pytorch_source import Loaded
from freehold.adapt.children.report import ChildError, described
from freehold.adapt.children.torch_export import OPSET, described_value, strip, versions

EXTERNAL_BYTES = 16 << 20  # from here on weights lie beside the graph, where processes share their pages
GRAPH = "model.onnx"
BATCH = "batch"
TITLES = {3: {1: "seq"}, 4: {2: "height", 3: "width"}, 5: {2: "depth", 3: "height", 4: "width"}}
OF_IDS = {1: "seq"}  # of an input [batch, n] of integers

CAPTURE_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)

Job = dict[str, Any]
Axes = dict[str, dict[int, str]]


class Exported(NamedTuple):
    """A written graph; `free` holds the names of free dimensions by input, `inputs` and `outputs` suit the result."""

    exporter: str
    opset: int
    versions: dict[str, str]
    inputs: list[dict[str, Any]]
    outputs: list[dict[str, Any]]
    free: Axes
    notes: list[str]


def export(
    job: Job, loaded: Loaded, names: Sequence[str], tensors: Sequence[torch.Tensor], outputs: Sequence[str]
) -> Exported:
    """Write `model.onnx`, with its weights beside it where they are large, into `job["writes"]`.

    Raises ChildError `export_data_dependent`, `export_operator_missing`, `export_refused`.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            if job["format"] == "script":
                return _export_script(job, loaded, names, tensors, outputs)
            return _export_program(job, loaded, names, tensors, outputs)
    except ChildError:
        raise
    except Exception as error:
        traceback.print_exc()
        raise refusal(error) from error


def titled(names: Sequence[str], tensors: Sequence[torch.Tensor], kept: Sequence[str] | None) -> Axes:
    """Names for the dimensions that may be free; `kept` are those that may, None for all."""
    axes: Axes = {}
    sizes: dict[str, int] = {}
    for name, tensor in zip(names, tensors, strict=True):
        own = OF_IDS if tensor.dim() == len(OF_IDS) + 1 and not tensor.is_floating_point() else {}
        own = own or TITLES.get(tensor.dim(), {})
        axes[name] = {}
        for place, size in enumerate(tensor.shape):
            title = BATCH if place == 0 else own.get(place, f"{name}_{place}")
            if sizes.setdefault(title, size) != size:  # as long as another of this name only by chance, or not at all
                title = f"{name}_{title}"
            if size > 1 and (kept is None or title in kept):
                axes[name][place] = title
    return axes


def _export_program(
    job: Job, loaded: Loaded, names: Sequence[str], tensors: Sequence[torch.Tensor], outputs: Sequence[str]
) -> Exported:
    axes = titled(names, tensors, job["free"])
    program = loaded.model
    if not isinstance(program, torch.export.ExportedProgram):
        axes = _running_axes(loaded, axes, tensors)
        program = _captured(loaded, tuple(tensors), [axes[name] for name in names])
    opset = job["opset"] or OPSET
    made = torch.onnx.export(
        program, dynamo=True, opset_version=opset, input_names=list(names), output_names=list(outputs), verbose=False
    )
    assert made is not None
    graph = made.model.graph
    strip(graph)
    called = _rename(graph, axes)
    large = sum(tensor.nbytes for tensor in program.state_dict.values()) > EXTERNAL_BYTES
    made.save(str(Path(job["writes"]) / GRAPH), external_data=large)
    inputs = [described_value(value) for value in graph.inputs]
    free = {row["name"]: {place: size for place, size in enumerate(row["shape"]) if size in called} for row in inputs}
    fixed = [] if any(BATCH in places.values() for places in free.values()) else ["the batch is fixed by the model"]
    return Exported(
        "torch.onnx dynamo",
        made.model.opset_imports[""],
        versions(),
        inputs,
        [described_value(value) for value in graph.outputs],
        free,
        fixed,
    )


def _captured(
    loaded: Loaded, tensors: tuple[torch.Tensor, ...], axes: Sequence[Mapping[int, str]]
) -> torch.export.ExportedProgram:
    """The model as a graph of operators; strict capture reads what the other one cannot, so it is asked second."""
    shapes = _shaped(loaded.parameters, [dict.fromkeys(places, torch.export.Dim.AUTO) for places in axes])
    try:
        return torch.export.export(loaded.model, tensors, dynamic_shapes=shapes, strict=False)
    except CAPTURE_ERRORS as error:
        if depends_on_data(error):
            raise
        return torch.export.export(loaded.model, tensors, dynamic_shapes=shapes, strict=True)


def _shaped(parameters: Sequence[str], shapes: list[dict[int, Any]]) -> tuple[Any, ...]:
    """As the capture wants them: one a parameter, and those of `*args` together."""
    named = len(parameters)
    return tuple(shapes) if len(shapes) <= named else (*shapes[:named], tuple(shapes[named:]))


def _rename(graph: Any, axes: Axes) -> set[str]:
    """Give the symbols of the capture the names of `axes`, wherever they stand; the names that were given."""
    titles: dict[str, str] = {}
    for value in graph.inputs:
        for place, size in enumerate(value.shape):
            if not isinstance(size, int):
                titles.setdefault(str(size), axes.get(value.name, {}).get(place, f"{value.name}_{place}"))
    values = [*graph.inputs, *graph.outputs, *(each for node in graph.all_nodes() for each in node.outputs)]
    for value in {id(each): each for each in values}.values():
        if value.shape is not None and any(not isinstance(size, int) for size in value.shape):
            value.shape = type(value.shape)(
                [size if isinstance(size, int) else _named(size, titles) for size in value.shape]
            )
    return set(titles.values())


def _named(size: Any, titles: Mapping[str, str]) -> str | None:
    """A size that is no number, an expression of symbols, with their names."""
    return None if size.value is None else re.sub(r"\w+", lambda word: titles.get(word[0], word[0]), str(size.value))


def _export_script(
    job: Job, loaded: Loaded, names: Sequence[str], tensors: Sequence[torch.Tensor], outputs: Sequence[str]
) -> Exported:
    free = _running_axes(loaded, titled(names, tensors, job["free"]), tensors)
    path = Path(job["writes"]) / GRAPH
    batch = {name: {0: BATCH} for name in outputs} if any(BATCH in one.values() for one in free.values()) else {}
    torch.onnx.export(
        loaded.model,
        tuple(tensors),
        str(path),
        input_names=list(names),
        output_names=list(outputs),
        dynamic_axes={**free, **batch},
        opset_version=job["opset"] or OPSET,
        dynamo=False,
    )
    model = onnx.load(path)
    if sum(len(one.raw_data) for one in model.graph.initializer) > EXTERNAL_BYTES:
        path.unlink()
        onnx.save_model(model, path, save_as_external_data=True, location=f"{GRAPH}.data")
    opset = next(one.version for one in model.opset_import if one.domain in {"", "ai.onnx"})
    inputs = [_of_value(value) for value in model.graph.input]
    return Exported("torch.onnx script", opset, versions(), inputs, list(map(_of_value, model.graph.output)), free, [])


def _running_axes(loaded: Loaded, axes: Axes, tensors: Sequence[torch.Tensor]) -> Axes:
    """Those in which the model runs one longer or one shorter: a capture does not see every size that is fixed."""
    free: Axes = {name: {} for name in axes}
    for title in dict.fromkeys(title for places in axes.values() for title in places.values()):
        if any(_runs(loaded, axes, tensors, title, change) for change in (1, -1)):
            for name, places in axes.items():
                free[name] |= {place: one for place, one in places.items() if one == title}
    return free


def _runs(loaded: Loaded, axes: Axes, tensors: Sequence[torch.Tensor], title: str, change: int) -> bool:
    """Whether the model runs when every dimension called `title` is longer or shorter by one."""
    changed = []
    for tensor, places in zip(tensors, axes.values(), strict=True):
        sized = tensor
        for place, one in places.items():
            if one == title:
                first = sized.narrow(place, 0, 1)
                sized = (
                    torch.cat([sized, first], dim=place)
                    if change > 0
                    else sized.narrow(place, 1, sized.shape[place] - 1)
                )
        changed.append(sized)
    try:
        with torch.inference_mode():
            loaded.call(*changed)
    except CAPTURE_ERRORS:
        return False
    return True


def _of_value(value: Any) -> dict[str, Any]:
    kind = value.type.tensor_type
    shape = [one.dim_param or one.dim_value for one in kind.shape.dim]
    return described(value.name, np.empty(0, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)), shape)
