"""Where a conversion parts from its raw model: module by module, in the order in which the raw model runs them."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from freehold.adapt.array_file import UnsoundArraysError, read_arrays
from freehold.adapt.child_results import LARGEST_CASES
from freehold.adapt.children.report import RESULT
from freehold.adapt.conversion import Conversion, Say
from freehold.adapt.detect import Format, detect
from freehold.adapt.exposed import ExposedGraph
from freehold.adapt.from_pytorch import FORMATS
from freehold.adapt.isolation import run_child
from freehold.adapt.module_names import Place, places
from freehold.adapt.trace_feeds import Sample, samples_of
from freehold.adapt.trace_steps import Step, Trace, alike, gap_of, widest
from freehold.artifact import Artifact, Tolerance, load_goldens
from freehold.engine.base import Array
from freehold.engine.verify import tolerance_of
from freehold.errors import FreeholdError

MODULES = "modules.npz"
MOST_SAMPLES = 3
# What has modules that can be watched, and what must be installed for it.
PACKAGES = {Format.HUGGING_FACE: ("torch", "transformers"), **dict.fromkeys(FORMATS, ("torch",))}
# What a graph that packs or pads sequences is told, and what transformers' classes are.
FOR_TRANSFORMERS = ("input_ids", "attention_mask", "token_type_ids")


class Recorded(msgspec.Struct, frozen=True):
    """One module as the child saw it."""

    name: str
    kind: str
    calls: int
    given: bool


def trace(asked: Conversion, artifact_folder: Path, say: Say) -> Trace | None:
    """Run the raw model of `asked` and the graph of `artifact_folder` on the same recorded cases, at most three.

    The trace is of the case in which the last module differs most. None where the raw framework's modules cannot be
    seen: another framework than torch, none installed here, a script, no recorded case. Raises FreeholdError as
    `detect`, `run_child`, `samples_of`, and `graph_invalid`, `inference_failed`.
    """
    form = detect(asked.source).format
    artifact = Artifact.open(artifact_folder)
    cases = [case for golden in load_goldens(artifact.goldens) if golden.raw for case in golden.cases]
    needed = PACKAGES.get(form)
    if needed is None or not cases or any(find_spec(package) is None for package in needed):
        return None
    samples = samples_of(artifact, cases, MOST_SAMPLES)
    with TemporaryDirectory(prefix="freehold-trace-", dir=asked.work) as folder:
        recorded = _run_raw(asked, form, samples, Path(folder), say)
    if recorded is None:
        return None
    say("comparing modules")
    graph = ExposedGraph(artifact.graph)
    tolerance = tolerance_of(artifact.manifest, "fp32")
    traces = []
    for sample, (modules, arrays) in zip(samples, recorded, strict=True):
        values = graph.run(sample.feeds(graph.inputs))
        steps, unmatched = compare_modules(graph, values, modules, arrays, tolerance)
        traces.append(
            Trace(str(asked.source), str(artifact.graph), "module", sample.label, tolerance, steps, unmatched)
        )
    return widest(traces)


def compare_modules(
    graph: ExposedGraph,
    values: Mapping[str, Array],
    modules: list[Recorded],
    arrays: Mapping[str, Array],
    tolerance: Tolerance,
) -> tuple[tuple[Step, ...], int]:
    """A step for every module of which the graph has the output, and how many modules it has not.

    `arrays` are the raw model's, `<place in modules>.out` and `.in`. A module that runs more than once is left out: the
    graph does not say which of its runs a node belongs to.
    """
    where = places(graph, [module.name for module in modules if module.calls == 1])
    number = {module.name: place for place, module in enumerate(modules)}
    # Layers that the graph computes as one are known when the last of them has run.
    found: list[tuple[int, Step]] = []
    met = 0
    for names, place in where.items():
        expected = [arrays[f"{number[name]}.out"] for name in names]
        whole = expected[0] if len(names) == 1 else np.concatenate(expected, axis=-1)
        compared = next(_alike(whole, place, values), None)
        if compared is None:
            continue
        tensor, want, have = compared
        gap = gap_of(want, have)
        module = modules[number[names[0]]]
        given = _given(arrays.get(f"{number[names[0]]}.in"), values.get(place.given), tolerance)
        step = Step(" + ".join(names), module.kind, tensor, have.shape, gap, gap.within(tolerance), given)
        found.append((max(number[name] for name in names), step))
        met += len(names)
    return tuple(step for _, step in sorted(found, key=lambda each: each[0])), len(modules) - met


def _alike(expected: Array, place: Place, values: Mapping[str, Array]) -> Iterator[tuple[str, Array, Array]]:
    """What a module's nodes made that has the shape of its output, the last first."""
    for tensor in reversed(place.made):
        arrays = alike(expected, values[tensor]) if tensor in values else None
        if arrays is not None:
            yield tensor, *arrays


