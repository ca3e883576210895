"""PyTorch in a process of its own: it loads a file, exports it, and records what the model answers at several shapes.

The job: `path`, `format` (pickle, safetensors, script, program), `code` ("FILE.py:NAME" or ""), `input_shapes`,
`input_names`, `input_types` (parallel; "" where nothing was said), `opset`, `seed`, `free` (names of dimensions that
may stay free; None: all).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from freehold.adapt.children.pytorch_graph import Exported, export
from freehold.adapt.children.pytorch_source import Loaded, load
from freehold.adapt.children.report import Array, ChildError, RecordedCase, datatype, run, save_cases, step

TYPES: dict[str, torch.dtype] = {
    "bool": torch.bool,
    **{f"uint{bits}": getattr(torch, f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"int{bits}": getattr(torch, f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"float{bits}": getattr(torch, f"float{bits}") for bits in (16, 32, 64)},
}
BATCH = "batch"
SAMPLE_BATCH = 2  # with 1, a dimension may be taken for a constant
MASK = "mask"  # in the name of an input of integers or booleans [batch, n]: ones, then zeros

Job = dict[str, Any]


class Sample(NamedTuple):
    """One call: tensors in the order of the graph's inputs, which are called `names`."""

    names: tuple[str, ...]
    tensors: tuple[torch.Tensor, ...]


def work(job: Job) -> dict[str, Any]:
    """Load, export, record. Raises ChildError."""
    torch.manual_seed(job["seed"])
    step(job["writes"], "PyTorch loads the model")
    loaded = load(job)
    sample = sample_of(job, loaded)
    names = _same_again(loaded, sample)
    step(job["writes"], "PyTorch exports the graph")
    exported = export(job, loaded, sample.names, sample.tensors, names)
    step(job["writes"], "PyTorch answers what is recorded")
    cases = recorded(job, loaded, sample, exported, names)
    return {
        "framework": "torch",
        "version": torch.__version__,
        "versions": exported.versions,
        "exporter": exported.exporter,
        "opset": exported.opset,
        "inputs": exported.inputs,
        "outputs": exported.outputs,
        "cases": save_cases(job["writes"], cases),
        "notes": [*loaded.notes, *exported.notes],
        "loaded": type(loaded.model).__name__,
    }


def sample_of(job: Job, loaded: Loaded) -> Sample:
    """Seeded tensors of the shapes that were asked for, or the sample that the file brings. Raises ChildError."""
    shapes, names, types = job["input_shapes"], job["input_names"], job["input_types"]
    if not shapes and loaded.sample:
        return Sample(loaded.parameters, loaded.sample)
    parameters = loaded.parameters
    wanted = ", ".join(parameters) or "-"
    if not shapes:
        raise ChildError("input_shape_needed", inputs=wanted)
    if len(shapes) < loaded.required or (parameters and len(shapes) > len(parameters)):
        raise ChildError("input_shape_count", found=len(shapes), inputs=wanted, required=loaded.required)
    strange = [name for name in names if name and name not in parameters]
    if strange and set(names) & set(parameters):  # where all are strange, they are new names
        raise ChildError("input_name_unknown", name=strange[0], inputs=wanted)
    order = list(range(len(shapes)))
    if all(names) and set(names) <= set(parameters):
        order.sort(key=lambda place: parameters.index(names[place]))
        first = [names[place] for place in order]
        if first != list(parameters[: len(first)]):
            raise ChildError("input_shape_gap", inputs=wanted, found=", ".join(first))
    called, tensors = [], []
    for position, place in enumerate(order):
        name = names[place] or (parameters[position] if position < len(parameters) else f"input_{position}")
        shape = [max(SAMPLE_BATCH, shapes[place][0]), *shapes[place][1:]] if shapes[place] else []
        called.append(name)
        tensors.append(drawn(name, shape, _type_of(types[place], loaded), _highest(loaded), job["seed"]))
    return _accepted(loaded, Sample(tuple(called), tuple(tensors)), job)


