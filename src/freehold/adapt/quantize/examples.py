"""What a quantization is measured with: lines of JSON that a user wrote, read whole before anything starts."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from freehold.artifact import Case, Manifest, Tensor
from freehold.artifact.golden import NUMPY_TYPES
from freehold.engine.base import Array
from freehold.errors import FreeholdError

FORMS = {
    "embed": '{"text": "...", "label": "..."}',
    "classify": '{"text": "...", "label": "..."}',
    "rerank": '{"query": "...", "text": "...", "label": 1}',
    "generate": '{"text": "..."} or {"input": "...", "expected": "..."}',
    "tensor": '{"input": {"NAME": [[0.5, ...], ...]}, "expected": 3}',
}
SHOWN = 10
"""Broken lines of which the reason is told; of the others, the numbers."""


@dataclass(frozen=True)
class Example:
    """One input by the names of its parts, and what is expected of it (a label, a class, an answer) where it is known.

    Of text kinds the parts are `text` and, of rerankers, `query`; of tensors the graph's inputs; of models that
    generate, `prompt_ids` and `answer_ids` where they are recorded, else `text`.
    """

    parts: Mapping[str, str | Array]
    expected: str | float | None = None

    def text(self, part: str = "text") -> str:
        """A part that is text."""
        value = self.parts[part]
        assert isinstance(value, str), f"{part} is no text"
        return value


def read_examples(path: Path, manifest: Manifest) -> list[Example]:
    """Every line of a file; empty lines are passed over.

    Raises FreeholdError `quantize_data_unreadable`, `quantize_data_empty`, and `quantize_data_broken`, which tells
    every line that is wrong, with its number.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise FreeholdError("quantize_data_unreadable", path=path, reason=error.strerror or str(error)) from error
    examples: list[Example] = []
    broken: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            examples.append(_example(line, manifest))
        except (ValueError, TypeError, msgspec.MsgspecError) as error:
            broken.append((number, " ".join(str(error).split())[:120]))
    if broken:
        told = [f"line {number}: {reason}" for number, reason in broken[:SHOWN]]
        rest = [str(number) for number, _ in broken[SHOWN:]]
        told += [f"and lines {', '.join(rest)}"] if rest else []
        form = FORMS[manifest.kind]
        raise FreeholdError("quantize_data_broken", path=path, count=len(broken), lines="; ".join(told), form=form)
    if not examples:
        raise FreeholdError("quantize_data_empty", path=path, form=FORMS[manifest.kind])
    return examples


def recorded_examples(cases: Sequence[Case], kind: str) -> list[Example]:
    """The inputs of golden cases; of a model that generates, with the answers that were recorded."""
    examples = []
    for case in cases:
        parts = {name: one.array() if isinstance(one, Tensor) else one for name, one in case.inputs.items()}
        if kind == "generate":
            parts["answer_ids"] = case.outputs["token_ids"].array()
        examples.append(Example(parts))
    return examples


def random_examples(manifest: Manifest, count: int, seed: int) -> list[Example]:
    """Standard normal values (integers: 0 and 1) for every input of a tensor graph; free dimensions are 1, the first
    one 4."""
    rng = np.random.default_rng(seed)

    def values(shape: tuple[int, ...], datatype: str) -> Array:
        sizes = [size if size > 0 else 4 if place == 0 else 1 for place, size in enumerate(shape)]
        dtype = np.dtype(NUMPY_TYPES[datatype])
        drawn = rng.standard_normal(sizes) if dtype.kind == "f" else rng.integers(0, 2, sizes)
        return np.asarray(drawn, dtype)

    return [Example({spec.name: values(spec.shape, spec.datatype) for spec in manifest.inputs}) for _ in range(count)]


def halves(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """A seeded half for calibration and the rest, which is held out; a lone example is both."""
    shuffled = list(examples)
    random.Random(seed).shuffle(shuffled)
    middle = len(shuffled) // 2
    return (shuffled[:middle] or shuffled, shuffled[middle:])


def _example(line: bytes, manifest: Manifest) -> Example:
    document = msgspec.json.decode(line)
    if not isinstance(document, dict):
        raise TypeError(f"an object is wanted, not {type(document).__name__}")
    return READERS[manifest.kind](document, manifest)


def _text(document: dict[str, Any], manifest: Manifest) -> Example:
    parts = ("query", "text") if manifest.kind == "rerank" else ("text",)
    _check_keys(document, parts, "label")
    label = document.get("label")
    if manifest.kind == "rerank" and label is not None and not isinstance(label, int | float):
        raise TypeError(f"a number is wanted as `label`, not {label!r}")
    if manifest.labels and label is not None and str(label) not in manifest.labels:
        raise ValueError(f"the model has no label {label!r}, but {', '.join(manifest.labels[:8])}")
    return Example({name: _string(document, name) for name in parts}, label)


def _generation(document: dict[str, Any], manifest: Manifest) -> Example:
    if "input" not in document:
        _check_keys(document, ("text",))
        return Example({"text": _string(document, "text")})
    _check_keys(document, ("input", "expected"))
    return Example({"text": _string(document, "input")}, _string(document, "expected"))


def _tensors(document: dict[str, Any], manifest: Manifest) -> Example:
    _check_keys(document, ("input",), "expected")
    given = document["input"]
    names = {spec.name for spec in manifest.inputs}
    if not isinstance(given, dict):
        given = {next(iter(names)): given} if len(names) == 1 else {}
    if set(given) != names:
        raise ValueError(f"its inputs are {sorted(given)}, the graph's are {sorted(names)}")
    arrays: dict[str, Array] = {}
    for spec in manifest.inputs:
        array = np.asarray(given[spec.name], np.dtype(NUMPY_TYPES[spec.datatype]))
        fits = len(spec.shape) == array.ndim and all(
            want in (-1, have) for want, have in zip(spec.shape, array.shape, strict=True)
        )
        if not fits:
            raise ValueError(f"{spec.name} has the shape {list(array.shape)}, wanted is {list(spec.shape)}")
        arrays[spec.name] = array
    expected = document.get("expected")
    if expected is not None and not isinstance(expected, int):
        raise TypeError(f"the number of a class is wanted as `expected`, not {expected!r}")
    return Example(arrays, expected)


READERS: Mapping[str, Callable[[dict[str, Any], Manifest], Example]] = {
    "embed": _text,
    "classify": _text,
    "rerank": _text,
    "generate": _generation,
    "tensor": _tensors,
}


def _check_keys(document: dict[str, Any], wanted: Sequence[str], optional: str = "") -> None:
    missing = [name for name in wanted if name not in document]
    unknown = sorted(set(document) - {*wanted, optional})
    if missing or unknown:
        said = [f"`{name}` is missing" for name in missing] + [f"`{name}` is not known" for name in unknown]
        raise ValueError(", ".join(said))


def _string(document: dict[str, Any], name: str) -> str:
    value = document[name]
    if not isinstance(value, str):
        raise TypeError(f"text is wanted as `{name}`, not {type(value).__name__}")
    return value
