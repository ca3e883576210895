"""`freehold convert`: a raw model in, a proven artifact in the store."""

import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import Converted
from freehold.adapt.convert import convert as convert_model
from freehold.adapt.input_shapes import parse_all
from freehold.adapt.isolation import ChildLimits, walls_here
from freehold.artifact import Artifact
from freehold.cli.making import move_out, named, refuse_existing, working_in
from freehold.cli.output import LABELS, Output, describe
from freehold.cli.progress import working
from freehold.cli.references import local_store, raw_model
from freehold.cli.trace_text import trace_data, trace_lines
from freehold.config import absolute, home, parse
from freehold.errors import FreeholdError

Kind = Literal["auto", "tensor", "embed", "rerank", "classify", "generate"]


def convert(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SRC", help="A model file or folder in its framework's own format.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME[:TAG]", help="What the store shall call it.")],
    input_shape: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]1,32,1024[:TYPE]",
            help="Sizes of an input, the batch first; once for each input. TYPE: int64 for ids; default float32.",
        ),
    ] = None,
    code: Annotated[
        str, typer.Option(metavar="FILE.py:CLASS", help="The class (or function) that makes the model of a state dict.")
    ] = "",
    trust_code: Annotated[
        bool, typer.Option("--trust-code", help="Run code that the source carries, in an isolated process.")
    ] = False,
    kind: Annotated[Kind, typer.Option(help="What a text model is for, where its files do not say.")] = "auto",
    opset: Annotated[int | None, typer.Option(min=13, max=24, help="ONNX opset. Default: 20.")] = None,
    signature: Annotated[str, typer.Option(metavar="NAME", help="The signature of a SavedModel to convert.")] = "",
    goldens: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Answers that you recorded with an .onnx file's framework: .npz or .jsonl."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the artifact to a new folder instead of the store.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the inputs that are recorded.")] = 0,
    timeout_s: Annotated[float, typer.Option(min=1, help="Seconds that the framework may take.")] = 3600.0,
    trace: Annotated[
        bool, typer.Option("--trace", help="Compare module by module with the raw model, also when all agrees.")
    ] = False,
) -> None:
    """Convert a raw model, prove the result, and keep it in the store.

    SRC is found by its content: PyTorch (.pt, .pth: pickled module, state dict with --code, TorchScript; .pt2),
    safetensors with --code, a Hugging Face folder, a TensorFlow SavedModel, Keras (.keras, .h5), or .onnx.

    The framework runs in a process of its own, without network, and records what the raw model answers at several
    shapes; the artifact is kept only if this machine's engine answers the same. What carries code (pickles, .pt2,
    --code, Lambda layers) is refused without --trust-code.
    """
    ref, tag = named(name)
    shapes = parse_all(input_shape or [])
    path = raw_model(absolute(parse(source), Path.cwd()), local_store(os.environ))
    refuse_existing(output, "convert_output_exists")
    with _work() as work, working(f"{ref}: reading {path.name}") as say:
        asked = Conversion(
            path,
            ref,
            work,
            input_shapes=tuple(shape.dims for shape in shapes),
            input_names=tuple(shape.name for shape in shapes),
            input_types=tuple(shape.datatype for shape in shapes),
            code=code,
            signature=signature,
            trust_code=trust_code,
            kind=kind,
            opset=opset,
            seed=seed,
            recorded=goldens,
            limits=ChildLimits(seconds=timeout_s),
        )
        made = convert_model(asked, lambda text: say(f"{ref}: {text}"), always_trace=trace)
        if made.proof.failure is not None:
            _fail(ctx.obj, made)
        say(f"{ref}: keeping it")
        kept = _keep(made.artifact, ref, tag, output)
    _show(ctx.obj, made, kept)


@contextmanager
def _work() -> Iterator[Path]:
    """A work folder of FREEHOLD_HOME. Raises `convert_unwritable`."""
    parent = home(os.environ) / "cache" / "conversions"
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(working_in(parent))
        except OSError as error:
            raise FreeholdError("convert_unwritable", path=parent, reason=error.strerror or str(error)) from None
        yield folder


def _keep(artifact: Artifact, name: str, tag: str, output: Path | None) -> str:
    """Put it where it was asked for; how commands are told of it there."""
    if output is None:
        return local_store(os.environ).add(artifact.path, name, tag).ref
    move_out(artifact.path, output, "convert_unwritable")
    return str(output)


def _fail(output: Output, made: Converted) -> None:
    """Say where it parts from the raw model, before the error that ends the command."""
    assert made.proof.failure is not None
    if made.trace is not None:
        lines = trace_lines(made.trace, output.language, failed=True)
        output.show({"ok": False, "trace": trace_data(made.trace)}, "\n".join(lines))
    raise made.proof.failure


def _show(output: Output, made: Converted, kept: str) -> None:
    manifest = made.artifact.manifest
    notes = [FreeholdError("note_proof_none", model=manifest.name, path=kept)] if made.proof.status == "none" else []
    if made.proof.status == "self":
        notes = [FreeholdError("note_proof_self", model=manifest.name)]
    data: dict[str, Any] = {
        "ref": kept,
        "digest": made.artifact.digest,
        "kind": manifest.kind,
        "format": str(made.detected.format),
        "inputs": _specs(made, manifest.inputs),
        "outputs": _specs(made, manifest.outputs),
        "proof": made.proof.status,
        "cases": made.proof.cases,
        "recorded_by": made.proof.recorded_by,
        "parity": [asdict(row) for row in made.parity],
        "isolation": walls_here().kind,
        "made_with": manifest.made_with,
        "seconds": round(made.seconds, 3),
        "notes": [describe(note, output.language) for note in notes],
        **({"trace": trace_data(made.trace)} if made.trace is not None else {}),
    }
    lines = [f"{kept}  {made.artifact.digest}", f"  {manifest.kind}, from {made.detected.format}"]
    for what, specs in (("input", data["inputs"]), ("output", data["outputs"])):
        lines += [f"  {what:6} {row['name']}  {row['datatype']} [{_sizes(row['shape'])}]" for row in specs]
    count = f"{made.proof.cases} case{'' if made.proof.cases == 1 else 's'}"
    lines.append(f"  proof: {made.proof.status}, {count} recorded by {made.proof.recorded_by or '-'}")
    lines += [
        f"    {row.output}, {row.label or '-'}: max abs {row.max_abs:.2g}"
        + (f", cosine {row.cosine_min:.6f}" if row.cosine_min is not None else "")
        for row in made.parity
    ]
    if manifest.made_with.get("notes"):
        lines.append(f"  {LABELS[output.language].note}: {manifest.made_with['notes']}")
    lines += [output.told(note, LABELS[output.language].note) for note in notes]
    if made.trace is not None:
        lines += trace_lines(made.trace, output.language)
    lines.append(f"Serve it: freehold serve {shlex.quote(kept)}")
    output.show(data, "\n".join(lines))


def _specs(made: Converted, specs: Any) -> list[dict[str, Any]]:
    """Inputs or outputs with the names of their free dimensions."""
    return [{**msgspec.to_builtins(spec), "shape": list(made.dimensions.get(spec.name, spec.shape))} for spec in specs]


def _sizes(shape: list[int | str]) -> str:
    return ", ".join(map(str, shape))
