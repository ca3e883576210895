"""`freehold models`: the artifacts of the store."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from freehold.artifact import Ancestor
from freehold.artifact.artifact import SIGNATURES
from freehold.cli import models_diff, models_lineage, models_registry, models_sign
from freehold.cli.caches import sweep_caches
from freehold.cli.columns import columns
from freehold.cli.output import EPILOG, Output
from freehold.cli.progress import working
from freehold.cli.references import Ref, local_store, reference
from freehold.config import home
from freehold.config.source import Source
from freehold.errors import FreeholdError
from freehold.store import Stored
from freehold.store.collect import UNUSED_DAYS
from freehold.store.differences import metrics_of
from freehold.store.history import Move
from freehold.store.oci import SIGNATURE, SIGNER

app = typer.Typer()
models_diff.add_to(app)
models_lineage.add_to(app)
models_registry.add_to(app)
models_sign.add_to(app)


@app.command(name="list", epilog=EPILOG)
def list_(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this name's artifacts.")] = None,
) -> None:
    """List the artifacts of the store: names, tags, digests, what they are, how large, since when."""
    output: Output = ctx.obj
    store = local_store(os.environ)
    wanted = store.find(reference(name)).name if name is not None else None
    listed = [one for one in store.list() if wanted in (None, one.name)]
    text = "\n".join(_table(listed)) if listed else f"The store {store.root} is empty.\n{_HOW_TO_FILL}"
    output.show([_row(one) for one in listed], text)


@app.command(epilog=EPILOG)
def show(ctx: typer.Context, ref: Ref) -> None:
    """Show one artifact: digests, inputs and outputs, how it was made and of what, files, reports, tags."""
    output: Output = ctx.obj
    store = local_store(os.environ)
    stored = store.find(reference(ref))
    everything = store.list()
    tags = [one.ref for one in everything if one.digest == stored.digest]
    parents = [one.ref for one in everything if one.digest == stored.manifest.parent]
    attached = [
        {
            "digest": one.digest,
            "artifact_type": one.artifact_type,
            "annotations": one.annotations,
            "files": [*one.files],
        }
        for one in store.referrers(stored)
    ]
    metrics = metrics_of(store, stored)
    data = _row(stored) | {
        "refs": tags,
        "parent_refs": parents,
        "attached": attached,
        "metrics": metrics,
        "manifest": msgspec.to_builtins(stored.manifest),
    }
    output.show(data, "\n".join(_told(stored, tags, parents, attached, metrics)))


@app.command(epilog=EPILOG)
def add(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="An artifact, or a model folder whose graph we write ourselves.")
    ],
    name: Annotated[str, typer.Option(help="The name it gets in the store.")],
    tag: Annotated[str, typer.Option(help="A tag. Default: the next number of the name.")] = "",
) -> None:
    """Take an artifact into the store; of a Hugging Face folder of a known architecture, the artifact written of it.

    Other models come in through `freehold convert`, which proves them.
    """
    output: Output = ctx.obj
    from freehold.cli.sources import prepare
    from freehold.config.locate import locate

    with working(name) as say:
        say(f"{name}: reading {folder}")
        path = prepare(locate(Source("path", str(folder.absolute()))), home(os.environ) / "cache" / "graphs")
        if not path.is_dir():
            raise FreeholdError("store_add_graph", path=path, name=name)
        say(f"{name}: copying and hashing")
        store = local_store(os.environ)
        stored = store.add(path, name, tag)
        if (path / SIGNATURES).is_dir():
            from freehold.store.signatures import take_along

            take_along(path, store, stored)
    output.show(_row(stored), f"{stored.ref}  {stored.digest}")


@app.command(epilog=EPILOG)
def tag(
    ctx: typer.Context,
    ref: Ref,
    new: Annotated[
        str | None, typer.Argument(metavar="[TAG|NAME:TAG]", help="The tag to set, of this name or of another.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Take the tag REF away; its artifact stays.")] = False,
) -> None:
    """Let a tag lead to an artifact, take one away, or, without a tag, show who moved the tags of REF and when."""
    output: Output = ctx.obj
    store, source = local_store(os.environ), reference(ref)
    if delete:
        if new is not None or not source.version:
            raise FreeholdError("store_tag_wanted", ref=ref)
        digest = store.untag(source.name, source.version)
        output.show(
            {"name": source.name, "tag": "", "digest": digest},
            f"{source.name}@{digest} has no tag {source.version} now.",
        )
    elif new is None:
        moves = store.history(source.name, source.version)
        if not moves:
            store.find(source)
        output.show([msgspec.to_builtins(move) for move in moves], "\n".join(map(_moved, moves)))
    else:
        other, _, word = new.rpartition(":")
        stored = store.tag(source, word, other)
        output.show(_row(stored), f"{stored.ref}  {stored.digest}")


@app.command(epilog=EPILOG)
def rm(ctx: typer.Context, ref: Ref) -> None:
    """Remove an artifact from the store: a tag, and with the last one its content; by digest, every tag of the name.

    Content that other artifacts share stays, and so does what a running server has open until the next `models gc`.
    """
    output: Output = ctx.obj
    store = local_store(os.environ)
    gone = store.remove(reference(ref))
    try:
        freed = store.collect(patience_s=1.0).bytes
    except FreeholdError as error:
        if error.code != "store_busy":
            raise
        freed = 0  # somebody adds or pulls; `gc` takes it later
    refs = [f"{one.name}:{one.tag}" if one.tag else f"{one.name}@{one.digest}" for one in gone]
    data = {"removed": [{"name": one.name, "tag": one.tag, "digest": one.digest} for one in gone], "bytes": freed}
    output.show(data, f"Removed {', '.join(refs)}; {readable(freed)} freed.")


@app.command(epilog=EPILOG)
def gc(
    ctx: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be removed.")] = False,
    untagged: Annotated[bool, typer.Option("--untagged", help="Remove artifacts that no tag leads to, too.")] = False,
    unused_days: Annotated[
        float, typer.Option(min=0, help="Remove opened folders, graphs and weight copies unused for so many days.")
    ] = UNUSED_DAYS,
) -> None:
    """Remove what nothing refers to: content, leftovers of interrupted work, folders and caches unused for long.

    Whatever a running server has open stays. Caches are written again when they are needed.
    """
    output: Output = ctx.obj
    store = local_store(os.environ)
    with working("models gc"):
        before = {one.digest for one in store.list()}
        collected = store.collect(plan=plan, untagged=untagged, unused_days=unused_days)
        kept = {one.digest for one in store.list()}
        cache = home(os.environ) / "cache"
        gone = {*before - kept, *(f"sha256:{name}" for name in collected.folders)} - kept
        swept = sweep_caches(cache, store.folders, kept, gone=gone, plan=plan, unused_days=unused_days)
    folders = [*(f"artifacts/{name}" for name in collected.folders), *swept.folders]
    in_use = [*(f"artifacts/{name}" for name in collected.in_use), *swept.in_use]
    size = collected.bytes + swept.bytes
    data = {"plan": plan, "bytes": size, "blobs": collected.blobs, "folders": folders, "in_use": in_use}
    verb = "Would remove" if plan else "Removed"
    lines = [f"{verb} {collected.blobs} files of the store and {len(folders)} folders: {readable(size)}."]
    lines += [f"  {folder}" for folder in folders]
    lines += [f"  {folder} is in use and stays" for folder in in_use]
    output.show(data, "\n".join(lines))


_HOW_TO_FILL = "Fill it: freehold convert SOURCE --name NAME, or freehold models add FOLDER --name NAME"


def readable(size: int) -> str:
    """Bytes for people, in decimal units."""
    if size < 1e6:
        return f"{size / 1e3:.1f} kB"
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


def _row(stored: Stored) -> dict[str, Any]:
    manifest = stored.manifest
    return {
        "name": stored.name,
        "tag": stored.tag,
        "digest": stored.digest,
        "oci_digest": stored.oci_digest,
        "kind": manifest.kind,
        "precision": manifest.precision,
        "architecture": manifest.architecture,
        "size": stored.size,
        "made_at": stored.made_at.isoformat(),
        "parent": manifest.parent,
        "license": manifest.license,
    }


def _table(listed: list[Stored]) -> list[str]:
    head = ("NAME", "TAG", "DIGEST", "KIND", "PRECISION", "SIZE", "ADDED")
    cells = [head] + [
        (
            one.name,
            one.tag or "-",
            _short(one.digest),
            one.manifest.kind,
            one.manifest.precision,
            readable(one.size),
            f"{one.made_at.astimezone():%Y-%m-%d %H:%M}",
        )
        for one in listed
    ]
    return columns(cells)


def _told(
    stored: Stored, tags: list[str], parents: list[str], attached: list[dict[str, Any]], metrics: dict[str, Any]
) -> list[str]:
    manifest = stored.manifest
    facts = [
        ("digest", stored.digest),
        ("registry", f"{stored.oci_digest} (its OCI manifest)"),
        ("also", ", ".join(ref for ref in tags if ref != stored.ref)),
        ("added", f"{stored.made_at.astimezone():%Y-%m-%d %H:%M:%S %z}"),
        ("model", ", ".join(filter(None, (manifest.kind, manifest.precision, manifest.architecture)))),
        *(("input", f"{one.name} {one.datatype} {list(one.shape)}") for one in manifest.inputs),
        *(("output", f"{one.name} {one.datatype} {list(one.shape)}") for one in manifest.outputs),
        ("tokens", f"at most {manifest.limits.max_tokens}" if manifest.limits.max_tokens else ""),
        ("license", manifest.license),
        ("made by", f"{manifest.made_by.tool} {manifest.made_by.version}".strip()),
        ("made with", ", ".join(f"{key} {value}" for key, value in manifest.made_with.items())),
        *(("from", _ancestor(one)) for one in manifest.ancestors),
        ("parent", " ".join(filter(None, (manifest.parent or "", ", ".join(parents))))),
        *(("file", f"{name}  {readable(entry.size)}  {entry.sha256[:12]}") for name, entry in manifest.files.items()),
        *(_attached(one) for one in attached),
        *(("metric", f"{name} = {_measured(value)}") for name, value in metrics.items()),
    ]
    said, before = [f"{stored.ref}  {readable(stored.size)}"], ""
    for label, text in facts:
        if text:
            said.append(f"  {label if label != before else '':<9}  {text}")
            before = label
    return said


def _ancestor(ancestor: Ancestor) -> str:
    return " ".join(filter(None, (ancestor.role, ancestor.name, ancestor.revision, ancestor.digest[:19])))


def _attached(one: dict[str, Any]) -> tuple[str, str]:
    """A line of `show` about a report or a signature; whose a signature is, nobody has checked here."""
    if one["artifact_type"] == SIGNATURE:
        return "signature", f"says it is by {one['annotations'].get(SIGNER, 'an unknown key')[:19]}"
    return "attached", f"{one['artifact_type']}  {', '.join(one['files'])}"


def _measured(value: Any) -> str:
    """A value of a report in a line: of a table, how long it is."""
    if isinstance(value, list) and any(isinstance(row, dict) for row in value):
        return f"{len(value)} rows, which --json has"
    return str(value)


def _moved(move: Move) -> str:
    way = " -> ".join(_short(digest) if digest else "-" for digest in (move.before, move.after))
    return f"{move.at.astimezone():%Y-%m-%d %H:%M:%S}  {move.by}  {move.name}:{move.tag}  {way}"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
