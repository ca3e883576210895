"""`freehold models diff`: what is different between two artifacts of the store."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from freehold.cli.output import EPILOG, Output
from freehold.cli.references import REF_HELP, local_store, reference
from freehold.store import Store, Stored
from freehold.store.differences import Change, FileChange, file_changes, manifest_changes, metric_changes, metrics_of

_SHOWN = 12  # rows of one sort that the text output shows; JSON has all

Changes = dict[str, Change]


def add_to(app: typer.Typer) -> None:
    """Hang the verb into `freehold models`."""
    app.command(epilog=EPILOG)(diff)


def diff(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=REF_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help="The artifact to compare it with.")],
) -> None:
    """Show how two artifacts differ: graphs, manifests, what their reports measured, files and sizes.

    Of a graph: operators by how often they occur, inputs, outputs, opsets, and the weights that were added, left out or
    changed in shape or type.
    """
    output: Output = ctx.obj
    store = local_store(os.environ)
    one, other = store.find(reference(a)), store.find(reference(b))
    graphs = graph_changes(store, one, other)
    manifests = manifest_changes(one.manifest, other.manifest)
    metrics = metric_changes(metrics_of(store, one), metrics_of(store, other))
    files = file_changes(one.manifest, other.manifest)
    data = {
        "a": {"ref": one.ref, "digest": one.digest, "size": one.size},
        "b": {"ref": other.ref, "digest": other.digest, "size": other.size},
        "same": one.digest == other.digest,
        "graphs": {name: {part: _plain(found) for part, found in parts.items()} for name, parts in graphs.items()},
        "manifest": _plain(manifests),
        "metrics": _plain(metrics),
        "files": _plain(files),
    }
    output.show(data, "\n".join(_text(one, other, graphs, manifests, metrics, files)))


def graph_changes(store: Store, a: Stored, b: Stored) -> dict[str, dict[str, Changes]]:
    """By graph file, by part (operators, inputs, outputs, opsets, initializers): what differs.

    Raises what reading a blob raises, and `graph_invalid`.
    """
    from freehold.adapt.graph_contents import Contents, contents

    def of(stored: Stored, name: str) -> Contents:
        entry = stored.manifest.files.get(name)
        return contents(store.blobs.read(f"sha256:{entry.sha256}"), name) if entry is not None else Contents()

    found: dict[str, dict[str, Changes]] = {}
    for name in file_changes(a.manifest, b.manifest):
        if name.endswith(".onnx"):
            left, right = asdict(of(a, name)), asdict(of(b, name))
            parts = {part: metric_changes(left[part], right[part]) for part in left}
            found[name] = {part: changes for part, changes in parts.items() if changes}
    return found


def _plain(changes: Mapping[str, Change | FileChange]) -> dict[str, dict[str, Any]]:
    return {name: {"a": change.a, "b": change.b} for name, change in changes.items()}


def _text(
    a: Stored,
    b: Stored,
    graphs: dict[str, dict[str, Changes]],
    manifests: Changes,
    metrics: Changes,
    files: dict[str, FileChange],
) -> list[str]:
    if a.digest == b.digest:
        return [f"{a.ref} and {b.ref} are the same artifact, {a.digest}."]
    lines = [f"A  {a.ref}  {a.digest[:19]}  {_bytes(a.size)}", f"B  {b.ref}  {b.digest[:19]}  {_bytes(b.size)}"]
    for name, parts in graphs.items():
        for part, changes in parts.items():
            lines += _section(f"{name}: {part}", changes)
        if not parts:
            lines += ["", f"{name}: the same operators, inputs, outputs and shapes; other values"]
    lines += _section("manifest", manifests)
    lines += _section("metrics", metrics)
    sizes = {name: Change(_sized(change.a), _sized(change.b)) for name, change in files.items()}
    return lines + _section("files", sizes)


def _section(title: str, changes: Changes) -> list[str]:
    if not changes:
        return []
    shown = list(changes.items())[:_SHOWN]
    width = min(48, max(len(name) for name, _ in shown))
    lines = ["", title, *(f"  {name:<{width}}  {_cell(one.a)} -> {_cell(one.b)}" for name, one in shown)]
    return lines + ([f"  ... and {len(changes) - _SHOWN} more (--json has all)"] if len(changes) > _SHOWN else [])


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _sized(size: int | None) -> str | None:
    return None if size is None else _bytes(size)


def _bytes(size: int) -> str:
    return f"{size:,} bytes"
