"""A quantization from what is asked to an artifact with its report."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import onnxruntime

from freehold import __version__
from freehold.adapt.quantize.activations import CUT, row_settings, watch
from freehold.adapt.quantize.examples import Example, halves, random_examples, read_examples
from freehold.adapt.quantize.forms import Form
from freehold.adapt.quantize.laboratory import Laboratory
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.plan import (
    Activations,
    Method,
    Quantization,
    calibrates,
    form_of,
    ladder_of,
    method_of,
    units_wanted,
)
from freehold.adapt.quantize.proving import MARGIN, prove
from freehold.adapt.quantize.quality import DEFAULTS, Metric, Quality
from freehold.adapt.quantize.report import SCHEMA, Data, Proof, Report
from freehold.adapt.quantize.rewrite import Forms, rewrite
from freehold.adapt.quantize.search import Cost, Found, Group, Say, costs, groups_of, search
from freehold.adapt.quantize.speed import measure_speed
from freehold.adapt.quantize.tasks import FeedTask, Task, task_of
from freehold.adapt.quantize.units import FloatGraph, Unit
from freehold.artifact import Artifact, MadeBy, Manifest, write_manifest
from freehold.artifact.artifact import FULL, rewrite_manifest
from freehold.artifact.external_data import weight_bytes
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError
from freehold.machine import free_bytes, read_cpu

TOOL = "freehold.adapt.quantize"
SAMPLES = 64
"""Built-in examples beside the goldens, where the user brings none."""
SCRATCH = 2.0
"""Bytes of scratch for each byte of the parent's graph: its weights in float and in the other forms."""

Texts = Callable[[TextTokenizer, int, int], Iterable[str]]
"""Endless built-in texts for a tokenizer, of a length at most, from a seed."""


class Quantized(NamedTuple):
    """What was made: the artifact's folder, and what is to be said about it."""

    folder: Path
    report: Report


def quantize(asked: Quantization, work: Path, texts: Texts, say: Say) -> Quantized:
    """Write the quantized artifact into the empty folder `work`, which is the caller's to remove.

    The parent stays as it is. `texts` are measured with where the user brings no examples. Raises FreeholdError before
    anything is computed for whatever is wrong with what was asked: `quantize_already`, `quantize_nothing`,
    `quantize_keep_unknown`, `quantize_method_unsuited`, `quantize_opset_old`, `quantize_data_*`, `quantize_disk_full`;
    later `quantize_metric_unsuited`, `quantize_quality_unreached`, `quantize_proof_failed`, `quantize_disk_full`, and
    what opening graphs raises.
    """
    say("reading")
    needed = int(SCRATCH * _graph_bytes(asked.path))
    if free_bytes(work) < needed:
        raise _full(work, needed)
    parent = Parent.open(asked.path, asked.ref)
    method = method_of(asked, parent.manifest)
    graph = FloatGraph.open(parent.graph, asked.ref)
    units = units_wanted(graph, asked)
    calibration, held_out, data = _examples(asked, parent, texts)
    try:
        run = _Run(asked, parent, graph, units, method, work, say)
        return run.make(task_of(parent.artifact, calibration), task_of(parent.artifact, held_out), data)
    except OSError as error:
        if error.errno in FULL:
            raise _full(work, needed) from error
        raise


