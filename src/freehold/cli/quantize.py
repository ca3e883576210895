"""`freehold quantize`: a smaller, faster artifact, with a report of what it costs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from freehold.artifact import Artifact
from freehold.cli.local import local_place, model_meant
from freehold.cli.output import Output
from freehold.cli.progress import working
from freehold.cli.samples import texts
from freehold.cli.sources import prepared
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.adapt.quantize.report import Report
    from freehold.store import Store, Stored

To = Literal["int8", "int4", "w8a8"]
Method = Literal["dynamic", "static", "nbits"]
Metric = Literal["cosine", "top1", "accuracy", "perplexity", "spearman"]

LONGEST = 123
"""Characters of a parent's name before -fp32: the store takes 128."""


def quantize(
    ctx: typer.Context,
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="A folder, an artifact, name:tag, an .onnx file, or an id.")
    ],
    to: Annotated[
        To, typer.Option("--to", help="int8 or int4 weights; w8a8: int8 weights, and activations in int8 row by row.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="N[:TAG]", help="Its name in the store. Default: REF's and --to."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Examples for calibration and sensitivity. Default: built-in ones."),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(metavar="FILE.jsonl", help="Held-out examples that quality is measured with, best with labels."),
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option(
            help="dynamic: activations are quantized as they come. static: with ranges from a calibration (QDQ). nbits:"
            " weights in blocks. Default: nbits for models that generate and for int4, else dynamic."
        ),
    ] = None,
    min_quality: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Keep the worst weights in more bits until --metric is at least this."),
    ] = None,
    metric: Annotated[
        Metric | None,
        typer.Option(
            help="What --min-quality is about. Default: cosine (embed, tensor), spearman (rerank), top1 (classify,"
            " generate)."
        ),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Leave these weights as they are; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of examples and of built-in samples.")] = 0,
    folder: Annotated[
        Path | None,
        typer.Option("--output", metavar="FOLDER", help="Write the artifact there, and its report beside it, instead."),
    ] = None,
) -> None:
    """Quantize a model: a new artifact in the store, with a report of its size, speed and quality.

    The parent stays as it is, and is named in the new artifact by its digest; one that the store lacks is kept there
    too, as NAME-fp32. The goldens go along: what the new
    artifact may differ by is what was measured here, with a margin, and `verify` and every start hold it to that.

    An example is a JSON object a line: {"text"}, {"query", "text"}, {"input": {"NAME": values}}; a `label` or, for
    tensors and models that generate, `expected` makes an accuracy of it. With --min-quality the command fails, and the
    store stays as it is, where no mix of precisions is good enough.
    """
    from freehold.adapt.quantize.plan import Quantization
    from freehold.adapt.quantize.quantize import quantize as make
    from freehold.cli.making import named, refuse_existing, working_in

    output: Output = ctx.obj
    refuse_existing(folder, "quantize_output_exists")
    model = model_meant(ref, os.environ, Path.cwd())
    given, tag = named(name or f"{model.id}-{to}")
    with local_place(os.environ, tune=False) as place, working(ref) as say:
        path = prepared(model, place, "fp32")
        asked = Quantization(
            path=path,
            name=given,
            to=to,
            method=method,
            calibration=calibration,
            evaluation=evaluation,
            min_quality=min_quality,
            metric=metric,
            keep=tuple(keep or ()),
            seed=seed,
            ref=ref,
        )
        with working_in(place.graphs.parent / "quantizations") as work:
            made = make(asked, work, texts, say)
            say("adding it to the store")
            stored = _put(made.folder, made.report, place.store, folder, tag)
            parent = (
                _keep_parent(path, place.store, f"{given.removesuffix(f'-{to}')[:LONGEST]}-fp32") if stored else None
            )
    _show(output, made.report, stored, folder, parent)


def _put(made: Path, report: "Report", store: "Store", folder: Path | None, tag: str) -> "Stored | None":
    """Into the store, with its report beside it; into `folder` where that was asked for."""
    from freehold.adapt.quantize.report import FILE, MEDIA_TYPE, encode
    from freehold.artifact.artifact import write_durably
    from freehold.cli.making import move_out

    if folder is None:
        stored = store.add(made, report.name, tag)
        store.attach(stored, MEDIA_TYPE, {FILE: encode(report)})
        return stored
    move_out(made, folder, "quantize_unwritable")
    try:
        write_durably(folder.with_name(f"{folder.name}.{FILE}"), encode(report))
    except OSError as error:
        raise FreeholdError("quantize_unwritable", path=folder, reason=error.strerror or str(error)) from error
    return None


def _keep_parent(path: Path, store: "Store", name: str) -> "Stored | None":
    """Keep the float artifact too, as `name`, where the store lacks it: lineage leads to it, and it can be quantized
    again. None where it was there, and for an .onnx file, which is no artifact."""
    if path.is_file():
        return None
    digest = Artifact.open(path).digest
    return None if any(one.digest == digest for one in store.list()) else store.add(path, name)


def _show(
    output: Output, report: "Report", stored: "Stored | None", folder: Path | None, parent: "Stored | None"
) -> None:
    from freehold.adapt.quantize.report import as_data, as_text

    where = stored.ref if stored is not None else str(folder)
    data: dict[str, Any] = {"artifact": where, "digest": report.digest, "report": as_data(report)}
    lines = [f"{where}: {report.kind}, {report.precision}, {report.digest[:19]}", as_text(report)]
    if parent is not None:
        data["parent"] = parent.ref
        lines.append(f"  parent       {parent.ref}, kept in the store too")
    output.show(data, "\n".join(lines))
