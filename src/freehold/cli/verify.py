"""`freehold verify`: the proof that a server would ask for, on the command line."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from freehold.cli.examine import BUDGET_S, Examined, GoldenFile, examine
from freehold.cli.junit import write_junit
from freehold.cli.local import local_place, models_meant
from freehold.cli.output import FAILED, LABELS, Output, describe
from freehold.cli.progress import working
from freehold.config import ModelConfig
from freehold.engine.agreement import Agreement
from freehold.errors import FreeholdError

Precision = Literal["fp32", "bf16", "auto", "int8", "int4", "w8a8", "fast"]
Device = Literal["cpu", "cuda", "openvino"]
Required = Literal["none", "self", "raw"]

Ref = Annotated[
    str | None,
    typer.Argument(
        metavar="[REF]",
        help="A model folder, an artifact, an .onnx file, a configuration, or the id of a model of the configuration"
        " here. Default: as for `serve`.",
    ),
]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write a JUnit report (XML) for CI.")]
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
    budget_s: Budget = BUDGET_S,
    junit: Junit = None,
) -> None:
    """Check that a model is intact and computes what was recorded with it; exit 1 if not.

    Every file is hashed and compared with the manifest, then the model is loaded and its goldens (inputs and outputs
    that were recorded once) are replayed, without torch. `raw`: the framework that the model comes from recorded them,
    so the conversion is right. `self`: our own runtime did, so nothing has drifted since. `none`: there are none, and
    nothing is proven.

    Of a model that generates text, the recorded answers are fed token by token: shown are the share of tokens that it
    would choose too, and how much its perplexity of them differs from the recorder's. With --precision that is what a
    profile costs.
    """
    models = models_meant(ref, os.environ, Path.cwd())
    asked = {name: value for name, value in (("precision", precision), ("device", device)) if value is not None}
    models = tuple(msgspec.structs.replace(model, **asked) for model in models)
    report(ctx.obj, models, require, budget_s, junit)


def report(
    output: Output, models: tuple[ModelConfig, ...], require: Required | None, budget_s: float, junit: Path | None
) -> None:
    """Examine `models`, print what was found, and exit 1 when one fails.

    Beside models of this machine, those that other programs compute are passed over with a note.
    """
    examined: list[Examined] = []
    troubles: list[FreeholdError | None] = []
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
            troubles.append(one.trouble(required))
    if junit is not None:
        write_junit(junit, examined)
    pairs = list(zip(examined, troubles, strict=True))
    data = {"ok": not any(troubles), "models": [_as_data(one, trouble, output) for one, trouble in pairs]}
    output.show(data, "\n".join(_as_text(one, trouble, output) for one, trouble in pairs))
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
        "error": describe(trouble, output.language) if trouble is not None else None,
    }


def _as_text(one: Examined, trouble: FreeholdError | None, output: Output) -> str:
    lines = [f"{one.id}: proof {one.proof or 'failed'}" if one.error is None else f"{one.id}: not loaded"]
    if one.kind:
        lines.append(f"  model   {one.kind}, {one.precision}, {one.digest[:19]}, {one.path}")
    if one.files is not None:
        lines.append(f"  files   {one.files} hashed, as the manifest says")
    lines += [_golden_line(golden) for golden in one.goldens]
    if one.agreement is not None:
        lines.append(_agreement_line(one.agreement))
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
