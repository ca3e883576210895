"""Puts a backup back: into an empty Dify, or for a drill into databases beside it that are dropped again.

What is written first lies beside: databases of other names. Only when all of them hold what the manifest says does
anything of the installation change, and from then on a remark on its databases says which backup is being restored:
whoever is cut off there begins again with the same file, and with no other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pyrage import x25519

from freehold.artifact.artifact import write_durably
from freehold.deploy.dify.backup import databases, folders
from freehold.deploy.dify.backup.archive import Content, Look, Sink, read
from freehold.deploy.dify.backup.fitting import differences, fit
from freehold.deploy.dify.backup.manifest import Manifest
from freehold.deploy.dify.backup.place import Database, Installed, Place
from freehold.deploy.dify.backup.proving import Proof
from freehold.deploy.dify.backup.sealed import opened
from freehold.errors import FreeholdError

Say = Callable[[str], None]
BESIDE, DRILL = "_freehold_new", "_freehold_drill"


@dataclass(frozen=True)
class Source:
    """A backup and who can open it."""

    path: Path
    identities: Sequence[x25519.Identity]

    def read(self, take: dict[str, Sink] | None = None, look: Look | None = None) -> Content:
        """All of it. Raises what `archive.read` and `sealed.opened` do."""
        with opened(self.path, self.identities) as stream:
            return read(stream, take, look)


@dataclass(frozen=True)
class Restored:
    """What was restored, or tried. `notes`: what differs from where it was saved, and what is not in it; `faults`: what
    a drill found missing."""

    manifest: Manifest
    notes: tuple[FreeholdError, ...]
    faults: tuple[FreeholdError, ...] = ()


def drill(place: Place, source: Source, say: Say) -> Restored:
    """Show that a backup can be restored here, and change nothing: its databases come to life beside those that are
    there, are held against its manifest and its keys, and are dropped.

    Raises what `restore` does, an installation that is not empty apart.
    """
    say("reading the backup")
    proof = Proof()
    content, installed = source.read(look=proof.see), place.found()
    manifest = content.checked()
    fit(place, installed, content)
    with _beside(place, installed, source, manifest, DRILL, say) as made:
        say("checking what came to life")
        faults = proof.faults(place, made, content.bound.get("SECRET_KEY", ""))
    return Restored(manifest, differences(place, installed, manifest), tuple(faults))


def restore(
    place: Place,
    source: Source,
    say: Say,
    *,
    replace_data: bool = False,
    begun: Callable[[], None] = lambda: None,
) -> Restored:
    """Put a backup into an installation that is empty, and start its services.

    `replace_data` is for who takes back an upgrade, by the backup that was verified before it: then the services that
    are there may be of the other version, so none is started. Nothing is changed before the backup
    was read to its end and its databases were brought to life beside the empty ones; services stay stopped where it
    is cut off later. `begun` is called right before the first change.

    Raises `dify_backup_target_not_empty`, `dify_backup_half_restored`, what `fit` does, and what programs say;
    `dify_backup_restore_failed` with that where something was changed.
    """
    say("reading the backup")
    content, installed = source.read(), place.found()
    manifest = content.checked()
    fit(place, installed, content)
    if not replace_data:
        _check_empty(place, installed, manifest)
    say("stopping the services that write")
    changed = False
    try:
        place.stop()
        if not replace_data:
            _check_empty(place, installed, manifest)  # until now they could write
        with _beside(place, installed, source, manifest, BESIDE, say) as made:
            begun()
            changed = True
            _put_in_place(place, installed, source, manifest, made, say)
    except BaseException as error:
        if not changed and not replace_data:  # what another version has migrated, this one must not write to
            place.start()
        if changed and not replace_data and isinstance(error, FreeholdError):
            raise FreeholdError("dify_backup_restore_failed", reason=error) from None
        raise
    if not replace_data:
        place.start()
    return Restored(manifest, differences(place, installed, manifest))


def settings_into(source: Source, folder: Path) -> list[Path]:
    """Write the files of settings and secrets into `folder`, mode 600, none over another one; their paths.

    Raises `dify_backup_file_there`, `dify_backup_unwritable`.
    """
    content = source.read()
    paths = {folder / name: data for name, data in content.environment.items()}
    for path in paths:
        if path.exists():
            raise FreeholdError("dify_backup_file_there", path=path)
    for path, data in paths.items():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, data, 0o600)
        except OSError as error:
            raise FreeholdError("dify_backup_unwritable", path=path, reason=error.strerror or str(error)) from None
    return sorted(paths)


@contextmanager
def _beside(
    place: Place, installed: Installed, source: Source, manifest: Manifest, suffix: str, say: Say
) -> Iterator[list[Database]]:
    """The backup's databases under other names, which are gone when the block ends, unless they have better ones."""
    made: list[Database] = []
    say("bringing its databases to life")
    try:
        for database in installed.databases:
            name = databases.name_beside(database, suffix)
            made.append(databases.make_beside(place, database, name, f"{databases.MARK} {manifest.id}"))
        _read_again(source, manifest, {one.piece: partial(databases.restoring, place, one) for one in made})
        for database in made:
            wanted, found = manifest.databases[database.piece].rows, databases.counts(place, database)
            if found != wanted and not manifest.live:
                raise FreeholdError(
                    "dify_backup_rows_differ", database=database.piece, found=found, wanted=dict(wanted)
                )
        yield made
    finally:
        for database in made:
            databases.drop(place, database)


