"""Inputs and outputs that a user recorded with the framework that a graph came from, as a golden.

An .npz holds arrays `in.NAME` and `out.NAME` of one call, or `CASE.in.NAME` and `CASE.out.NAME` of several; it is read
without unpickling. A .jsonl holds one call a line: {"inputs": {NAME: nested lists}, "outputs": {NAME: ...}, "label":
"..."}, numbers in the types that the graph has.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from freehold.adapt.array_file import UnsoundArraysError, read_arrays
from freehold.artifact import Case, Golden, RecordedBy, Tensor, TensorSpec
from freehold.artifact.golden import NUMPY_TYPES
from freehold.engine.base import Array
from freehold.engine.providers import Session
from freehold.errors import FreeholdError

LARGEST = 1 << 30  # bytes of arrays: all of them become part of the artifact
_KEY = re.compile(r"(?:(?P<case>[^.]+)\.)?(?P<way>in|out)\.(?P<name>.+)")


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    label: str = ""


def read_answers(path: Path, session: Session, digest: str) -> Golden:
    """The golden of the calls in `path`, which must suit the inputs and outputs of the graph.

    Raises FreeholdError `answers_unreadable`, `answers_unsuitable` (which say where and what is wanted).
    """
    calls = _of_npz(path) if path.suffix == ".npz" else _of_lines(path, session)
    if not calls:
        raise FreeholdError("answers_unreadable", path=path, reason="it holds no call")
    cases = []
    for where, label, inputs, outputs in calls:
        _suit(path, where, "input", inputs, session.inputs, whole=True)
        _suit(path, where, "output", outputs, session.outputs, whole=False)
        packed = _packed(inputs, session.inputs), _packed(outputs, session.outputs)
        cases.append(Case(*packed, label or _label(inputs, session)))
    return Golden(RecordedBy("recorded answers", path.name, digest), tuple(cases))


class _Call(NamedTuple):
    where: str
    label: str
    inputs: dict[str, Array]
    outputs: dict[str, Array]


def _of_npz(path: Path) -> list[_Call]:
    calls: dict[str, _Call] = {}
    try:
        arrays = read_arrays(path, LARGEST)
    except UnsoundArraysError as error:
        raise FreeholdError("answers_unreadable", path=path, reason=str(error)) from None
    for key, array in arrays.items():
        match = _KEY.fullmatch(key)
        if match is None:
            raise FreeholdError("answers_unreadable", path=path, reason=f"the array {key!r} has no in. or out.")
        call = calls.setdefault(match["case"] or "", _Call(f"case {match['case'] or 0}", "", {}, {}))
        (call.inputs if match["way"] == "in" else call.outputs)[match["name"]] = array
    return list(calls.values())


def _of_lines(path: Path, session: Session) -> list[_Call]:
    types = {spec.name: NUMPY_TYPES.get(spec.datatype, "<f4") for spec in (*session.inputs, *session.outputs)}
    calls, wrong = [], []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise FreeholdError("answers_unreadable", path=path, reason=error.strerror or str(error)) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read = msgspec.json.decode(line, type=_Line)
            inputs = {name: np.asarray(value, types.get(name, "<f4")) for name, value in read.inputs.items()}
            outputs = {name: np.asarray(value, types.get(name, "<f4")) for name, value in read.outputs.items()}
            calls.append(_Call(f"line {number}", read.label, inputs, outputs))
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        raise FreeholdError("answers_unreadable", path=path, reason="; ".join(wrong[:10]))
    return calls


def _suit(
    path: Path, where: str, what: str, arrays: Mapping[str, Array], specs: tuple[TensorSpec, ...], *, whole: bool
) -> None:
    known = {spec.name: spec for spec in specs}
    wanted = ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in specs)
    wrong = ", ".join(sorted(arrays.keys() - known.keys())) or (
        ", ".join(sorted(known.keys() - arrays.keys())) if whole or not arrays else ""
    )
    for name, array in arrays.items():
        spec = known.get(name)
        fits = spec is not None and len(spec.shape) == array.ndim
        if spec is not None and not (fits and all(d in (-1, s) for d, s in zip(spec.shape, array.shape, strict=True))):
            wrong = wrong or f"{name} {list(array.shape)}"
    if wrong:
        raise FreeholdError("answers_unsuitable", path=path, where=where, what=what, wrong=wrong, wanted=wanted)


def _packed(arrays: Mapping[str, Array], specs: tuple[TensorSpec, ...]) -> dict[str, Any]:
    types = {spec.name: NUMPY_TYPES.get(spec.datatype) for spec in specs}
    packed = {}
    for name, array in arrays.items():
        if types[name] is None:
            raise FreeholdError("golden_type_unsupported", name=name, datatype="BYTES")
        packed[name] = Tensor.of(array.astype(types[name]))
    return packed


def _label(inputs: Mapping[str, Array], session: Session) -> str:
    first = inputs[session.inputs[0].name]
    return f"batch {first.shape[0]}" if first.ndim and session.inputs[0].shape[0] == -1 else "as given"
