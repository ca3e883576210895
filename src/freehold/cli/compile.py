"""`freehold compile`: an engine for the GPU of this machine, proven, as an artifact of its own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from freehold.cli.local import local_place, model_meant
from freehold.cli.output import Output
from freehold.cli.progress import working
from freehold.cli.sources import prepared
from freehold.errors import FreeholdError
from freehold.machine import read_gpus

if TYPE_CHECKING:
    from freehold.adapt.tensorrt.compile import Compiled
    from freehold.store import Store, Stored

To = Literal["tensorrt"]
Precision = Literal["fp32", "fp16", "bf16", "int8"]
Builder = Literal["trtexec", "onnxruntime"]


def compile_(
    ctx: typer.Context,
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="A folder, an artifact, name:tag, an .onnx file, or an id.")
    ],
    to: Annotated[To, typer.Option("--to", help="What is compiled for.")],
    precision: Annotated[
        Precision | None,
        typer.Option(help="What is computed in. Default: the model's. int8 wants a graph with its scales."),
    ] = None,
    least: Annotated[
        list[str] | None, typer.Option("--min", metavar="NAME=1x32", help="Least shape of an input; may be repeated.")
    ] = None,
    usual: Annotated[
        list[str] | None, typer.Option("--opt", metavar="NAME=8x32", help="The shape that it is fastest at.")
    ] = None,
    most: Annotated[
        list[str] | None, typer.Option("--max", metavar="NAME=64x32", help="The largest shape that it takes.")
    ] = None,
    builder: Annotated[
        Builder, typer.Option("--with", help="trtexec: NVIDIA's own builder. onnxruntime: its TensorRT provider.")
    ] = "trtexec",
    trtexec: Annotated[str | None, typer.Option(metavar="PATH", help="The program. Default: as PATH has it.")] = None,
    timing_cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Measurements of earlier builds. Default: one in FREEHOLD_HOME.")
    ] = None,
    workspace: Annotated[
        int, typer.Option(min=0, metavar="MB", help="Scratch memory for kernels; 0: all of the GPU's.")
    ] = 0,
    gpu: Annotated[int, typer.Option(min=0, help="The GPU's index, as nvidia-smi has it.")] = 0,
    timeout: Annotated[int, typer.Option(min=1, metavar="S", help="The longest that a build may take.")] = 7200,
    plan: Annotated[bool, typer.Option("--plan", help="Only show command line, profiles and cache key.")] = False,
    name: Annotated[
        str | None, typer.Option(metavar="N[:TAG]", help="Its name in the store. Default: REF's and -tensorrt.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--output", metavar="FOLDER", help="Write the artifact there instead.")
    ] = None,
) -> None:
    """Compile a model for the GPU of this machine: a new artifact in the store, with an engine that was proven.

    Shapes come from the model's limits and goldens, where --min, --opt and --max say nothing. The goldens are replayed
    through the engine before anything is kept. Engines are kept by model, TensorRT, GPU, driver, shapes and precision,
    and built again where one of them differs. Serve the result with `device: tensorrt`.
    """
    from freehold.adapt.input_shapes import parse_all
    from freehold.adapt.tensorrt.compile import compile_engine, plan_only
    from freehold.adapt.tensorrt.plan import Compilation
    from freehold.adapt.tensorrt.profiles import Asked
    from freehold.adapt.tensorrt.trtexec import find_trtexec
    from freehold.cli.making import named, refuse_existing, working_in

    output: Output = ctx.obj
    refuse_existing(folder, "tensorrt_output_exists")
    shapes = Asked.of(*(parse_all(texts or []) for texts in (least, usual, most)))
    program = find_trtexec(trtexec, os.environ)
    if trtexec and program is None:
        raise FreeholdError("tensorrt_program", program=trtexec, reason="it is not there")
    model = model_meant(ref, os.environ, Path.cwd())
    given, tag = named(name or f"{model.id}-tensorrt")
    with local_place(os.environ, tune=False) as place, working(ref) as say:
        cache = place.graphs.parent / "tensorrt"
        asked = Compilation(
            path=prepared(model, place, "fp32"),
            name=given,
            builder=builder,
            precision=precision,
            shapes=shapes,
            timing_cache=timing_cache and timing_cache.absolute(),
            workspace_mb=workspace,
            program=str(program) if program and builder == "trtexec" else "",
            gpu=gpu,
            limit_s=timeout,
            logs=place.store.root.parent / "logs",
        )
        with working_in(place.graphs.parent / "compile") as work:
            if plan:
                planned = plan_only(asked, read_gpus(), work, cache, say)
                output.show(planned.as_data(), planned.as_text())
                return
            made = compile_engine(asked, read_gpus(), work, cache, say)
            say("adding it to the store")
            stored = _put(made.folder, given, tag, place.store, folder)
    _show(output, made, stored, folder)


def _put(made: Path, name: str, tag: str, store: "Store", folder: Path | None) -> "Stored | None":
    """Into the store, or into `folder` where that was asked for."""
    from freehold.cli.making import move_out

    if folder is None:
        return store.add(made, name, tag)
    move_out(made, folder, "tensorrt_unwritable")
    return None


def _show(output: Output, made: "Compiled", stored: "Stored | None", folder: Path | None) -> None:
    where = stored.ref if stored is not None else str(folder)
    log, proof = made.log, made.proof
    data: dict[str, Any] = {
        "artifact": where,
        "digest": made.digest,
        "cached": made.cached,
        "engine_bytes": made.engine_bytes,
        "proof": {"status": proof.status, "replayed": proof.replayed, "cases": proof.cases},
        "plan": made.plan.as_data(),
        "build_s": log.built_s if log else None,
        "throughput_per_s": log.throughput if log else None,
        "latency_ms": log.latency.median if log and log.latency else None,
        "warnings": log.warnings if log else (),
    }
    lines = [
        f"{where}: TensorRT, {made.plan.build.precision}, {made.digest[:19]}",
        f"engine     {made.engine_bytes / 1e6:.1f} MB, {'built before' if made.cached else 'built now'}",
        f"proof      {proof.status}: {proof.replayed} of {proof.cases} cases",
    ]
    if log is not None and log.latency is not None and log.throughput is not None:
        lines.append(f"speed      {log.throughput:.1f} runs/s, median {log.latency.median:g} ms at the usual shapes")
    lines += [f"warning    {warning}" for warning in (log.warnings if log else ())]
    output.show(data, "\n".join(lines))
