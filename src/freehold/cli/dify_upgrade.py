"""`freehold dify upgrade`: another version of the Dify that was deployed, with a way back."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from freehold.cli.audited import audited
from freehold.cli.deploy import interruptible, telling
from freehold.cli.dify_backup import Passphrase, secret_of
from freehold.cli.dify_installations import Named
from freehold.cli.dify_text import of_upgrade
from freehold.cli.output import Output
from freehold.errors import FreeholdError


def upgrade(
    ctx: typer.Context,
    to: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="The version to upgrade to.")] = None,
    backup: Annotated[Path | None, typer.Option(metavar="FILE", help="The backup to make first: a new file.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="The private key that opens it.")] = None,
    passphrase: Passphrase = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Take back an upgrade that was cut off, by its backup.")
    ] = False,
    without_vectors: Annotated[
        bool, typer.Option("--without-vectors", help="Go on without a backup of vectors in Weaviate or Qdrant.")
    ] = False,
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Go on without a backup of files in an object store.")
    ] = False,
    name: Named = None,
) -> None:
    """Bring the Dify that was deployed to another version.

    It is saved, migrated, started and tried. What fails on the way is taken back: the older version runs again with
    all data of the backup. Users wait meanwhile.
    """
    from freehold.cli.dify_stage import Deployed
    from freehold.deploy.dify.backup.keys import identities
    from freehold.deploy.dify.upgrading import running

    output: Output = ctx.obj
    deployed = Deployed.read(name)
    wanted = None if take_back else deployed.plan(to)
    if plan and wanted is not None:
        output.show(msgspec.to_builtins(wanted), of_upgrade(wanted))
        return
    if backup is None or key is None:
        raise FreeholdError("dify_upgrade_backup_wanted")
    left_out = {"vectors": without_vectors, "files": without_files}
    without = frozenset(part for part, out in left_out.items() if out)
    safety = running.Safety(backup, identities(key, secret_of(passphrase)), deployed.journal, without)
    act = audited("dify.upgrade", to=wanted.after) if wanted is not None else audited("dify.take_back")
    with deployed.alone() as holder, interruptible(), act, telling(output, "upgrading Dify") as say:
        deployed = Deployed.read(name)  # of the moment from which on nobody changes it
        stage = deployed.stage(say)
        if wanted is None:
            begun = running.take_back(stage, safety, say)
            output.show(msgspec.to_builtins(begun), f"Dify {begun.before} runs again with the data of {backup}.")
            return
        wanted = deployed.plan(to)
        saved = running.upgrade(stage, wanted, safety, say)
        deployed.record(wanted.after, holder)
    data = {"before": wanted.before, "after": wanted.after, "backup": str(saved.path), "sha256": saved.sha256}
    output.show(
        data, f"Dify {to} runs. Write `version: {to}` into freehold.yaml. The backup of {wanted.before}: {backup}"
    )
