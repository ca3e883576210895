"""An upgrade from beginning to end: saved, migrated, started, tried; taken back by its backup where that fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyrage import x25519

from freehold.deploy.dify.backup import databases
from freehold.deploy.dify.backup.restoring import Source, restore
from freehold.deploy.dify.backup.saving import Backup, Terms, back_up
from freehold.deploy.dify.upgrading import journal
from freehold.deploy.dify.upgrading.journal import Journal
from freehold.deploy.dify.upgrading.plan import Plan
from freehold.deploy.dify.upgrading.stage import Say, Stage
from freehold.errors import FreeholdError


@dataclass(frozen=True)
class Safety:
    """By what an upgrade is taken back: the backup that is made first, and who can open it."""

    backup: Path
    identities: Sequence[x25519.Identity]
    journal: Path
    without: frozenset[str] = frozenset()

    @property
    def source(self) -> Source:
        """The backup, to be read."""
        return Source(self.backup, self.identities)


def upgrade(stage: Stage, wanted: Plan, safety: Safety, say: Say) -> Backup:
    """Bring Dify from `wanted.before` to `wanted.after`; the backup that was made first.

    Nothing begins while Dify does not answer as it is, or images are not to be had. Whatever fails once something was
    changed, Ctrl-C too, is taken back to the version and the data of the backup.

    Raises what `back_up` and `Stage.verify` do; `dify_upgrade_interrupted`, `dify_upgrade_unwell`;
    `dify_upgrade_taken_back` with why it failed; `dify_upgrade_stuck` where that failed as well.
    """
    journal.check(safety.journal)
    say("asking Dify what its users ask")
    _check_well(stage)
    say(f"bringing the images of Dify {wanted.after}")
    stage.verify(wanted.after)
    terms = Terms([one.to_public() for one in safety.identities], without=safety.without)
    saved = back_up(stage.place, safety.backup, terms, say)
    safety.source.read().checked()  # by the key that would take it back
    begun = Journal(wanted.before, wanted.after, str(safety.backup.resolve()), saved.manifest.id)
    journal.begin(safety.journal, begun)
    try:
        _change(stage, wanted, saved, say)
    except BaseException as error:
        _take_back(stage, wanted.before, safety, say, error)
        if not isinstance(error, FreeholdError):
            raise
        raise FreeholdError("dify_upgrade_taken_back", before=wanted.before, after=wanted.after, reason=error) from None
    journal.end(safety.journal)
    return saved


def take_back(stage: Stage, safety: Safety, say: Say) -> Journal:
    """Take back an upgrade that was cut off. Raises `dify_upgrade_none`, `dify_upgrade_other_backup`, what `restore`
    does."""
    begun = journal.read(safety.journal)
    if begun is None:
        raise FreeholdError("dify_upgrade_none")
    if safety.source.read().checked().id != begun.id:
        raise FreeholdError("dify_upgrade_other_backup", backup=begun.backup, id=begun.id)
    _restore(stage, begun.before, safety, say)
    return begun


def _change(stage: Stage, wanted: Plan, saved: Backup, say: Say) -> None:
    say("stopping the services that write")
    stage.place.stop()
    say(f"putting Dify {wanted.after} in place")
    stage.put(wanted.after)
    say("migrating the databases")
    stage.migrate()
    for words in wanted.steps:
        say(f"running {' '.join(words)}")
        stage.run(words)
    _check_rows(stage, saved)
    say("starting all services")
    stage.start()
    say("asking Dify what its users ask")
    stage.try_out()


def _check_well(stage: Stage) -> None:
    """What fails before is no fault of the new version, and would be taken for one after hours of migration."""
    try:
        stage.try_out()
    except FreeholdError as error:
        raise FreeholdError("dify_upgrade_unwell", reason=error) from None


def _check_rows(stage: Stage, saved: Backup) -> None:
    """A migration adds rows and moves them; fewer than before is a loss. Nobody else writes yet."""
    for database in stage.place.found().databases:
        before = saved.manifest.databases[database.piece].rows
        now = databases.counts(stage.place, database)
        lost = _lost(before, now) if database.piece == "dify" else {}
        if lost:
            raise FreeholdError("dify_upgrade_rows_lost", database=database.name, lost=_told(lost))


def _lost(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    return {table: (count, now.get(table, 0)) for table, count in before.items() if now.get(table, 0) < count}


def _told(lost: Mapping[str, tuple[int, int]]) -> str:
    return ", ".join(f"{table} had {before}, has {now}" for table, (before, now) in lost.items())


def _take_back(stage: Stage, version: str, safety: Safety, say: Say, error: BaseException) -> None:
    try:
        _restore(stage, version, safety, say)
    except FreeholdError as second:
        raise FreeholdError(
            "dify_upgrade_stuck", version=version, backup=safety.backup, reason=error, second=second
        ) from None


def _restore(stage: Stage, version: str, safety: Safety, say: Say) -> None:
    say(f"going back to Dify {version} and its data")
    stage.place.stop()
    stage.put(version)
    restore(stage.place, safety.source, say, replace_data=True)
    stage.start()
    journal.end(safety.journal)
