"""The shapes that an engine is built for: the least, the most, and those that it is fastest at.

TensorRT compiles for a range of every free dimension ("optimization profile") and refuses shapes outside of it, so a
range must cover what the engine of the house will ask: batches up to its largest budget, texts up to their limit.
"""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from freehold.adapt.input_shapes import InputShape
from freehold.adapt.tensorrt.subject import Port, Subject
from freehold.artifact import Case, Manifest, Tensor
from freehold.engine.encoder import BUDGETS_TOKENS
from freehold.engine.settings import DEFAULT_BUDGET_TOKENS
from freehold.engine.tensor import BUDGETS_ROWS
from freehold.errors import FreeholdError

USUAL_ROWS = 16
USUAL_SEQUENCES = 8
USUAL_LENGTH = 128
LEAST_TOKENS = 2
"""Tokens of the shortest text: its first and its last. By it, how many texts a batch of so many tokens may have."""


@dataclass(frozen=True)
class Range:
    """Sizes of one free dimension."""

    least: int
    usual: int
    most: int


@dataclass(frozen=True)
class Profile:
    """The shapes of one input that has free dimensions."""

    name: str
    least: tuple[int, ...]
    usual: tuple[int, ...]
    most: tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """What the user said of shapes, by input name; what is left out is derived."""

    least: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    usual: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    most: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, least: Iterable[InputShape], usual: Iterable[InputShape], most: Iterable[InputShape]) -> "Asked":
        """Raises FreeholdError `tensorrt_shape_nameless`."""
        bounds = []
        for flag, shapes in (("--min", least), ("--opt", usual), ("--max", most)):
            listed = [*shapes]
            nameless = next((shape for shape in listed if not shape.name), None)
            if nameless is not None:
                raise FreeholdError("tensorrt_shape_nameless", flag=flag, shape=shape_text(nameless.dims))
            bounds.append({shape.name: shape.dims for shape in listed})
        return cls(*bounds)


def shape_text(dims: Sequence[int]) -> str:
    """As trtexec writes shapes: 1x32x1024."""
    return "x".join(map(str, dims))


def profiles_of(subject: Subject, asked: Asked) -> tuple[Profile, ...]:
    """One profile for each input with free dimensions, in the graph's order.

    Dimensions of one symbol have one range. Raises FreeholdError `tensorrt_shape_unknown` where nothing says how large
    a dimension may be, `tensorrt_shape_invalid` where what was asked for does not suit the graph, and
    `tensorrt_golden_outside` where a recorded case could not be replayed.
    """
    cases = [case for golden in subject.goldens for case in golden.cases]
    seen = _sizes_seen(subject.inputs, cases)
    ranges = _derived(subject.inputs, subject.artifact.manifest, seen)
    ranges = _overruled(subject.inputs, ranges, asked)
    missing = next((port for port in subject.inputs if not all(_known(dim, ranges) for dim in port.dims)), None)
    if missing is not None:
        dims = [str(dim) for dim in missing.dims]
        shape = shape_text([dim if isinstance(dim, int) else 8 for dim in missing.dims])
        raise FreeholdError("tensorrt_shape_unknown", name=missing.name, dims=", ".join(dims), shape=shape)
    for symbol, sizes in seen.items():
        span = ranges[symbol]
        outside = [size for size in sizes if not span.least <= size <= span.most]
        if outside:
            raise FreeholdError(
                "tensorrt_golden_outside", size=outside[0], dim=symbol, least=span.least, most=span.most
            )
    return tuple(_profile(port, ranges) for port in subject.inputs if port.free)


def _known(dim: int | str, ranges: Mapping[str, Range]) -> bool:
    return isinstance(dim, int) or dim in ranges


def _profile(port: Port, ranges: Mapping[str, Range]) -> Profile:
    spans = [ranges[dim] if isinstance(dim, str) else Range(dim, dim, dim) for dim in port.dims]
    least, usual, most = (tuple(getattr(span, bound) for span in spans) for bound in ("least", "usual", "most"))
    return Profile(port.name, least, usual, most)


