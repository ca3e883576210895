"""Recorded cases through an engine, each by one run of `trtexec`: needs no library of TensorRT in this process."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from freehold.adapt.tensorrt.process import run_trtexec
from freehold.adapt.tensorrt.subject import Subject
from freehold.adapt.tensorrt.trtexec import numbers, replay_command
from freehold.artifact import Case, Golden, Manifest
from freehold.engine.base import Answer, Array, EmbedRequest, Proof, RerankRequest, TensorRequest
from freehold.engine.embed import TextReader
from freehold.engine.encoder import laying_of
from freehold.engine.providers import Feeds
from freehold.engine.rerank import PairReader
from freehold.engine.tensor import DTYPES
from freehold.engine.tokenizer import TextTokenizer
from freehold.engine.verify import first_difference, request_of
from freehold.errors import FreeholdError

MOST_CASES = 12
"""A run takes seconds to start: of more cases one of each shape class is replayed, then others in their order."""
CASE_S = 300.0
WIDE_INTEGERS = 10
"""The first TensorRT with int64; older ones take int32 for it."""
PRINTED = 5e-6
"""trtexec prints six significant digits: what differs by no more of itself is what the printing took."""

_NO_NUMBER = re.compile(r"(?<![\w\"])(-?)(nan|inf)(?![\w\"])", re.IGNORECASE)


@dataclass(frozen=True)
class Replayed:
    """One engine and what is needed to ask it."""

    program: str
    engine: Path
    version: str
    gpu: int
    subject: Subject
    work: Path

    def prove(self, manifest: Manifest) -> Proof:
        """Replay recorded cases within the tolerance of `manifest`. Raises FreeholdError as `run_trtexec`."""
        chosen = choose(self.subject.goldens)
        if not chosen:
            return Proof("none")
        for place, (golden, case) in enumerate(chosen):
            difference = first_difference(case, self.answer(case), manifest, "fp32")
            if difference is not None:
                failure = FreeholdError(
                    "tensorrt_proof_failed",
                    name=manifest.name,
                    output=difference.output,
                    expected=difference.expected,
                    seen=difference.seen,
                    measure=difference.measure,
                    allowed=difference.allowed,
                )
                return Proof("failed", self._total, place + 1, golden.recorded_by.framework, failure)
        raw = [golden for golden, _ in chosen if golden.raw]
        who = (raw or [golden for golden, _ in chosen])[0].recorded_by
        return Proof("raw" if raw else "self", self._total, len(chosen), f"{who.framework} {who.version}")

    @property
    def _total(self) -> int:
        return sum(len(golden.cases) for golden in self.subject.goldens)

    def answer(self, case: Case) -> Answer:
        """What the engine answers to `case`, to the digits that are printed."""
        feeds = feeds_of(case, self.subject)
        files = {}
        narrow = numbers(self.version)[0] < WIDE_INTEGERS
        for place, (name, array) in enumerate(feeds.items()):
            files[name] = self.work / f"input-{place}.bin"
            stored = array.astype(np.int32) if narrow and array.dtype == np.int64 else array
            files[name].write_bytes(np.ascontiguousarray(stored).tobytes())
        output = self.work / "outputs.json"
        output.unlink(missing_ok=True)
        shapes = {port.name: feeds[port.name].shape for port in self.subject.inputs if port.free}
        command = replay_command(self.program, self.engine, self.gpu, shapes, files, output)
        run_trtexec(command, self.work / "replay.log", CASE_S, lambda _: None)
        return Answer(_as_recorded(case, read_outputs(output, self.subject), self.subject.artifact.manifest))


def choose(goldens: Sequence[Golden]) -> list[tuple[Golden, Case]]:
    """At most `MOST_CASES` cases: the first of every label, then the rest in order."""
    every = [(golden, case) for golden in goldens for case in golden.cases]
    labels: set[str] = set()
    first: list[tuple[Golden, Case]] = []
    rest: list[tuple[Golden, Case]] = []
    for golden, case in every:
        (rest if case.label in labels else first).append((golden, case))
        labels.add(case.label)
    return [*first, *rest][:MOST_CASES]


def feeds_of(case: Case, subject: Subject) -> Feeds:
    """A recorded case as the graph takes it, by input name. Raises FreeholdError `golden_invalid`."""
    manifest = subject.artifact.manifest
    request = request_of(case, manifest)
    if isinstance(request, TensorRequest):
        types = {port.name: DTYPES[port.datatype] for port in subject.inputs}
        return {name: request.inputs[name].astype(dtype, copy=False) for name, dtype in types.items()}
    assert isinstance(request, EmbedRequest | RerankRequest)  # subjects of other kinds are refused
    reader = PairReader(manifest.pair) if manifest.kind == "rerank" else TextReader()
    limits = manifest.limits
    sequences = reader.encode(TextTokenizer(subject.artifact.tokenizer, limits.max_tokens or limits.positions), request)
    return laying_of(manifest)(sequences)


def read_outputs(path: Path, subject: Subject) -> dict[str, Array]:
    """What `--exportOutput` wrote: [{"name", "dimensions": "1x384", "values": [...]}]. Raises `tensorrt_output`."""
    types = {port.name: DTYPES[port.datatype] for port in subject.outputs}
    try:
        text = _NO_NUMBER.sub(_as_json, path.read_text(encoding="utf-8"))
        return {entry["name"]: _array(entry, types[entry["name"]]) for entry in json.loads(text)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FreeholdError("tensorrt_output", path=path, reason=f"{type(error).__name__}: {error}") from error


def _array(entry: dict[str, Any], dtype: np.dtype[Any]) -> Array:
    shape = tuple(int(size) for size in str(entry["dimensions"]).split("x") if size)
    return np.array(entry["values"], dtype).reshape(shape)


def _as_json(match: re.Match[str]) -> str:
    """As Python's reader of JSON takes them."""
    return f"{match[1]}Infinity" if match[2].lower() == "inf" else "NaN"


def _as_recorded(case: Case, outputs: dict[str, Array], manifest: Manifest) -> dict[str, Array]:
    """The outputs with what differs from the record only by printing put back."""
    result = {}
    for name, array in outputs.items():
        recorded = case.outputs.get(name)
        if recorded is not None and array.dtype.kind == "f":
            expected = recorded.array()
            expected = expected if manifest.kind == "tensor" else expected[np.newaxis]
            if expected.shape == array.shape:
                near = np.abs(expected - array) <= PRINTED * np.abs(expected)
                array = np.where(near, expected, array)  # noqa: PLW2901 - the same numbers, with all their digits
        result[name] = array
    return result
