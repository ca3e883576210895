"""What is said of backups of a Dify."""

import sys
from collections.abc import Iterable

from freehold.cli.output import LABELS, Output
from freehold.deploy.dify.backup.manifest import Manifest
from freehold.deploy.dify.backup.place import Installed
from freehold.deploy.dify.upgrading.plan import Plan
from freehold.errors import FreeholdError

MIB = 1 << 20


def note(output: Output, notes: Iterable[FreeholdError]) -> None:
    """What is to be known beside the result, on standard error; with --json the result has it."""
    for one in () if output.as_json else notes:
        print(output.told(one, LABELS[output.language].note), file=sys.stderr)


def of_manifest(manifest: Manifest) -> str:
    """A line for each piece."""
    lines = [f"Dify {manifest.dify}, {manifest.made_at}, by Freehold {manifest.freehold}, id {manifest.id}"]
    for piece, dump in manifest.databases.items():
        rows = ", ".join(f"{table} {count}" for table, count in dump.rows.items() if count) or "no rows"
        lines.append(f"  database {piece}: {_size(dump.bytes)}, PostgreSQL {dump.server}: {rows}")
    for piece, folder in manifest.folders.items():
        lines.append(f"  folder {piece}: {folder.files} files, {_size(folder.bytes)}")
    lines.append(f"  settings: {', '.join(manifest.environment) or 'none'}")
    return "\n".join(lines)


def of_installed(installed: Installed) -> tuple[dict[str, object], str]:
    """What a backup would hold: as data, and as lines."""
    held = {one.piece: f"{one.name} at {one.service}" for one in installed.databases}
    held |= {one.piece: f"{one.path} of {one.service}" for one in installed.folders}
    data: dict[str, object] = {
        "dify": installed.version,
        "pieces": held,
        "settings": list(installed.environment),
        "outside": dict(installed.outside),
    }
    lines = [f"Dify {installed.version}", *(f"  {piece}: {where}" for piece, where in held.items())]
    lines.append(f"  settings: {', '.join(installed.environment) or 'none'}")
    lines += [f"  not in it: {part} in {store}" for part, store in installed.outside.items()]
    lines.append("Services that write stand still meanwhile, and go on afterwards.")
    return data, "\n".join(lines)


def of_upgrade(plan: Plan) -> str:
    """What an upgrade would do, in its order, and what cannot be undone."""
    lines = [f"Dify {plan.before} -> {plan.after}"]
    for title, changes in (("services", plan.services), ("images", plan.images), ("variables", plan.environment)):
        lines += [f"{title}:"] * bool(changes)
        lines += [f"  {one.what}: {_known(one.before)} -> {_known(one.after)}" for one in changes]
    if plan.secrets:
        lines.append(f"secrets that are made: {', '.join(plan.secrets)}")
    lines.append(
        "then: backup, stop, migration" + "".join(f", `{' '.join(words)}`" for words in plan.steps) + ", start, ask"
    )
    lines.append(
        "Migrations cannot be undone: the way back is the backup, which an upgrade that fails takes by itself."
    )
    lines.append("Later, going back to it loses what was written since. Tasks that wait in Redis are not in it.")
    return "\n".join(lines)


def _known(text: str | None) -> str:
    return "none" if text is None else text or '""'


def _size(count: int) -> str:
    return f"{count / MIB:.1f} MiB"
