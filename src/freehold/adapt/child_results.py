"""What a child process wrote, read with suspicion: nothing of it is run, and what does not agree is refused."""

import shutil
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from freehold.adapt.array_file import Array, UnsoundArraysError, read_arrays
from freehold.adapt.children.report import CASES
from freehold.artifact import Case, Golden, RecordedBy, Tensor, TensorSpec
from freehold.artifact.golden import NUMPY_TYPES
from freehold.errors import FreeholdError

LARGEST_CASES = 1 << 30  # bytes of all recorded arrays
GRAPH_FILES = ("model.onnx", "model.onnx.data")

T = TypeVar("T")


class Described(msgspec.Struct, frozen=True):
    """One input or output of the graph; a free dimension is its name."""

    name: str
    datatype: str
    shape: tuple[int | str, ...]


class ChildCase(msgspec.Struct, frozen=True):
    """One recorded call: the names of its arrays, or texts in place of inputs."""

    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    text: dict[str, str] = {}


class ChildResult(msgspec.Struct, frozen=True):
    """`result.json` of a child that succeeded; further keys are allowed and belong to its door."""

    framework: str
    version: str
    versions: dict[str, str] = {}
    exporter: str = ""
    opset: int = 0
    inputs: tuple[Described, ...] = ()
    outputs: tuple[Described, ...] = ()
    cases: tuple[ChildCase, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def made_with(self) -> dict[str, str]:
        """Versions and settings of the making, as a manifest keeps them."""
        settings = {"exporter": self.exporter, "opset": str(self.opset) if self.opset else ""}
        return {**self.versions, **{key: value for key, value in settings.items() if value}}


def result_of(result: dict[str, Any]) -> ChildResult:
    """What `run_child` returned, checked. Raises FreeholdError `isolated_result_invalid`."""
    return part_of(result, ChildResult)


def part_of(result: dict[str, Any], kind: type[T]) -> T:
    """What a door reads of a result beyond `ChildResult`. Raises FreeholdError `isolated_result_invalid`."""
    try:
        return msgspec.convert(result, kind, strict=True)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def take_graph(writes: Path, folder: Path) -> Path:
    """Move the graph that a child wrote, with its weights where they lie beside it, into `folder`; its path there."""
    for name in GRAPH_FILES:
        if (writes / name).is_file():
            shutil.move(writes / name, folder / name)
    return folder / GRAPH_FILES[0]


def specs_of(result: dict[str, Any]) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as a manifest names them, free dimensions -1.

    Raises FreeholdError `isolated_result_invalid`.
    """
    read = result_of(result)
    inputs, outputs = (tuple(_spec(one) for one in rows) for rows in (read.inputs, read.outputs))
    if not inputs or not outputs:
        raise invalid("it names no inputs or no outputs")
    return inputs, outputs


def golden_of(writes: Path, result: dict[str, Any], source_digest: str) -> Golden:
    """The golden of the cases that a child recorded; `source_digest` is "sha256:<hex>" of what it had loaded.

    Raises FreeholdError `isolated_result_invalid`: no case, an array that is missing, left over, of a type that goldens
    do not hold, or not what it says.
    """
    read = result_of(result)
    if not read.cases:
        raise invalid("it recorded no case")
    arrays = _arrays(writes / CASES)
    cases = []
    for number, case in enumerate(read.cases):
        inputs: dict[str, str | Tensor] = {**case.text}
        inputs |= {name: _tensor(arrays, f"{number}.in.{name}") for name in case.inputs}
        outputs = {name: _tensor(arrays, f"{number}.out.{name}") for name in case.outputs}
        if not inputs or not outputs:
            raise invalid(f"case {number} has no inputs or no outputs")
        cases.append(Case(inputs, outputs, case.label))
    if arrays:
        raise invalid(f"{CASES} holds {sorted(arrays)[0]!r}, which belongs to no case")
    return Golden(RecordedBy(read.framework, read.version, source_digest), tuple(cases))


def _spec(row: Described) -> TensorSpec:
    if row.datatype not in {*NUMPY_TYPES, "BYTES"}:
        raise invalid(f"{row.name} has the unknown type {row.datatype!r}")
    shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in row.shape)
    return TensorSpec(row.name, row.datatype, shape)


def _arrays(path: Path) -> dict[str, Array]:
    try:
        return read_arrays(path, LARGEST_CASES)
    except UnsoundArraysError as error:
        raise invalid(str(error)) from None


def _tensor(arrays: dict[str, Array], key: str) -> Tensor:
    array = arrays.pop(key, None)
    if array is None:
        raise invalid(f"{CASES} has no array {key!r}")
    try:
        return Tensor.of(array)
    except KeyError:
        raise invalid(f"the array {key!r} has the type {array.dtype}") from None


def invalid(reason: str) -> FreeholdError:
    """What a child left is not sound."""
    return FreeholdError("isolated_result_invalid", reason=reason, log="-")
