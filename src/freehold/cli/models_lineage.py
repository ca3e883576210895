"""`freehold models lineage`: what an artifact was made of and what was made of it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from freehold.artifact.artifact import write_durably
from freehold.cli.lineage_picture import page
from freehold.cli.output import EPILOG, Output
from freehold.cli.references import Ref, local_store, reference
from freehold.errors import FreeholdError
from freehold.store.lineage import Step
from freehold.store.lineage import lineage as tree_of


def add_to(app: typer.Typer) -> None:
    """Hang the verb into `freehold models`."""
    app.command(epilog=EPILOG)(lineage)


def lineage(
    ctx: typer.Context,
    ref: Ref,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also draw it as a page of its own.")
    ] = None,
) -> None:
    """Show where an artifact comes from and what was made of it: data, base, fine-tune, ONNX, quantized, compiled."""
    output: Output = ctx.obj
    store = local_store(os.environ)
    stored = store.find(reference(ref))
    tree = tree_of(stored, store.list())
    if html is not None:
        try:
            write_durably(html, page(tree, stored.ref).encode())
        except OSError as error:
            raise FreeholdError("report_unwritable", path=html, reason=error.strerror or str(error)) from None
    output.show(_data(tree), "\n".join(_lines(tree)))


def _data(step: Step) -> dict[str, Any]:
    return {
        "role": step.role,
        "title": step.title,
        "refs": list(step.names),
        "digest": step.digest,
        "revision": step.revision,
        "license": step.license,
        "kind": step.kind,
        "precision": step.precision,
        "size": step.size,
        "made_by": step.made_by,
        "asked": step.asked,
        "inputs": [_data(one) for one in step.inputs],
        "children": [_data(one) for one in step.children],
    }


def _lines(step: Step, first: str = "", rest: str = "") -> Iterator[str]:
    yield f"{first}{_label(step)}"
    for one in step.inputs:
        yield f"{rest}{'│ ' if step.children else '  '} with {_label(one)}"
    for child in step.children:
        last = child is step.children[-1]
        yield from _lines(child, f"{rest}{'└─ ' if last else '├─ '}", f"{rest}{'   ' if last else '│  '}")


def _label(step: Step) -> str:
    known = (
        f"{step.role:<10}",
        ", ".join(step.names) or step.title,
        step.kind and f"{step.kind} {step.precision}",
        step.revision and f"at {step.revision}",
        step.digest.removeprefix("sha256:")[:12],
        step.license,
        "<- this" if step.asked else "",
    )
    return "  ".join(filter(None, known))