def _sizes_seen(inputs: Sequence[Port], cases: Sequence[Case]) -> dict[str, list[int]]:
    """By symbol, the sizes that recorded tensors have there."""
    seen: dict[str, list[int]] = {}
    for case in cases:
        for port in inputs:
            tensor = case.inputs.get(port.name)
            if isinstance(tensor, Tensor) and len(tensor.shape) == len(port.dims):
                for dim, size in zip(port.dims, tensor.shape, strict=True):
                    if isinstance(dim, str):
                        seen.setdefault(dim, []).append(size)
    return seen


def _derived(inputs: Sequence[Port], manifest: Manifest, seen: Mapping[str, list[int]]) -> dict[str, Range]:
    """What layout, limits and recorded cases say; nothing for dimensions that none of them knows."""
    ranges: dict[str, Range] = {}
    for port in inputs:
        for axis, dim in enumerate(port.dims):
            if isinstance(dim, str) and dim not in ranges:
                found = _of_text(port, axis, manifest) or _of_tensor(axis, seen.get(dim, []))
                if found is not None:
                    ranges[dim] = found
    return ranges


def _of_text(port: Port, axis: int, manifest: Manifest) -> Range | None:
    """Of the inputs of text encoders, whose batches are counted in tokens."""
    longest = manifest.limits.max_tokens or manifest.limits.positions or BUDGETS_TOKENS[-1]
    tokens = max(longest, BUDGETS_TOKENS[-1])  # a text that is longer than the budget goes alone
    sequences = Range(1, USUAL_SEQUENCES, max(1, tokens // LEAST_TOKENS))
    if manifest.layout == "packed":
        return sequences if port.name == "sequence_starts" else Range(1, DEFAULT_BUDGET_TOKENS, tokens)
    if manifest.layout == "padded":
        return sequences if axis == 0 else Range(1, min(USUAL_LENGTH, longest), longest)
    return None


def _of_tensor(axis: int, seen: Sequence[int]) -> Range | None:
    """The first dimension is the batch, up to the largest that the engine joins; others are as they were recorded."""
    if axis == 0:
        return Range(1, USUAL_ROWS, max(BUDGETS_ROWS[-1], *seen, 1))
    return Range(min(seen), int(statistics.median_low(seen)), max(seen)) if seen else None


def _overruled(inputs: Sequence[Port], ranges: Mapping[str, Range], asked: Asked) -> dict[str, Range]:
    """With what was asked for in place of what was derived; the usual size moves into the range that results."""
    said: dict[str, dict[str, int]] = {}
    ports = {port.name: port for port in inputs}
    for bound in ("least", "usual", "most"):
        for name, dims in getattr(asked, bound).items():
            for symbol, size in _sizes(ports, name, dims):
                earlier = said.setdefault(symbol, {}).setdefault(bound, size)
                if earlier != size:
                    raise _invalid(name, dims, f"{symbol} is {earlier} in another input")
    result = dict(ranges)
    for symbol, bounds in said.items():
        known = ranges.get(symbol)
        if known is None and "most" not in bounds:
            continue  # it is said to be unknown
        most = bounds.get("most", known.most if known else 0)
        least = bounds.get("least", min(known.least, most) if known else 1)
        usual = bounds.get("usual", min(max(known.usual, least), most) if known else most)
        if not least <= usual <= most:
            raise _invalid(symbol, (least, usual, most), "the least may not exceed the usual, nor that the most")
        result[symbol] = Range(least, usual, most)
    return result


def _sizes(ports: Mapping[str, Port], name: str, dims: tuple[int, ...]) -> Iterable[tuple[str, int]]:
    """The free dimensions of an input with the sizes asked for. Raises FreeholdError `tensorrt_shape_invalid`."""
    if name not in ports:
        raise _invalid(name, dims, f"the graph's inputs are {', '.join(ports)}")
    port = ports[name]
    fits = len(port.dims) == len(dims) and all(
        isinstance(own, str) or own == size for own, size in zip(port.dims, dims, strict=True)
    )
    if not fits:
        raise _invalid(name, dims, f"the graph has [{', '.join(map(str, port.dims))}]")
    return [(own, size) for own, size in zip(port.dims, dims, strict=True) if isinstance(own, str)]


def _invalid(name: str, dims: Sequence[int], reason: str) -> FreeholdError:
    return FreeholdError("tensorrt_shape_invalid", name=name, shape=shape_text(dims), reason=reason)