def drawn(name: str, shape: Sequence[int], dtype: torch.dtype, highest: int, seed: int) -> torch.Tensor:
    """Seeded values: normal floats, integers below `highest`; masks of padded rows, and zeros and ones for types."""
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)
    if MASK in name.lower() and len(shape) == 2 and shape[1]:
        lengths = torch.randint(1 + shape[1] // 2, 1 + shape[1], (shape[0], 1), generator=generator)
        return (torch.arange(shape[1]) < lengths).to(dtype)  # of nothing but padding a row would have no answer
    high = 2 if dtype == torch.bool or "type" in name.lower() else highest
    return torch.randint(0, high, shape, generator=generator).to(dtype)


def recorded(job: Job, loaded: Loaded, sample: Sample, exported: Exported, names: Sequence[str]) -> list[RecordedCase]:
    """What the model answers at several sizes of the free dimensions: batches of 1 and 3, shorter and longer."""
    sizes = _sizes(exported.free, sample)
    cases: list[RecordedCase] = []
    for seed, (label, change) in enumerate(variants(sizes), job["seed"] + 1):
        tensors = []
        for name, tensor in zip(sample.names, sample.tensors, strict=True):
            free = exported.free.get(name, {})
            shape = [change.get(free.get(place, ""), size) for place, size in enumerate(tensor.shape)]
            highest = int(tensor.max()) + 1 if tensor.numel() and not tensor.is_floating_point() else 2
            tensors.append(drawn(name, shape, tensor.dtype, max(2, highest), seed))
        try:
            _, outputs = _answer(loaded, Sample(sample.names, tuple(tensors)))
        except ChildError:
            if not cases:  # its own sizes: nothing else would go either
                raise
            continue  # the model itself has an end there, a table of positions for one
        inputs = {name: _array(tensor) for name, tensor in zip(sample.names, tensors, strict=True)}
        cases.append(RecordedCase(label, inputs, dict(zip(names, outputs, strict=True))))
    return cases


def variants(sizes: Mapping[str, int]) -> list[tuple[str, dict[str, int]]]:
    """Label and sizes of each recorded call; `sizes` are those of the sample by the name of the dimension."""
    own = dict(sizes)
    if BATCH not in sizes:
        found = [("as given", own)]
    else:
        found = [(f"batch {count}", {**own, BATCH: count}) for count in (SAMPLE_BATCH, 1, 3)]
    others = {name: size for name, size in sizes.items() if name != BATCH}
    if others:
        found.append(("short", {**own, **{name: max(2, size // 2) for name, size in others.items()}}))
        found.append(("long", {**own, **{name: size + max(1, size // 2) for name, size in others.items()}}))
    return found


def _sizes(free: Mapping[str, Mapping[int, str]], sample: Sample) -> dict[str, int]:
    shapes = dict(zip(sample.names, (tensor.shape for tensor in sample.tensors), strict=True))
    return {title: shapes[name][place] for name, places in free.items() for place, title in places.items()}


def _type_of(asked: str, loaded: Loaded) -> torch.dtype:
    if asked and asked not in TYPES:
        raise ChildError("input_type_unknown", datatype=asked, known=", ".join(TYPES))
    if asked:
        return TYPES[asked]
    weights = loaded.model.parameters() if isinstance(loaded.model, torch.nn.Module) else ()
    return next((tensor.dtype for tensor in weights if tensor.is_floating_point()), torch.float32)


def _highest(loaded: Loaded) -> int:
    """Ids below this exist in the largest table of the model."""
    modules = getattr(loaded.model, "modules", list)
    tables = [one.num_embeddings for one in modules() if isinstance(one, torch.nn.Embedding)]
    return max(tables, default=2)


def _accepted(loaded: Loaded, sample: Sample, job: Job) -> Sample:
    """The sample, with integers as high as the model takes. Raises ChildError `input_shape_refused`."""
    try:
        _answer(loaded, sample)
    except ChildError as error:
        whole = [not tensor.is_floating_point() for tensor in sample.tensors]
        if not any(whole) or "index out of range" not in str(error):
            raise
    else:
        return sample
    low = [
        drawn(name, tensor.shape, tensor.dtype, 2, job["seed"]) if integers else tensor
        for name, tensor, integers in zip(sample.names, sample.tensors, whole, strict=True)
    ]
    _answer(loaded, Sample(sample.names, tuple(low)))
    return Sample(sample.names, tuple(low))


def _answer(loaded: Loaded, sample: Sample) -> tuple[list[str], list[Array]]:
    """Names and arrays of the outputs. Raises ChildError `input_shape_refused`, `outputs_unsupported`."""
    try:
        with torch.inference_mode():
            answer = loaded.call(*sample.tensors)
    except Exception as error:
        shapes = [f"{name} {list(tensor.shape)} {tensor.dtype}" for name, tensor in zip(*sample, strict=True)]
        told = f"{type(error).__name__}: {str(error).strip().split(chr(10) + 'Traceback', 1)[0]}"
        raise ChildError("input_shape_refused", shapes="; ".join(shapes).replace("torch.", ""), error=told) from error
    named = list(_outputs("", answer))
    wrong = [f"{name or 'output'}: {type(value).__name__}" for name, value in named if not torch.is_tensor(value)]
    if wrong or not named:
        raise ChildError("outputs_unsupported", found=", ".join(wrong) or type(answer).__name__)
    names = [name or "output" for name, _ in named]
    arrays = [_array(value) for _, value in named]
    for name, array in zip(names, arrays, strict=True):
        datatype(name, array)
    return names, arrays


def _outputs(name: str, value: Any) -> list[tuple[str, Any]]:
    """Tensors by name, as they are flattened into a graph's outputs; what is None is none."""
    if value is None:
        return []
    if isinstance(value, Mapping):
        rows = [(f"{name}_{key}" if name else str(key), each) for key, each in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        rows = [(f"{name}_{key}" if name else key, getattr(value, key)) for key in value._fields]
    elif isinstance(value, list | tuple):
        rows = [(f"{name or 'output'}_{place}", each) for place, each in enumerate(value)]
    else:
        return [(name, value)]
    return [pair for title, each in rows for pair in _outputs(title, each)]


def _same_again(loaded: Loaded, sample: Sample) -> list[str]:
    """Names of the outputs of a model that answers twice the same: one that draws numbers cannot be recorded.

    Raises ChildError `model_not_deterministic`, and as `_answer`.
    """
    names, first = _answer(loaded, sample)
    _, second = _answer(loaded, sample)
    for name, one, other in zip(names, first, second, strict=True):
        if one.shape != other.shape or not np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True):
            raise ChildError("model_not_deterministic", output=name)
    return names


def _array(tensor: torch.Tensor) -> Array:
    if tensor.dtype == torch.bfloat16:
        raise ChildError("datatype_unsupported", name="an input or output", datatype="bfloat16", known=", ".join(TYPES))
    array: Array = tensor.detach().cpu().numpy()
    return array


if __name__ == "__main__":
    run(work)
