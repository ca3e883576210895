"""Releases of a deployment as files: `$FREEHOLD_HOME/releases/NAME/NUMBER/`.

A folder holds the configuration as it was given, the deployment that was made of it, what was rendered of that, and
`release.json`: images and artifacts by digest, who, when, and how far it has come. The file `current` beside the
folders names the release that is in force; it is replaced at one moment, so that whatever a crash leaves can be told.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from freehold import __version__
from freehold.artifact.artifact import write_durably
from freehold.deploy.releases.lock import Holder
from freehold.deploy.releases.log import Line, Log
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.rollout import Reason

T = TypeVar("T")
State = Literal["planned", "rolling", "current", "superseded", "failed"]

KEPT = 10
CONFIGURATION = "freehold.yaml"
_RECORD, _DEPLOYMENT, _RENDERED = "release.json", "deployment.json", "rendered"


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment as it was put in force, or was to be. Moments are wall clock, seconds.

    `images`: by the name that units have, the digest, "" where it is not known. `artifacts`: by model, the same.
    `restores`: the older release that this one brings back.
    """

    number: int
    state: State
    freehold: str
    by: str
    at: float
    images: dict[str, str] = {}
    artifacts: dict[str, str] = {}
    restores: int | None = None
    ended_at: float | None = None
    reason: Reason | None = None


class Releases:
    """All releases of one deployment. Who changes them holds `lock`.

    Raises `release_damaged` and `releases_unwritable`.
    """

    def __init__(self, home: Path, name: str, wall: Callable[[], float] = time.time) -> None:
        self.folder = home / "releases" / name
        self.lock = self.folder / "lock"
        self.log = Log(self.folder / "log.jsonl")
        self._wall = wall

    def numbers(self) -> list[int]:
        """Those that there are, the oldest first."""
        try:
            names = [entry.name for entry in os.scandir(self.folder)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unwritable(error) from None
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def add(
        self,
        deployment: Deployment,
        configuration: str,
        rendered: Mapping[str, str],
        holder: Holder,
        *,
        images: Mapping[str, str],
        artifacts: Mapping[str, str],
        restores: int | None = None,
    ) -> Release:
        """A new release, planned; its folder appears whole or not at all."""
        number = max(self.numbers(), default=0) + 1
        release = Release(
            number=number,
            state="planned",
            freehold=__version__,
            by=holder.name,
            at=self._wall(),
            images=dict(images),
            artifacts=dict(artifacts),
            restores=restores,
        )
        aside = self.folder / f".{number}.new"
        try:
            shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
            aside.mkdir(parents=True, mode=0o700)
            write_durably(aside / CONFIGURATION, configuration.encode("utf-8"))
            write_durably(aside / _DEPLOYMENT, _written(deployment))
            for name, text in rendered.items():
                path = aside / _RENDERED / name
                path.parent.mkdir(parents=True, exist_ok=True)
                write_durably(path, text.encode("utf-8"))
            write_durably(aside / _RECORD, _written(release))
            aside.rename(self.folder / str(number))
        except OSError as error:
            raise self._unwritable(error) from None
        return release

    def read(self, number: int) -> Release:
        """A release as its files say. Raises `release_absent`."""
        release = self._decoded(number, _RECORD, Release)
        if number == self._current():
            return msgspec.structs.replace(release, state="current")
        if release.state == "current":  # another one took its place, and the process was killed before it said so here
            return msgspec.structs.replace(release, state="superseded")
        return release

    def all(self) -> list[Release]:
        """The oldest first."""
        return [self.read(number) for number in self.numbers()]

    def deployment(self, release: Release) -> Deployment:
        """What it consists of."""
        return self._decoded(release.number, _DEPLOYMENT, Deployment)

    def configuration(self, release: Release) -> str:
        """As it was given."""
        return (self.folder / str(release.number) / CONFIGURATION).read_text(encoding="utf-8")

    def rendered(self, release: Release) -> Path:
        """Where its rendered files lie."""
        return self.folder / str(release.number) / _RENDERED

    def current(self) -> Release | None:
        """The one in force."""
        number = self._current()
        return None if number is None else self.read(number)

    def interrupted(self) -> Release | None:
        """The one whose rollout neither came to its end nor was taken back: that process was killed."""
        return next((release for release in reversed(self.all()) if release.state == "rolling"), None)

    def before(self, release: Release) -> Release | None:
        """The last one that was in force before `release`; of one that restores another, before that one."""
        number = release.number if release.restores is None else release.restores
        older = [one for one in self.all() if one.number < number and one.state == "superseded"]
        return older[-1] if older else None

    def begin(self, release: Release) -> Release:
        """Its rollout begins."""
        return self._moved(release, "rolling")

    def settle(self, release: Release) -> Release:
        """It is in force from now on, in the place of the one before."""
        before = self.current()
        try:
            write_durably(self.folder / "current", f"{release.number}\n".encode())
        except OSError as error:
            raise self._unwritable(error) from None
        if before is not None and before.number != release.number:
            self._moved(before, "superseded")
        return self._moved(release, "current")

    def fail(self, release: Release, reason: FreeholdError) -> Release:
        """It is not in force, and why."""
        return self._moved(release, "failed", Reason.of(reason))

    def clear(self) -> None:
        """Nothing is in force any more."""
        current = self.current()
        try:
            (self.folder / "current").unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None
        if current is not None:
            self._moved(current, "superseded")

    def prune(self) -> None:
        """Remove the files of old releases: all but the last KEPT, the one in force and that before it.

        What cannot be removed now is tried again after the next one: it is no reason to call a release failed.
        """
        current = self.current()
        kept = set(self.numbers()[-KEPT:])
        if current is not None:
            before = self.before(current)
            kept |= {current.number} | ({before.number} if before is not None else set())
        with suppress(OSError):
            for number in set(self.numbers()) - kept:
                (self.folder / str(number)).rename(self.folder / f".{number}.old")  # it is gone whole or not at all
        for old in self.folder.glob(".*.old"):
            shutil.rmtree(old, ignore_errors=True)

    def note(self, release: Release, what: str, text: str = "", reason: FreeholdError | None = None) -> None:
        """Leave word in the log of what happened to a release, by this process's user."""
        told = None if reason is None else Reason.of(reason)
        try:
            self.log.note(Line(self._wall(), Holder.here(what, 0.0).name, release.number, what, text, told))
        except OSError as error:
            raise self._unwritable(error) from None

    def _moved(self, release: Release, state: State, reason: Reason | None = None) -> Release:
        ended = None if state == "rolling" else self._wall()
        after = msgspec.structs.replace(release, state=state, reason=reason, ended_at=ended)
        try:
            write_durably(self.folder / str(release.number) / _RECORD, _written(after))
        except OSError as error:
            raise self._unwritable(error) from None
        return after

    def _current(self) -> int | None:
        try:
            return int((self.folder / "current").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise FreeholdError("release_damaged", path=self.folder / "current", reason=error) from None

    def _decoded(self, number: int, name: str, form: type[T]) -> T:
        path = self.folder / str(number) / name
        try:
            return msgspec.json.decode(path.read_bytes(), type=form)
        except FileNotFoundError:
            known = ", ".join(map(str, self.numbers())) or "none"
            raise FreeholdError("release_absent", number=number, known=known) from None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FreeholdError("release_damaged", path=path, reason=error) from None

    def _unwritable(self, error: OSError) -> FreeholdError:
        return FreeholdError("releases_unwritable", path=self.folder, reason=error.strerror or str(error))


def _written(record: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