def _given(expected: Array | None, seen: Array | None, tolerance: Tolerance) -> bool | None:
    arrays = alike(expected, seen) if expected is not None and seen is not None and seen.dtype.kind == "f" else None
    return gap_of(*arrays).within(tolerance) if arrays is not None else None


def _run_raw(
    asked: Conversion, form: Format, samples: list[Sample], folder: Path, say: Say
) -> list[tuple[list[Recorded], dict[str, Array]]] | None:
    """Modules and arrays of each sample; None where the network shows none of its modules."""
    inputs, writes = folder / "inputs.npz", folder / "writes"
    writes.mkdir()
    arrays = {
        f"{number}.{name}": array for number, sample in enumerate(samples) for name, array in _arguments(sample).items()
    }
    with inputs.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type] # its stub takes a name of ours for its own option
    code = Path(asked.code.rpartition(":")[0]).absolute() if asked.code else None
    job = {
        "loader": "huggingface" if form is Format.HUGGING_FACE else "pytorch",
        "path": str(asked.source.absolute()),
        "format": FORMATS.get(form, ""),
        "code": f"{code}:{asked.code.rpartition(':')[2]}" if code else "",
        "inputs": str(inputs),
    }
    reads = [asked.source, inputs, *([code.parent] if code else [])]
    try:
        result = run_child(
            "trace", job, reads=reads, writes=writes, trusted=asked.trust_code, limits=asked.limits, say=say
        )
    except FreeholdError as error:
        if error.code == "trace_no_modules":
            return None
        raise
    return _read(result, writes / MODULES, len(samples))


def _arguments(sample: Sample) -> dict[str, Array]:
    """What the raw model is called with."""
    if not sample.ids:
        return dict(sample.arrays)
    count = len(sample.ids)
    rows = (sample.ids, (1,) * count, sample.types)
    return {name: np.array([row], np.int64) for name, row in zip(FOR_TRANSFORMERS, rows, strict=True) if row}


def _read(result: dict[str, Any], path: Path, count: int) -> list[tuple[list[Recorded], dict[str, Array]]]:
    """What the child left, checked. Raises FreeholdError `isolated_result_invalid`."""
    try:
        rows = msgspec.convert(result.get("samples"), list[list[Recorded]], strict=True)
        if len(rows) != count:
            raise ValueError(f"{len(rows)} samples")
        arrays = read_arrays(path, LARGEST_CASES)
        return [(modules, _of_sample(arrays, number, len(modules))) for number, modules in enumerate(rows)]
    except (msgspec.ValidationError, ValueError, KeyError, UnsoundArraysError) as error:
        raise FreeholdError("isolated_result_invalid", reason=f"{RESULT} or {MODULES}: {error}", log="-") from None


def _of_sample(arrays: dict[str, Array], number: int, modules: int) -> dict[str, Array]:
    """The arrays of one sample by `<module>.out` and `<module>.in`. Raises KeyError where an output is missing."""
    outputs = {f"{place}.out": arrays[f"{number}.{place}.out"] for place in range(modules)}
    keys = (f"{place}.in" for place in range(modules) if f"{number}.{place}.in" in arrays)
    return {**outputs, **{key: arrays[f"{number}.{key}"] for key in keys}}
