"""Takes a backup: writers stand still, everything is read, encrypted, read back, and only then has its name."""

import hashlib
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
from pyrage import x25519

from freehold import __version__
from freehold.artifact.artifact import sync_folder
from freehold.deploy.dify.backup import databases, folders
from freehold.deploy.dify.backup.archive import BOUND, Archive, read
from freehold.deploy.dify.backup.manifest import NAME, Manifest, SavedDatabase, SavedFolder
from freehold.deploy.dify.backup.place import Installed, Place
from freehold.deploy.dify.backup.sealed import opened, sealing
from freehold.errors import FreeholdError

Say = Callable[[str], None]
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Backup:
    """One that was read back. `notes` are what is to be known of it."""

    path: Path
    bytes: int
    sha256: str
    manifest: Manifest
    notes: tuple[FreeholdError, ...] = ()


@dataclass(frozen=True)
class Terms:
    """How it is taken. `without` names what is left out although Dify has it: `vectors`, `files`."""

    recipients: Sequence[x25519.Recipient]
    live: bool = False
    without: frozenset[str] = frozenset()


def back_up(place: Place, path: Path, terms: Terms, say: Say) -> Backup:
    """Save all of a Dify in the new file `path`.

    Services stand still while it is read (`live`: they do not), and go on however this ends. The file is whole when it
    has its name: it is written beside it, synced, decrypted again and held against its manifest.

    Raises `dify_backup_there`, `dify_backup_outside`, `dify_backup_unwritable`, `dify_backup_half_restored` and what
    programs say; `dify_backup_held` where services could not be let go.
    """
    notes = _leftovers(path)
    if path.exists():
        raise FreeholdError("dify_backup_there", path=path)
    installed = place.found()
    outside = installed.outside
    if "vectors" in outside and "vectors" not in terms.without:
        raise FreeholdError("dify_backup_outside_vectors", store=outside["vectors"])
    if "files" in outside and "files" not in terms.without:
        raise FreeholdError("dify_backup_outside_files", store=outside["files"])
    databases.check_whole(place, installed.databases)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    proof = x25519.Identity.generate()  # kept nowhere: with it, it is read back without the private key at hand
    try:
        with open(aside, "xb", opener=partial(os.open, mode=0o600)) as file:
            with (
                sealing(file, [*terms.recipients, proof.to_public()], aside) as stream,
                Archive.into(stream) as archive,
            ):
                _save(place, installed, archive, terms, say)
            file.flush()
            os.fsync(file.fileno())
        say("reading it back")
        with opened(aside, [proof]) as stream:
            manifest = read(stream).checked()
        size = aside.stat().st_size
        with aside.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        aside.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise FreeholdError("dify_backup_unwritable", path=path, reason=error.strerror or str(error)) from None
    finally:
        aside.unlink(missing_ok=True)
    return Backup(path, size, sha256, manifest, (*notes, *_doubts(manifest)))


def _save(place: Place, installed: Installed, archive: Archive, terms: Terms, say: Say) -> None:
    """All pieces, the manifest last."""
    if terms.live:
        saved = _pieces(place, installed, archive, say, live=True)
    else:
        say("holding the services that write")
        try:
            place.freeze()
            saved = _pieces(place, installed, archive, say, live=False)
        finally:
            _let_go(place)
    archive.add(BOUND, msgspec.json.encode(installed.bound))
    manifest = Manifest(
        id=secrets.token_hex(8),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        freehold=__version__,
        dify=installed.version,
        place=place.name,
        live=terms.live,
        databases=saved[0],
        folders=saved[1],
        environment={name: archive.add(f"environment/{name}", data) for name, data in installed.environment.items()},
        outside=installed.outside,
    )
    archive.add(NAME, manifest.written())


def _let_go(place: Place) -> None:
    """Whatever failed before is said by this too: nothing is as urgent as services that stand still."""
    try:
        place.thaw()
    except FreeholdError as error:
        if error.code == "dify_backup_disturbed":  # they go on; it is the backup that is lost
            raise
        raise FreeholdError("dify_backup_held", place=place.name, reason=error) from None


def _pieces(
    place: Place, installed: Installed, archive: Archive, say: Say, *, live: bool
) -> tuple[dict[str, SavedDatabase], dict[str, SavedFolder]]:
    dumps, trees = {}, {}
    for database in installed.databases:
        say(f"reading database {database.name}")
        with databases.dump(place, database) as stream:
            size, sha256 = archive.add_dump(database.piece, stream)
        dumps[database.piece] = databases.saved(place, database, size, sha256)
    for folder in installed.folders:
        say(f"reading folder {folder.path}")
        with folders.files_of(place, folder, live=live) as stream:
            tree = archive.add_folder(folder.piece, stream)
        trees[folder.piece] = SavedFolder(files=tree.files, bytes=tree.bytes, sha256=tree.sha256())
    return dumps, trees


def _leftovers(path: Path) -> tuple[FreeholdError, ...]:
    """What killed runs left in the folder: never whole, and nobody's but theirs."""
    if not path.parent.is_dir():
        raise FreeholdError("dify_backup_unwritable", path=path, reason="there is no such folder")
    found = sorted(one for one in path.parent.iterdir() if one.name.startswith(".") and one.name.endswith(UNFINISHED))
    return tuple(FreeholdError("dify_backup_leftover", path=one) for one in found)


def _doubts(manifest: Manifest) -> tuple[FreeholdError, ...]:
    """What a backup says of itself that its owner must know."""
    notes = [FreeholdError("dify_backup_without", part=part, store=store) for part, store in manifest.outside.items()]
    if manifest.live:
        notes.append(FreeholdError("dify_backup_live"))
    return tuple(notes)
