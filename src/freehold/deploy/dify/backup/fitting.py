"""Whether a backup can be restored into an installation, and what will be different there."""

import re

from freehold.deploy.dify.backup.archive import Content
from freehold.deploy.dify.backup.databases import missing_extensions, server_version
from freehold.deploy.dify.backup.manifest import Manifest
from freehold.deploy.dify.backup.place import BOUND, Installed, Place
from freehold.errors import FreeholdError


def fit(place: Place, installed: Installed, content: Content) -> None:
    """Raises `dify_backup_pieces_differ`, `dify_backup_dify_older`, `dify_backup_server_older`,
    `dify_backup_extension_missing`, `dify_backup_bound`."""
    manifest = content.checked()
    here = {one.piece for one in installed.databases} | {one.piece for one in installed.folders}
    there = {*manifest.databases, *manifest.folders}
    if here != there:
        raise FreeholdError(
            "dify_backup_pieces_differ", saved=", ".join(sorted(there)), installed=", ".join(sorted(here))
        )
    if _numbers(installed.version) < _numbers(manifest.dify):
        raise FreeholdError("dify_backup_dify_older", saved=manifest.dify, installed=installed.version)
    for database in installed.databases:
        saved, server = manifest.databases[database.piece], server_version(place, database)
        if _numbers(server)[:1] < _numbers(saved.server)[:1]:
            raise FreeholdError(
                "dify_backup_server_older", service=database.service, saved=saved.server, installed=server
            )
        if missing := missing_extensions(place, database, saved.extensions):
            raise FreeholdError(
                "dify_backup_extension_missing", service=database.service, extensions=", ".join(missing)
            )
    differing = [name for name in BOUND if content.bound.get(name, "") != installed.bound.get(name, "")]
    if differing:
        raise FreeholdError("dify_backup_bound", names=", ".join(differing))


def differences(place: Place, installed: Installed, manifest: Manifest) -> tuple[FreeholdError, ...]:
    """What is to be known of a backup that fits."""
    notes = [FreeholdError("dify_backup_without", part=part, store=store) for part, store in manifest.outside.items()]
    if manifest.live:
        notes.append(FreeholdError("dify_backup_live"))
    if manifest.dify != installed.version:
        notes.append(FreeholdError("dify_backup_dify_newer", saved=manifest.dify, installed=installed.version))
    for database in installed.databases:
        saved, server = manifest.databases[database.piece].server, server_version(place, database)
        if _numbers(server)[:1] != _numbers(saved)[:1]:
            notes.append(
                FreeholdError("dify_backup_server_newer", service=database.service, saved=saved, installed=server)
            )
    return tuple(notes)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", version)[:3])
