"""`freehold dify restore`: a backup put into an empty Dify, or only tried."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from freehold.cli.audited import audited
from freehold.cli.deploy import interruptible, telling
from freehold.cli.dify_backup import Passphrase, secret_of
from freehold.cli.dify_installations import ComposeDir, Named, alone, data_of
from freehold.cli.dify_text import note, of_manifest
from freehold.cli.output import FAILED, Output, describe
from freehold.errors import FreeholdError


def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")],
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The private key that opens it.")] = None,
    passphrase: Passphrase = None,
    drill: Annotated[
        bool, typer.Option("--drill", help="Only try it, in databases beside that are dropped again; changes nothing.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only read it to its end, and show what is in it.")] = False,
    settings_to: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Only write its files of settings and secrets into DIR.")
    ] = None,
    compose_dir: ComposeDir = None,
    name: Named = None,
) -> None:
    """Put a backup into a Dify that is empty, and start it. One with data is refused, and stays as it is.

    The file is read to its end and its databases come to life beside the empty ones before anything is changed. What
    was cut off can be begun again with the same file.
    """
    from freehold.deploy.dify.backup import keys, restoring, underway

    output: Output = ctx.obj
    if key is None:
        raise FreeholdError("dify_backup_key_file_wanted")
    source = restoring.Source(file, keys.identities(key, secret_of(passphrase)))
    if settings_to is not None:
        paths = [str(path) for path in restoring.settings_into(source, settings_to)]
        output.show({"files": paths}, "\n".join(paths))
        return
    if plan:
        manifest = source.read().checked()
        output.show({"manifest": msgspec.to_builtins(manifest)}, of_manifest(manifest))
        return
    place = data_of(compose_dir, name, os.environ, Path.cwd())
    held = alone(compose_dir, name, os.environ, Path.cwd(), "dify restore")
    act = audited("dify.drill" if drill else "dify.restore", file=str(file))
    with held as folder, interruptible(), act, telling(output, "restoring Dify") as say:
        if drill:
            done = restoring.drill(place, source, say)
        else:
            done = restoring.restore(place, source, say, begun=lambda: underway.begin(folder, file.resolve()))
            underway.end(folder)
    note(output, (*done.notes, *done.faults))
    data = {
        "manifest": msgspec.to_builtins(done.manifest),
        "drill": drill,
        "notes": [describe(one) for one in done.notes],
        "faults": [describe(one) for one in done.faults],
    }
    ended = "It can be restored here; nothing was changed." if drill else "Restored; Dify's services start."
    ended = "It came to life, but what is said above is missing; nothing was changed." if done.faults else ended
    output.show(data, f"{of_manifest(done.manifest)}\n{ended}")
    if done.faults:
        raise typer.Exit(FAILED)