def _put_in_place(
    place: Place, installed: Installed, source: Source, manifest: Manifest, made: Sequence[Database], say: Say
) -> None:
    for database in installed.databases:
        databases.set_mark(place, database, f"{databases.MARK} {manifest.id}")
    for folder in installed.folders:
        folders.clear(place, folder)
    say("writing files")
    _read_again(source, manifest, {one.piece: partial(folders.unpacking, place, one) for one in installed.folders})
    for folder in installed.folders:
        say(f"reading folder {folder.path} again")
        if folders.tree_of(place, folder).sha256() != manifest.folders[folder.piece].sha256:
            raise FreeholdError("dify_backup_files_differ", folder=folder.path, service=folder.service)
    for database, beside in zip(installed.databases, made, strict=True):
        say(f"putting database {database.name} in place")
        databases.put_in_place(place, database, beside)
    for database in installed.databases:
        databases.set_mark(place, database, "")


def _read_again(source: Source, manifest: Manifest, take: dict[str, Sink]) -> None:
    """As it was read first: another file may have got its name meanwhile."""
    if source.read(take).checked() != manifest:
        raise FreeholdError("dify_backup_incomplete", reason=f"{source.path} is another one by now")


def _check_empty(place: Place, installed: Installed, manifest: Manifest) -> None:
    """Nobody's data is here, but what an earlier attempt with this very backup wrote."""
    found = {database: databases.mark_of(place, database) for database in installed.databases}
    marks = {mark for mark in found.values() if mark}
    ours = f"{databases.MARK} {manifest.id}"
    for mark in sorted(marks):
        if mark.startswith(databases.MARK) and mark != ours:
            raise FreeholdError("dify_backup_half_restored", id=mark.partition(" ")[2])
    for database in (database for database, mark in found.items() if mark is not None):
        filled = _with_rows(databases.counts(place, database))
        if filled and not (ours in marks and filled == _with_rows(manifest.databases[database.piece].rows)):
            table, count = next(iter(filled.items()))
            raise FreeholdError("dify_backup_target_not_empty", what=f"{count} rows in {table} of {database.name}")
    for folder in installed.folders:
        if ours not in marks and (name := folders.first_file(place, folder)):
            raise FreeholdError("dify_backup_target_not_empty", what=f"{name} ({folder.service})")


def _with_rows(counts: Mapping[str, int]) -> dict[str, int]:
    return {table: count for table, count in counts.items() if count}
