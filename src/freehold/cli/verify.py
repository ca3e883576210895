"""`freehold verify`: the proof that a server would ask for, on the command line."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from freehold.adapt.trace_steps import Trace
from freehold.cli.against import parted, trace_against
from freehold.cli.examine import BUDGET_S, Examined, GoldenFile, examine
from freehold.cli.junit import write_junit
from freehold.cli.local import local_place, models_meant
from freehold.cli.output import FAILED, LABELS, Output, describe
from freehold.cli.parity_text import parity_data, parity_lines
from freehold.cli.progress import working
from freehold.cli.proof_page import proof_page, write_page
from freehold.cli.signed import requiring
from freehold.cli.trace_text import trace_data, trace_lines, trace_section
from freehold.config import ModelConfig
from freehold.engine.agreement import Agreement
from freehold.errors import FreeholdError, Language

Precision = Literal["fp32", "bf16", "auto", "int8", "int4", "w8a8", "fast"]
Device = Literal["cpu", "cuda", "openvino", "tensorrt"]
Required = Literal["none", "self", "raw"]

Ref = Annotated[
    str | None,
    typer.Argument(
        metavar="[REF]",
        help="A model folder, an artifact, NAME:TAG of the store, an .onnx file, a configuration, or the id of a model"
        " of the configuration here. Default: as for `serve`.",
    ),
]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write a JUnit report (XML) for CI.")]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with tables and plots, for a browser.")
]
Budget = Annotated[
    float, typer.Option("--budget-s", min=0, help="Seconds of replay a model; beyond, a seeded part of the cases.")
]


def verify(
    ctx: typer.Context,
    ref: Ref = None,
    require: Annotated[
        Required | None,
        typer.Option(
            help="Fail below this proof: `self` wants any goldens, `raw` some of another framework."
            " Default: `raw` where the configuration says `require: {proof: always}`, else `none`."
        ),
    ] = None,
    precision: Annotated[
        Precision | None, typer.Option(help="Compute in this precision. Default: the configuration's.")
    ] = None,
    device: Annotated[Device | None, typer.Option(help="Compute there. Default: the configuration's.")] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="OTHER",
            help="A model that is known to be right, named like REF: compare node by node, and name the first that"
            " differs. Computed on the processor; REF is computed as --device says.",
        ),
    ] = None,
    signed_by: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.pub", help="Fail unless the owner of this public key signed it; several: one of them."
        ),
    ] = None,
    budget_s: Budget = BUDGET_S,
    junit: Junit = None,
    html: Html = None,
) -> None:
    """Check that a model is intact and computes what was recorded with it; exit 1 if not.

    Every file is hashed and compared with the manifest, then the model is loaded and its goldens (inputs and outputs
    that were recorded once) are replayed, without torch. `raw`: the framework that the model comes from recorded them,
    so the conversion is right. `self`: our own runtime did, so nothing has drifted since. `none`: there are none, and
    nothing is proven.

    Of a model that generates text, the recorded answers are fed token by token: shown are the share of tokens that it
    would choose too, and how much its perplexity of them differs from the recorder's. With --precision that is what a
    profile costs.

    Shown by output and shape class (batch, short, long, language): the largest absolute and relative difference, the
    cosine, how often the largest element is the recorded one, and how many cases are out of tolerance.
    """
    models = models_meant(ref, os.environ, Path.cwd())
    asked = {name: value for name, value in (("precision", precision), ("device", device)) if value is not None}
    models = tuple(msgspec.structs.replace(model, **asked) for model in models)
    if signed_by:
        models = tuple(requiring(model, signed_by) for model in models)
    report(ctx.obj, models, require, budget_s, Reports(junit, html), against)


@dataclass(frozen=True)
class Reports:
    """The files that are written beside what is printed."""

    junit: Path | None
    html: Path | None

    def write(self, examined: Sequence[Examined], traces: Sequence[Trace], language: Language) -> None:
        """Those that were asked for. Raises FreeholdError `report_unwritable`."""
        if self.junit is not None:
            write_junit(self.junit, examined)
        if self.html is not None:
            sections = [trace_section(trace, language) for trace in traces]
            write_page(self.html, proof_page(examined, language, sections))


def report(
    output: Output,
    models: tuple[ModelConfig, ...],
    require: Required | None,
    budget_s: float,
    reports: Reports,
    against: str | None = None,
) -> None:
    """Examine `models`, print what was found, and exit 1 when one fails.

    Beside models of this machine, those that other programs compute are passed over with a note. With `against` there
    must be one model: it is also compared node by node with the one of that name.
    """
    if against is not None and len(models) > 1:
        raise FreeholdError("model_choice_needed", ref="--against", ids=", ".join(model.id for model in models))
    examined: list[Examined] = []
    troubles: list[FreeholdError | None] = []
    traces: list[Trace] = []
    some_are_here = any(model.hosting == "here" for model in models)
    with local_place(os.environ, tune=False) as place:
        for model in models:
            if some_are_here and model.hosting != "here":
                examined.append(Examined(model.id, model.source, elsewhere=True))
                troubles.append(None)
                continue
            with working(model.id) as say:
                one = asyncio.run(examine(model, place, say, budget_s))
            examined.append(one)
            required = require or ("raw" if model.require.proof == "always" else "none")
            trouble = one.trouble(required)
            if against is not None and one.error is None:
                with working(model.id) as say:
                    traces.append(trace_against(model, against, place, say))
                trouble = trouble or parted(model, traces[-1])
            troubles.append(trouble)
    reports.write(examined, traces, output.language)
    pairs = list(zip(examined, troubles, strict=True))
    data: dict[str, Any] = {"ok": not any(troubles)}
    data["models"] = [_as_data(one, trouble, output) for one, trouble in pairs]
    lines = [_as_text(one, trouble, output) for one, trouble in pairs]
    if traces:
        data["against"] = trace_data(traces[0])
        lines += [f"  trace   {line}" for line in trace_lines(traces[0], output.language)]
    output.show(data, "\n".join(lines))
    if any(troubles):
        raise typer.Exit(FAILED)


def _as_data(one: Examined, trouble: FreeholdError | None, output: Output) -> dict[str, Any]:
    return {
        "id": one.id,
        "ok": trouble is None,
        "proof": one.proof,
        "kind": one.kind,
        "precision": one.precision,
        "digest": one.digest,
        "source": one.source,
        "path": one.path,
        "files_hashed": one.files,
        "signed_by": one.signed or None,
        "goldens": [
            {
                "file": golden.name,
                "recorded_by": msgspec.to_builtins(golden.recorded_by),
                "proves": "raw" if golden.raw else "self",
                "cases": golden.cases,
                "replayed": len(golden.replayed),
                "failures": [describe(failure, output.language) for failure in golden.failures],
            }
            for golden in one.goldens
        ],
        **_agreement_data(one.agreement),
        **parity_data(one),
        "error": describe(trouble, output.language) if trouble is not None else None,
    }


def _as_text(one: Examined, trouble: FreeholdError | None, output: Output) -> str:
    lines = [f"{one.id}: proof {one.proof or 'failed'}" if one.error is None else f"{one.id}: not loaded"]
    if one.kind:
        lines.append(f"  model   {one.kind}, {one.precision}, {one.digest[:19]}, {one.path}")
    if one.files is not None:
        lines.append(f"  files   {one.files} hashed, as the manifest says")
    if one.signed:
        lines.append(f"  signed  by {one.signed}")
    lines += [_golden_line(golden) for golden in one.goldens]
    if one.agreement is not None:
        lines.append(_agreement_line(one.agreement))
    lines += parity_lines(one)
    labels = LABELS[output.language]
    if trouble is not None:
        lines.append(output.told(trouble, labels.problem))
    elif one.proof == "none":
        lines.append(output.told(one.unproven(), labels.note))
    return "\n".join(lines)


def _golden_line(golden: GoldenFile) -> str:
    by = golden.recorded_by
    differ = f", {len(golden.failures)} of them differ" if golden.failures else ", all within tolerance"
    return (
        f"  golden  {golden.name}: recorded by {by.framework} {by.version} ({'raw' if golden.raw else 'self'}),"
        f" {len(golden.replayed)} of {golden.cases} cases replayed{differ}"
    )


def _agreement_data(seen: Agreement | None) -> dict[str, float | None]:
    """`agreement`, 0 to 1, and `perplexity_delta`, relative: 0.01 is one percent less sure. null where unknown."""
    ratio = seen.perplexity_ratio if seen is not None else None
    return {
        "agreement": seen.share if seen is not None else None,
        "perplexity_delta": ratio - 1 if ratio is not None else None,
    }


def _agreement_line(seen: Agreement) -> str:
    line = f"  tokens  {seen.share:.2%} of {seen.tokens} recorded ones would be chosen here too"
    return line if seen.perplexity_ratio is None else f"{line}, perplexity {seen.perplexity_ratio - 1:+.2%}"
