"""The inputs of a trace: one recorded case, laid out as each graph takes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from freehold.artifact import Artifact, Case, Manifest, TensorSpec
from freehold.engine.base import Array, Request, ScoreRequest, TensorRequest
from freehold.engine.embed import TextReader
from freehold.engine.parity import label_of
from freehold.engine.providers import Feeds
from freehold.engine.rerank import PairReader
from freehold.engine.tensor import DTYPES
from freehold.engine.tokenizer import TextTokenizer
from freehold.engine.verify import request_of
from freehold.errors import FreeholdError

LONGEST = 64
"""Tokens of a sequence that a trace is made of: what differs shows with few, and every inner tensor is held."""


@dataclass(frozen=True)
class Sample:
    """One case: the token `ids` and `types` of one sequence, or `arrays` by input name."""

    label: str
    ids: tuple[int, ...] = ()
    types: tuple[int, ...] = ()
    arrays: Mapping[str, Array] = field(default_factory=dict)

    def feeds(self, inputs: Sequence[TensorSpec]) -> Feeds:
        """What a graph with `inputs` is fed: sequences as its layout wants them, arrays by name, else in their order.

        Raises FreeholdError `trace_inputs_unsuited`.
        """
        if self.ids:
            return _of_sequence(self, inputs)
        names = [spec.name for spec in inputs]
        if set(names) <= self.arrays.keys():
            return {name: self.arrays[name] for name in names}
        if len(names) != len(self.arrays):
            raise FreeholdError("trace_inputs_unsuited", wanted=", ".join(names), given=", ".join(self.arrays))
        return dict(zip(names, self.arrays.values(), strict=True))


def sample_of(case: Case, manifest: Manifest, tokenizer: Path) -> Sample:
    """A recorded case with its texts read by `tokenizer`, cut at `LONGEST` tokens. Raises FreeholdError."""
    request = request_of(case, manifest)
    label = label_of(case)
    if isinstance(request, TensorRequest):
        return Sample(label, arrays=request.inputs)
    if isinstance(request, ScoreRequest):
        return Sample(label, (*request.prompt, *request.answer)[:LONGEST])
    return _of_text(request, label, manifest, tokenizer)


def samples_of(artifact: Artifact, cases: Sequence[Case], most: int = 4) -> list[Sample]:
    """One case of every shape class, at most `most`, for `artifact`: of texts the longest. Raises FreeholdError."""
    classes: dict[str, list[Case]] = {}
    for case in cases:
        classes.setdefault(label_of(case), []).append(case)
    chosen = [max(group, key=_characters) for group in classes.values()]
    return [sample_of(case, artifact.manifest, artifact.tokenizer) for case in chosen[:most]]


def _characters(case: Case) -> int:
    return sum(len(value) for value in case.inputs.values() if isinstance(value, str))


def _of_text(request: Request, label: str, manifest: Manifest, tokenizer: Path) -> Sample:
    reader = PairReader(manifest.pair) if manifest.kind == "rerank" else TextReader()
    longest = min(manifest.limits.max_tokens or LONGEST, LONGEST)
    (sequence,) = reader.encode(TextTokenizer(tokenizer, longest), request)
    return Sample(label, tuple(sequence.ids), tuple(sequence.type_ids))


def _of_sequence(sample: Sample, inputs: Sequence[TensorSpec]) -> Feeds:
    """One sequence alone: packed [tokens], padded [1, tokens], or appended to an empty slot or an empty past."""
    count = len(sample.ids)
    in_slots = any(spec.name == "seqlens_k" for spec in inputs)
    packed = any(spec.name == "sequence_starts" for spec in inputs)

    def row(ids: Sequence[int]) -> Array:
        return np.array(ids if packed else [ids])

    known: dict[str, Callable[[], Array]] = {
        "input_ids": lambda: row(sample.ids),
        "token_type_ids": lambda: row(sample.types or (0,) * count),
        "attention_mask": lambda: row((1,) * count),
        "position_ids": lambda: row(range(count)),
        "sequence_ids": lambda: np.zeros(count),
        "sequence_starts": lambda: np.zeros(1),
        "seqlens_k": lambda: np.array([count - 1]),
        "total_length": lambda: np.array(count),
        "logits_at": lambda: np.arange(count),
    }
    feeds: Feeds = {}
    for spec in inputs:
        if spec.name in known:
            feeds[spec.name] = known[spec.name]().astype(DTYPES[spec.datatype])
        elif spec.name.startswith("past") and len(spec.shape) == 4:
            _, heads, _, size = spec.shape
            feeds[spec.name] = np.zeros((1, heads, count if in_slots else 0, size), DTYPES[spec.datatype])
        else:
            raise FreeholdError("trace_inputs_unsuited", wanted=spec.name, given=", ".join(known))
    return feeds
