"""`freehold fetch`: a model from a hub into a folder of this machine."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from freehold.adapt.digests import DigestMemo
from freehold.adapt.fetch.arrival import Arrival, Plan
from freehold.adapt.fetch.preparation import prepare
from freehold.adapt.fetch.transport import Transport
from freehold.adapt.origin import read_origin
from freehold.cli.network import network_here
from freehold.cli.output import Output
from freehold.cli.progress import working
from freehold.cli.references import models_folder
from freehold.config import Source, home, parse
from freehold.config.home import expanded
from freehold.errors import FreeholdError
from freehold.store.http_client import open_client

Ref = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="hf://ORG/NAME[@REVISION], ms://ORG/NAME[@REVISION] (ModelScope), or oci://HOST/REPOSITORY[:TAG], which"
        " goes into the store as with `models pull`.",
    ),
]

PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def fetch(
    ctx: typer.Context,
    source: Ref,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Default: $FREEHOLD_HOME/models/ORG/NAME."),
    ] = None,
    revision: Annotated[
        str, typer.Option(help="A branch, tag or commit, as behind @. Default: the newest of the main branch.")
    ] = "",
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Take files of these names too; weights so named, and no others."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Leave files of these names out.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show files and bytes, and load nothing.")] = False,
) -> None:
    """Fetch a model from Hugging Face or ModelScope into a folder that `serve`, `convert` and `verify` take.

    Only what is needed comes: one form of the weights (safetensors), configuration, tokenizer, chat template, licence.
    Every file is checked by its size and digest. A fetch that was interrupted goes on where it was; one of a model that
    is there already loads nothing. Which commit the files are of lies beside them in freehold.source.json.

    Mirrors: HF_ENDPOINT, MODELSCOPE_ENDPOINT. Tokens: HF_TOKEN, MODELSCOPE_API_TOKEN. Proxies: HTTPS_PROXY, NO_PROXY,
    or `network: {proxy, ca}` of the configuration here.
    """
    asked = _asked(source, revision)
    if asked.kind == "oci":
        _pull(ctx, asked, output, include, exclude, plan)
        return
    folder = expanded(str(output)).absolute() if output is not None else models_folder(home(os.environ)) / asked.name
    memo = DigestMemo(home(os.environ) / "cache" / "digests")
    with open_client(network_here(os.environ, Path.cwd()), os.environ) as client, working(str(asked)) as say:
        arrival = prepare(
            asked,
            folder,
            Transport(client),
            os.environ,
            memo.sha256,
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
        )
        done = arrival.plan() if plan else arrival.complete(say)
    _show(ctx.obj, arrival, done, planned=plan)


def _asked(source: str, revision: str) -> Source:
    asked = parse(source)
    if asked.kind not in ("hf", "ms", "oci"):
        raise FreeholdError("fetch_source_unsupported", source=asked)
    if revision and asked.kind == "oci":
        raise FreeholdError("fetch_option_unfit", source=asked, option="--revision")
    if revision and asked.version and revision != asked.version:
        raise FreeholdError("fetch_revision_twice", source=asked, revision=revision)
    return msgspec.structs.replace(asked, version=revision) if revision else asked


def _pull(ctx: typer.Context, asked: Source, output: object, include: object, exclude: object, plan: bool) -> None:
    """An artifact in a registry goes into the store, whole."""
    from freehold.cli.models_registry import pull

    given = {"--output": output, "--include": include, "--exclude": exclude, "--plan": plan}
    unfit = next((option for option, value in given.items() if value), None)
    if unfit is not None:
        raise FreeholdError("fetch_option_unfit", source=asked, option=unfit)
    pull(ctx, str(asked))


def _show(output: Output, arrival: Arrival, plan: Plan, *, planned: bool) -> None:
    origin = None if planned else read_origin(plan.folder)
    rows = [(file.name, file.size, "here" if file.name in plan.here else "load") for file in plan.files]
    data: dict[str, Any] = {
        "source": arrival.repository.uri,
        "revision": arrival.repository.revision,
        "folder": plan.folder,
        "files": [{"name": name, "size": size, "state": state} for name, size, state in rows],
        "bytes": sum(size for _, size, _ in rows),
        "bytes_to_load" if planned else "bytes_loaded": plan.bytes_missing,
    }
    if origin is not None:
        data["license"] = origin.license
    width = max((len(name) for name, _, _ in rows), default=0)
    lines = [f"{arrival.repository.uri} at {arrival.repository.revision[:12]}, from {arrival.hub.host}"]
    if planned:
        lines += [f"  {state}  {name:{width}}  {shown_bytes(size):>9}" for name, size, state in rows]
        lines.append(f"{shown_bytes(plan.bytes_missing)} to load into {plan.folder}")
    else:
        licensed = f", licence {origin.license}" if origin is not None and origin.license else ""
        lines.append(f"  {len(rows)} files, {shown_bytes(data['bytes'])}{licensed}")
        lines.append(f"  {shown_bytes(plan.bytes_missing)} loaded, {len(plan.here)} files were here")
        lines.append(f"  {plan.folder}")
    if any(name.endswith(PICKLES) for name, _, _ in rows):
        lines.append(f"  its weights are pickles: `freehold convert {plan.folder} --name NAME` reads them in isolation")
    output.show(data, "\n".join(lines))


def shown_bytes(count: int) -> str:
    """A number of bytes for people: 612 B, 90.9 MB."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
