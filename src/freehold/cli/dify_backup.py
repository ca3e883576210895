"""`freehold dify backup`: all of a Dify in one encrypted, verified file."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from freehold.cli.audited import audited
from freehold.cli.deploy import interruptible, telling
from freehold.cli.dify_installations import ComposeDir, Named, alone, data_of
from freehold.cli.dify_text import note, of_installed, of_manifest
from freehold.cli.output import Output, describe
from freehold.config.secret import is_reference, resolve
from freehold.errors import FreeholdError

Passphrase = Annotated[
    str | None,
    typer.Option(metavar="'${env:NAME}'", help="Where the passphrase of the private key is; never itself."),
]


def backup(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="The file to make.")] = None,
    recipient: Annotated[
        list[str] | None, typer.Option(metavar="age1...", help="A public key that can open it; may be repeated.")
    ] = None,
    recipients: Annotated[Path | None, typer.Option(metavar="FILE", help="A file of public keys, one a line.")] = None,
    new_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Only make a key: FILE is the private one. Prints the public one."),
    ] = None,
    passphrase: Passphrase = None,
    live: Annotated[
        bool, typer.Option("--live", help="Do not hold services meanwhile: databases and files may not agree.")
    ] = False,
    without_vectors: Annotated[
        bool,
        typer.Option("--without-vectors", help="Leave out vectors of Weaviate or Qdrant: save them their own way."),
    ] = False,
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Leave out files of an object store: save them its own way.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be saved.")] = False,
    compose_dir: ComposeDir = None,
    name: Named = None,
) -> None:
    """Save all that a Dify has in one encrypted file.

    Both databases, vectors of pgvector, files, private keys, plugins and settings. Services that write are held
    while it is made, for seconds to minutes, and always go on. The file is encrypted for the public keys given,
    read back and held against its manifest before it gets its name.
    """
    from freehold.deploy.dify.backup import keys
    from freehold.deploy.dify.backup.saving import Terms, back_up

    output: Output = ctx.obj
    if new_key is not None:
        public = keys.make_key(new_key, secret_of(passphrase))
        output.show({"private_key": str(new_key), "public_key": public}, public)
        return
    place = data_of(compose_dir, name, os.environ, Path.cwd())
    if plan:
        output.show(*of_installed(place.found()))
        return
    if file is None:
        raise FreeholdError("dify_backup_file_wanted")
    named = [*(recipient or ()), *(keys.read_recipients(recipients) if recipients else ())]
    left_out = {"vectors": without_vectors, "files": without_files}
    terms = Terms(keys.recipients(named), live, frozenset(part for part, out in left_out.items() if out))
    held = alone(compose_dir, name, os.environ, Path.cwd(), "dify backup")
    with held, interruptible(), audited("dify.backup", file=str(file)), telling(output, "saving Dify") as say:
        saved = back_up(place, file, terms, say)
    note(output, saved.notes)
    data = {"file": str(saved.path), "bytes": saved.bytes, "sha256": saved.sha256}
    data |= {"manifest": msgspec.to_builtins(saved.manifest), "notes": [describe(note) for note in saved.notes]}
    output.show(data, f"{saved.path}  {saved.bytes} bytes  sha256 {saved.sha256}\n{of_manifest(saved.manifest)}")


def secret_of(reference: str | None) -> str | None:
    """What a reference stands for. Raises `dify_backup_passphrase_plain`, and what `resolve` does."""
    if reference is None:
        return None
    if not is_reference(reference):
        raise FreeholdError("dify_backup_passphrase_plain")
    return resolve(reference, os.environ)
