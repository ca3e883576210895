"""`freehold verify REF --against OTHER`: the graph that is served beside one that is known to be right."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from freehold.adapt.trace_feeds import Sample, sample_of, samples_of
from freehold.adapt.trace_steps import Trace
from freehold.artifact import Artifact, Case, Tensor, Tolerance, load_goldens, tolerance_for
from freehold.cli.inputs import held
from freehold.cli.local import model_meant
from freehold.cli.parity_text import allowed_text
from freehold.cli.progress import Say
from freehold.cli.samples import text_requests
from freehold.cli.sources import Place, prepared
from freehold.config import ModelConfig
from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.opening import golden_folder
from freehold.engine.tensor import sample_row
from freehold.engine.tokenizer import TextTokenizer
from freehold.engine.verify import tolerance_of
from freehold.errors import FreeholdError

MOST_CASES = 4
SEEDED_CASES = 2


@dataclass(frozen=True)
class _Opened:
    """One side of the comparison: its graph and, of anything but a bare file, its artifact."""

    path: Path
    graph: Path
    artifact: Artifact | None

    @classmethod
    def at(cls, path: Path, device: str) -> "_Opened":
        if path.is_file():
            return cls(path, path, None)
        artifact = Artifact.open(path)
        return cls(path, artifact.graph_for(device), artifact)

    def cases(self) -> list[Case]:
        """Its recorded cases, those of other frameworks first."""
        goldens = sorted(load_goldens(golden_folder(self.path)), key=lambda golden: not golden.raw)
        return [case for golden in goldens for case in golden.cases]


def trace_against(model: ModelConfig, other: str, place: Place, say: Say) -> Trace:
    """Compare every tensor of `model`, on its device, with those of the model at `other`, on the processor.

    Fed are recorded cases of the one or the other, one a shape class, else seeded samples. Raises FreeholdError.
    """
    from freehold.adapt.trace_graphs import trace_graphs

    say(f"{model.id}: opening both graphs")
    reference_model = model_meant(other, os.environ, Path.cwd())
    reference = _Opened.at(prepared(reference_model, place, reference_model.precision), "cpu")
    candidate = _Opened.at(prepared(model, place, model.precision), model.device)
    tolerance = _tolerance(candidate, model)
    samples = _samples(candidate, reference, model)
    return trace_graphs(reference.graph, candidate.graph, samples, tolerance, model.device, say)


def parted(model: ModelConfig, trace: Trace) -> FreeholdError | None:
    """The error of a trace whose last tensor differs; None where the outputs agree, whatever lies inside."""
    first = trace.first
    if first is None or trace.steps[-1].within:
        return None
    return FreeholdError(
        "graphs_differ",
        model=model.id,
        reference=trace.reference,
        node=first.name,
        op=first.kind,
        about=first.about or "-",
        tensor=first.output,
        max_abs=first.gap.max_abs,
        cosine=first.gap.cosine,
        allowed=allowed_text(trace.tolerance),
    )


def _tolerance(candidate: _Opened, model: ModelConfig) -> Tolerance:
    precision = "fp32" if model.precision == "auto" else model.precision
    artifact = candidate.artifact
    return tolerance_for(precision) if artifact is None else tolerance_of(artifact.manifest, precision)


def _samples(candidate: _Opened, reference: _Opened, model: ModelConfig) -> list[Sample]:
    """From the first of the two that has recorded cases; of tensors, those of a bare file will do."""
    for side in (candidate, reference):
        cases = side.cases()
        if cases and side.artifact is not None:
            return samples_of(side.artifact, cases, MOST_CASES)
        if cases:
            return [_of_tensors(case) for case in cases[:MOST_CASES]]
    return _seeded(candidate if candidate.artifact is not None else reference, model)


def _of_tensors(case: Case) -> Sample:
    arrays = {name: value.array() for name, value in case.inputs.items() if isinstance(value, Tensor)}
    return Sample(case.label, arrays=arrays)


def _seeded(side: _Opened, model: ModelConfig) -> list[Sample]:
    """Seeded texts for a model of texts, seeded arrays for all others but decoders, which answer what was asked."""
    artifact = side.artifact
    if artifact is None or artifact.manifest.kind == "tensor":
        return _seeded_arrays(side.graph, model.input_shape)
    manifest = artifact.manifest
    if manifest.kind == "generate":
        raise FreeholdError("trace_no_cases", path=side.path)
    longest = manifest.limits.max_tokens or manifest.limits.positions
    requests = text_requests(manifest.kind, TextTokenizer(artifact.tokenizer, longest), longest)
    cases: Sequence[Case] = [Case(_texts(request), {}, "seeded") for request in islice(requests, SEEDED_CASES)]  # type: ignore[arg-type] # these are the two kinds of text_requests
    return [sample_of(case, manifest, artifact.tokenizer) for case in cases]


def _texts(request: EmbedRequest | RerankRequest) -> dict[str, str | Tensor]:
    if isinstance(request, RerankRequest):
        return {"query": request.query, "text": request.texts[0]}
    return {"text": str(request.texts[0])}


def _seeded_arrays(graph: Path, hint: tuple[int, ...] | None) -> list[Sample]:
    from freehold.adapt.exposed import graph_inputs

    inputs = graph_inputs(graph)
    samples = []
    for seed in range(SEEDED_CASES):
        arrays = sample_row(inputs, hint, seed)
        samples.append(Sample("seeded", arrays={name: held(name, array).array() for name, array in arrays.items()}))
    return samples
