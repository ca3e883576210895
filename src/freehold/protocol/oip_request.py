"""An inference of the Open Inference Protocol, read and checked, whether it came over REST or gRPC."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from freehold.artifact import TensorSpec
from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.oip_regions import Part, part_of
from freehold.protocol.oip_tensors import DATATYPES, Array, Datatype

Parameter = str | int | float | bool

HALVES = ("FP16", "BF16")
"""What JSON has no form for, in this protocol."""


class OutputWanted(NamedTuple):
    """One output that the answer carries. `classes` above 0 asks for the best so many in place of the values, as BYTES
    `value:index[:label]` (Triton's classification extension); `part` is where in shared memory it is to be written."""

    name: str
    datatype: str
    binary: bool
    classes: int = 0
    part: Part | None = None


class Schedule(NamedTuple):
    """When a request's turn must have come, in seconds from its arrival, None where the model's own deadline holds; and
    whether it lets all others go first."""

    timeout_s: float | None = None
    later: bool = False


class InferRequest(msgspec.Struct, frozen=True):
    """A checked request: every input of the model, with its dtype and a shape that fits, and the outputs in order."""

    inputs: dict[str, Array]
    outputs: tuple[OutputWanted, ...]
    requested: tuple[str, ...] = ()  # the names that the client asked for; () when it did not say, which means all
    id: str | None = None
    parameters: Mapping[str, Parameter] = {}
    schedule: Schedule = Schedule()


def check_input(spec: TensorSpec, datatype: str, shape: Sequence[int]) -> Datatype:
    """The datatype of an input as a client announces it, when it and the shape are those of the model.

    Raises `datatype_wrong` and `shape_wrong`.
    """
    if datatype != spec.datatype:
        raise FreeholdError("datatype_wrong", name=spec.name, seen=wire.brief(datatype), expected=spec.datatype)
    dimensions = spec.shape
    if len(shape) == len(dimensions):
        for seen, expected in zip(shape, dimensions, strict=True):
            if seen != expected and expected >= 0:
                break
        else:
            return DATATYPES[spec.datatype]
    raise FreeholdError("shape_wrong", name=spec.name, seen=wire.brief(shape), expected=list(dimensions))


def declared_input(name: str, declared: Mapping[str, TensorSpec], arrays: Mapping[str, Array]) -> TensorSpec:
    """The model's input of that name, where `arrays` has none yet. Raises `input_unknown`, `input_duplicate`."""
    spec = declared.get(name)
    if spec is None:
        raise FreeholdError("input_unknown", name=wire.brief(name), inputs=list(declared))
    if name in arrays:
        raise FreeholdError("input_duplicate", name=name)
    return spec


def check_complete(declared: Mapping[str, TensorSpec], arrays: Mapping[str, Array]) -> None:
    """Raises `input_missing` where an input of the model was not given."""
    if len(arrays) != len(declared):
        raise FreeholdError("input_missing", names=[name for name in declared if name not in arrays])


def all_outputs(specs: Sequence[TensorSpec], *, binary: bool) -> tuple[OutputWanted, ...]:
    """Every output of the model, for a request that names none. Raises `half_out_json`."""
    return tuple([wanted(spec, binary=binary) for spec in specs])


def wanted_outputs(
    specs: Sequence[TensorSpec], asked: Sequence[tuple[str, Mapping[str, Parameter]]], *, binary: bool
) -> tuple[OutputWanted, ...]:
    """The outputs that a request names, each with its parameters; `binary` where these do not say.

    Raises `output_unknown`, `output_duplicate`, `parameter_invalid` and `half_out_json`.
    """
    declared = {spec.name: spec for spec in specs}
    found: dict[str, OutputWanted] = {}
    for name, parameters in asked:
        spec = declared.get(name)
        if spec is None:
            raise FreeholdError("output_unknown", name=wire.brief(name), outputs=list(declared))
        if name in found:
            raise FreeholdError("output_duplicate", name=name)
        part = part_of(parameters) if parameters else None
        found[name] = wanted(
            spec,
            binary=part is not None or flag(parameters, "binary_data", binary),
            classes=whole(parameters, "classification") if "classification" in parameters else 0,
            part=part,
        )
    return tuple(found.values())


def wanted(spec: TensorSpec, *, binary: bool, classes: int = 0, part: Part | None = None) -> OutputWanted:
    """One output as it is to be answered. Raises `half_out_json`, `classes_unordered`."""
    if classes:
        if spec.datatype in ("BYTES", "BOOL", "BF16"):
            raise FreeholdError("classes_unordered", name=spec.name, datatype=spec.datatype)
        return OutputWanted(spec.name, "BYTES", binary, classes, part)
    if not binary and spec.datatype in HALVES:
        raise FreeholdError("half_out_json", name=spec.name, datatype=spec.datatype)
    return OutputWanted(spec.name, spec.datatype, binary, 0, part)


def schedule(parameters: Mapping[str, Parameter]) -> Schedule:
    """What `timeout` (microseconds; 0 and absent leave it to the model) and `priority` of a request ask for.

    There are two levels, as of a model of Triton with `priority_levels: 2, default_priority_level: 1`: 1 is the first
    and that of requests which name none, so that nobody can go before those; from 2 on a request waits behind them.
    Raises `parameter_invalid`.
    """
    if not parameters:
        return _AS_THE_MODEL
    later = whole(parameters, "priority") > 1
    timeout_us = whole(parameters, "timeout")
    return Schedule(timeout_us / 1e6 if timeout_us else None, later) if later or timeout_us else _AS_THE_MODEL


def given(parameters: Mapping[str, Parameter | None] | None) -> Mapping[str, Parameter]:
    """Those that have a value: null is the same as leaving one out, or all of them."""
    return {name: value for name, value in parameters.items() if value is not None} if parameters else _NONE


def flag(parameters: Mapping[str, Parameter], name: str, default: bool) -> bool:
    """A parameter that is true or false. Raises `parameter_invalid`."""
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise FreeholdError("parameter_invalid", parameter=name, value=wire.brief(value), expected="true or false")
    return value


def whole(parameters: Mapping[str, Parameter], name: str) -> int:
    """A parameter that is a whole number from 0 to 2^63 - 1, 0 where it is absent. Raises `parameter_invalid`."""
    value = parameters.get(name, 0)
    if type(value) is not int or not 0 <= value < 2**63:
        raise FreeholdError(
            "parameter_invalid", parameter=name, value=wire.brief(value), expected="a whole number of at least 0"
        )
    return value


_AS_THE_MODEL = Schedule()
_NONE: Mapping[str, Parameter] = {}
