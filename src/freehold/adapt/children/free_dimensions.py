"""Names for the dimensions that a model leaves open, sizes to try them with, and inputs of those sizes.

Standard library and numpy only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from freehold.adapt.children.report import ChildError

Array = np.ndarray[Any, Any]
Shape = tuple[int | str, ...]
"""A free dimension is its name."""
Sizes = Mapping[str, int]

BATCH = "batch"
LENGTH = 16  # of a free dimension that is no batch, where nobody says
AFTER_BATCH = {2: ("length",), 3: ("length", "features"), 4: ("height", "width", "channels")}  # channels last


def named(shapes: Mapping[str, Sequence[int | None]]) -> dict[str, Shape]:
    """The shapes of a model's inputs with every None named: "batch" for the first dimension of each, then "length",
    "height", "width" ...; behind the input's name ("question.length") where several inputs have one.
    """
    plain = {name: [_plain_name(shape, axis) for axis in range(len(shape))] for name, shape in shapes.items()}
    free = [plain[name][axis] for name, shape in shapes.items() for axis, size in enumerate(shape) if size is None]

    def title(name: str, axis: int) -> str:
        known = plain[name][axis]
        return known if known == BATCH or free.count(known) == 1 else f"{name}.{known}"

    return {
        name: tuple(title(name, axis) if size is None else size for axis, size in enumerate(shape))
        for name, shape in shapes.items()
    }


def _plain_name(shape: Sequence[int | None], axis: int) -> str:
    if axis == 0:
        return BATCH
    titles = AFTER_BATCH.get(len(shape), ())
    return titles[axis - 1] if axis <= len(titles) else f"dimension_{axis}"


def sizes_of(shapes: Mapping[str, Shape], samples: Sequence[Sequence[int]]) -> dict[str, int]:
    """What size each free dimension is first tried with: as in `samples`, one an input or none at all (-1: as we like).

    Raises ChildError `input_shapes_count`, `input_shape_misfit` when samples and shapes cannot be of one model.
    """
    sizes: dict[str, int] = {}
    if samples and len(samples) != len(shapes):
        wanted = ", ".join(f"{name} {_written(shape)}" for name, shape in shapes.items())
        raise ChildError("input_shapes_count", found=len(samples), expected=len(shapes), inputs=wanted)
    for (name, shape), sample in zip(shapes.items(), samples or [()] * len(shapes), strict=True):
        fits = len(sample) == len(shape) and all(
            size == -1 or isinstance(dimension, str) or size == dimension
            for size, dimension in zip(sample, shape, strict=True)
        )
        if samples and not fits:
            raise ChildError("input_shape_misfit", name=name, found=_written(sample), expected=_written(shape))
        for dimension, size in zip(shape, sample or (-1,) * len(shape), strict=True):
            if isinstance(dimension, str) and sizes.get(dimension, -1) == -1:
                sizes[dimension] = size
    return {name: size if size > 0 else (1 if name == BATCH else LENGTH) for name, size in sizes.items()}


def _written(shape: Sequence[int | str]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


def cases_of(sizes: Sizes) -> dict[str, dict[str, int]]:
    """Shape classes to record -> the size of each free dimension there."""
    others = {name: size for name, size in sizes.items() if name != BATCH}
    if not sizes:
        return {"fixed": {}}
    if BATCH not in sizes:
        cases = {"sample": dict(sizes)}
    else:
        cases = {f"batch {batch}": {**sizes, BATCH: batch} for batch in (1, 3)}
        cases.setdefault(f"batch {sizes[BATCH]}", dict(sizes))
    if others:
        cases["long"] = {**sizes, **{name: 2 * size for name, size in others.items()}}
    return cases


def filled(shape: Shape, sizes: Sizes) -> tuple[int, ...]:
    """`shape` with the sizes of its free dimensions."""
    return tuple(sizes[one] if isinstance(one, str) else one for one in shape)


def named_by_size(name: str, sizes: Sequence[Sequence[int]], cases: Sequence[Sizes], free: Sequence[bool]) -> Shape:
    """The shape of an output that was seen with `sizes` in `cases`; a `free` dimension that was as large as one of the
    inputs' in every case has its name, else one of its own.
    """
    shape: list[int | str] = []
    for axis, open_ in enumerate(free):
        seen = [each[axis] for each in sizes]
        same = (one for one in cases[0] if [case[one] for case in cases] == seen)
        shape.append(next(same, f"{name}.{axis}") if open_ else seen[0])
    return tuple(shape)


def drawn(shape: tuple[int, ...], dtype: "np.dtype[Any]", below: int, generator: np.random.Generator) -> Array:
    """Seeded values: normal for floats, from 0 up to `below` for integers (ids, pixels), either for booleans."""
    if dtype.kind == "f":
        return np.asarray(generator.standard_normal(shape), dtype)
    if dtype.kind == "b":
        return np.asarray(generator.integers(0, 2, shape), dtype)
    return np.asarray(generator.integers(0, min(below, int(np.iinfo(dtype).max)), shape), dtype)