@dataclass
class _Run:
    """One quantization whose question is known to be sound."""

    asked: Quantization
    parent: Parent
    graph: FloatGraph
    units: Sequence[Unit]
    method: Method
    work: Path
    say: Say
    metric: Metric = field(init=False)

    def __post_init__(self) -> None:
        self.metric = self.asked.metric or DEFAULTS[self.parent.manifest.kind]

    def make(self, calibration: Task, held_out: Task, data: Data) -> Quantized:
        """Measure, search where a quality is wanted, write, prove."""
        seen = self._seen(calibration)
        form = form_of(self.asked.to, self.method, seen)
        searched = self.asked.min_quality is not None
        ladder = ladder_of(self.asked.to, self.method, seen) if searched else ()
        self.say("writing weights in every form")
        scratch = self.work / "scratch"
        scratch.mkdir()
        forms_tried = (form, *(one for one in ladder if one is not None))
        laboratory = Laboratory.open(self.graph, self.parent.manifest, scratch, forms_tried)
        found, ranked = self._found(laboratory, form, ladder, calibration, held_out)
        folder = self.work / "artifact"
        artifact, proof = self._write(folder, found.forms, found.quality)
        self.say("timing")
        speed = measure_speed(held_out, laboratory.float_graph, artifact.graph, self.asked.seed)
        shutil.rmtree(scratch)
        report = Report(
            schema=SCHEMA,
            kind=artifact.manifest.kind,
            name=self.asked.name,
            digest=artifact.digest,
            parent=self.parent.digest,
            precision=self.asked.to,
            method=self.method,
            form=form.name,
            metric=self.metric,
            sensitivity_metric=self._metric_for(calibration),
            size_before=self.parent.graph_bytes,
            size_after=sum(file.stat().st_size for file in folder.glob("model.onnx*")),
            quality=found.quality,
            speed=speed,
            proof=proof,
            data=data,
            sensitivity=tuple(ranked),
            kept=self._kept(found.forms, form),
            quantized=sum(1 for one in found.forms.values() if one == form),
            machine=read_cpu().model,
            made_with=artifact.manifest.made_with,
            seed=self.asked.seed,
            min_quality=self.asked.min_quality,
            search=found.steps,
        )
        return Quantized(folder, report)

    def _seen(self, calibration: Task) -> Activations:
        """What activations are like; nothing where no form needs to know, and for models that generate."""
        if not calibrates(self.asked, self.method) or not isinstance(calibration, FeedTask):
            return Activations({}, {})
        self.say("calibrating")
        scratch = self.work / "calibration"
        scratch.mkdir()
        plain = Laboratory.open(self.graph, self.parent.manifest, scratch, ())
        seen = watch(self.graph, plain.float_graph, calibration.feeds)
        shutil.rmtree(scratch)
        return Activations(row_settings(self.graph, seen), {name: one.range for name, one in seen.items()})

    def _found(
        self,
        laboratory: Laboratory,
        form: Form,
        ladder: Sequence[Form | None],
        calibration: Task,
        held_out: Task,
    ) -> tuple[Found, list[Cost]]:
        """The forms that are taken, and what each group of weights costs alone."""
        forms: Forms = {unit.name: form for unit in self.units}
        self.say("measuring all weights together")
        judged = laboratory.judge(forms, held_out)
        value, wanted = judged.of(self.metric), self.asked.min_quality
        groups: list[Group] = groups_of(self.units)
        ranked = costs(laboratory, groups, forms, calibration, self._metric_for(calibration), self.say)
        if wanted is None or value >= wanted:
            return Found(forms, judged, ()), ranked
        return (
            search(laboratory, groups, forms, ranked, ladder, held_out, self.metric, wanted, self.say),
            ranked,
        )

    def _metric_for(self, calibration: Task) -> Metric:
        """What sensitivity is measured in: the kind's usual metric where calibration examples expect nothing."""
        known = all(example.expected is not None for example in calibration.examples)
        return self.metric if known or self.metric != "accuracy" else DEFAULTS[self.parent.manifest.kind]

    def _write(self, folder: Path, forms: Forms, measured: Quality) -> tuple[Artifact, Proof]:
        self.say("writing the artifact")
        folder.mkdir()
        self.parent.copy_rest(folder)
        rewritten = rewrite(self.graph, forms)
        rewritten.data.save(folder)
        rewritten.save(folder / "model.onnx")
        manifest = self._manifest(forms)
        self.say("replaying the goldens")
        if manifest.kind == "generate":
            # Only here: it needs a decoder's whole engine.
            from freehold.adapt.decoder_agreement import note_agreement  # noqa: PLC0415 - see above

            note_agreement(Artifact(folder, manifest, digest=""))
        manifest, proof = prove(write_manifest(folder, manifest), measured)
        return rewrite_manifest(folder, manifest), proof

    def _manifest(self, forms: Forms) -> Manifest:
        parent, manifest = self.parent, self.parent.manifest
        kinds = {one.name for one in forms.values()}
        kept = len(self.graph.units) - len(forms)
        settings = {
            **manifest.made_with,
            "quantized_by": f"freehold {__version__}",
            "onnxruntime": onnxruntime.__version__,
            "method": self.method,
            "forms": ", ".join(f"{sum(o.name == kind for o in forms.values())} {kind}" for kind in sorted(kinds)),
            "kept_in_float": str(kept),
            "tolerance_margin": f"{MARGIN:g}",
            **({"calibration_cut": f"{CUT:g}"} if self.method == "static" else {}),
        }
        return msgspec.structs.replace(
            manifest,
            name=self.asked.name,
            precision=self.asked.to,
            parent=parent.digest or None,
            made_by=MadeBy(TOOL, __version__, manifest.made_by.source),
            made_with=settings,
            files={},
            tolerance=None,
        )

    def _kept(self, forms: Forms, form: Form) -> dict[str, str]:
        named = {unit.name: forms.get(unit.name) for unit in self.graph.units}
        return {name: one.name if one else "float" for name, one in named.items() if one != form}


def _examples(asked: Quantization, parent: Parent, texts: Texts) -> tuple[list[Example], list[Example], Data]:
    """For calibration, held out, and where they are from. Files that the user brings are read whole first."""
    manifest = parent.manifest
    given = [read_examples(path, manifest) if path else None for path in (asked.calibration, asked.evaluation)]
    calibration, held_out = given
    names = [path.name for path in (asked.calibration, asked.evaluation) if path]
    if calibration is not None and held_out is not None:
        origin = f"calibrated with {names[0]}, measured with {names[1]}"
    elif calibration is not None or held_out is not None:
        calibration, held_out = halves(calibration or held_out or [], asked.seed)
        origin = f"{names[0]}, one half of it held out"
    else:
        calibration, held_out = halves(_built_in(parent, texts, asked.seed), asked.seed)
        origin = "the parent's goldens and built-in samples, one half held out"
    return calibration, held_out, Data(origin, len(calibration), len(held_out))


def _built_in(parent: Parent, texts: Texts, seed: int) -> list[Example]:
    manifest, recorded = parent.manifest, parent.examples()
    if manifest.kind == "tensor":
        return recorded if len(recorded) > 1 else [*recorded, *random_examples(manifest, SAMPLES, seed)]
    longest = min(manifest.limits.max_tokens or 128, 128)
    tokenizer = TextTokenizer(parent.artifact.tokenizer, longest)
    drawn = list(islice(texts(tokenizer, longest, seed), SAMPLES))
    query = {"query": drawn[0]} if manifest.kind == "rerank" else {}
    return [*recorded, *(Example({**query, "text": text}) for text in drawn)]


def _graph_bytes(path: Path) -> int:
    """The graph at `path` with its weights; 0 where there is none, which opening it will tell."""
    graph = path / "model.onnx" if path.is_dir() else path
    return weight_bytes(graph) if graph.is_file() else 0


def _full(path: Path, needed: int) -> FreeholdError:
    return FreeholdError(
        "quantize_disk_full", path=path, needed=-(-needed // 1_000_000), free=free_bytes(path) // 1_000_000
    )
