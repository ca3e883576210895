"""Changes of one deployment: deploy, roll back, take down. One at a time, each a release whose state can be read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace

import msgspec

from freehold.deploy.releases.lock import Holder, held
from freehold.deploy.releases.plan import gateway_changes
from freehold.deploy.releases.release import Release, Releases
from freehold.deploy.releases.rolling import REAL, Clock, Rolling, Say, Terms
from freehold.deploy.releases.staging import WHOLE, added, final
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import FILE, Unit
from freehold.deploy.target import Running, Target
from freehold.deploy.topology.installation import installation
from freehold.errors import FreeholdError

_NEEDED = frozenset({"port", "published", "http_port", "grpc_port", "secrets", "mounts", "https", "environment"})
"""What of a gateway its own file may ask for: with another file it cannot stay without them."""
_AT_ONCE = Terms(steps=(WHOLE,), step_s=0.0, recorded=None)
"""Back to what was in force before: as soon as it is ready, and nobody asks whether it answers as the broken one."""


@dataclass(frozen=True)
class Wanted:
    """What is to be in force. `configuration` as it was given; `restores`: the older release that it comes from."""

    deployment: Deployment
    configuration: str
    restores: int | None = None


@dataclass(frozen=True)
class Status:
    """How a deployment stands."""

    current: Release | None
    interrupted: Release | None
    running: tuple[Running, ...]
    lacking: tuple[str, ...]
    """Hosts of what the release in force has and does not run."""


class Deploying:
    """One deployment, its releases and the place where it runs. Every method may block.

    `render` gives the files of a deployment for people; `prepare` brings what services that come need there, and raises
    where that or room is lacking; `hold` keeps others from it who deploy from elsewhere; `say` is told what is done.
    """

    def __init__(
        self,
        releases: Releases,
        target: Target,
        render: Callable[[Deployment], Mapping[str, str]],
        *,
        prepare: Callable[[Deployment, Sequence[Unit]], None] = lambda _deployment, _units: None,
        hold: Callable[[str], AbstractContextManager[None]] = lambda _what: nullcontext(),
        clock: Clock = REAL,
        say: Say = lambda _text: None,
    ) -> None:
        self._releases = releases
        self._target = target
        self._render = render
        self._prepare = prepare
        self._hold = hold
        self._clock = clock
        self._listener = say

    def deploy(self, wanted: Wanted, terms: Terms, what: str = "deploy") -> Release:
        """Put `wanted` in force. One that was interrupted on the way there is continued; another one is taken back.

        Raises why it came to nothing: then what was in force before is in force.
        """
        with self._alone(what) as holder:
            old = self._in_force()
            new = kept_gateway(old, wanted.deployment, with_gateway=terms.with_gateway)
            left = self._releases.interrupted()
            if left is not None and self._releases.deployment(left) != new:
                self._take_back(left, old)
                left = None
            current = self._releases.current()
            if left is None and current is not None and new == old:
                return self._mended(current, new)
            self._verify(old, new)
            release = left or self._added(replace(wanted, deployment=new), holder)
            return self._roll(release, old, new, terms)

    def rollback(self, number: int | None, *, with_gateway: bool = False) -> Release | None:
        """Take back a rollout that was interrupted; else put an older release in force, by default the last one before.

        Returns what is in force then. Raises `release_none`, `release_first`, `release_current`, `release_absent`.
        """
        with self._alone("rollback") as holder:
            old, left = self._in_force(), self._releases.interrupted()
            if left is not None:
                self._take_back(left, old)
                if number is None:
                    return self._releases.current()
            current = self._releases.current()
            if current is None or old is None:
                raise FreeholdError("release_none", name=self._releases.folder.name)
            goal = self._goal(current, number)
            new = kept_gateway(old, self._releases.deployment(goal), with_gateway=with_gateway)
            self._verify(old, new)
            release = self._added(Wanted(new, self._releases.configuration(goal), goal.number), holder)
            return self._roll(release, old, new, replace(_AT_ONCE, with_gateway=with_gateway))

    def down(self) -> None:
        """Stop everything, whatever release it is of."""
        with self._alone("down"):
            left, current = self._releases.interrupted(), self._releases.current()
            self._part(*(self._releases.deployment(one) for one in (left, current) if one is not None))
            running = [one.host for one in self._target.running()]
            if running:
                self._say(f"stopping {', '.join(running)}")
                self._target.stop(running)
            if left is not None:
                self._releases.fail(left, FreeholdError("deploy_aborted", number=left.number))
            if current is not None:
                self._releases.clear()
            if (last := current or left) is not None:
                self._releases.note(last, "down")

    def status(self) -> Status:
        """How it stands now. Takes no lock: a rollout may be under way."""
        running = (*self._target.running(), *self._target.dify.running())
        there = {one.host for one in running}
        deployment = self._in_force()
        wanted = () if deployment is None else hosts_of(deployment, self._target)
        lacking = tuple(host for host in wanted if host not in there)
        return Status(self._releases.current(), self._releases.interrupted(), running, lacking)

    @contextmanager
    def _alone(self, what: str) -> Iterator[Holder]:
        with held(self._releases.lock, what) as holder, self._hold(what):
            yield holder

    def _say(self, text: str) -> None:
        """Whoever listened may be gone, with a terminal or the end of a pipe: the work goes on."""
        with suppress(OSError):
            self._listener(text)

    def _verify(self, old: Deployment | None, new: Deployment) -> None:
        """Raises where what comes does not fit, or an artifact is not what it should be; nothing has changed then."""
        check_dify(new, self._target)
        coming = added(old, new)
        self._prepare(new, coming)
        self._say("checking every artifact by the image that is to run it")
        self._target.verify(new, coming)
        if new.has_dify:
            self._target.dify.verify(new)

    def _accompany(self, old: Deployment | None, new: Deployment) -> None:
        """Dify comes after the models that it uses; what fails there leaves them in force, and is tried again by the
        next `deploy`."""
        if new.has_dify:
            self._target.dify.start(new, self._say)
        else:
            self._part(old)

    def _part(self, *known: Deployment | None) -> None:
        """Stop the Dify that one of `known` has, and one that an interrupted change has left."""
        if any(one is not None and one.has_dify for one in known) or self._target.dify.running():
            self._say("stopping Dify, whose data stays")
            self._target.dify.stop()

    def _in_force(self) -> Deployment | None:
        current = self._releases.current()
        return None if current is None else self._releases.deployment(current)

    def _goal(self, current: Release, number: int | None) -> Release:
        goal = self._releases.before(current) if number is None else self._releases.read(number)
        if goal is None:
            raise FreeholdError("release_first", number=current.number)
        if goal.number == current.number:
            raise FreeholdError("release_current", number=number)
        return goal

    def _added(self, wanted: Wanted, holder: Holder) -> Release:
        return added_to(self._releases, wanted, self._render(wanted.deployment), holder)

    def _roll(self, release: Release, old: Deployment | None, new: Deployment, terms: Terms) -> Release:
        release = self._releases.begin(release)
        self._releases.note(release, "begun", "" if release.restores is None else f"restores {release.restores}")
        try:
            self._rolling(old, new, terms, release).run()
            self._accompany(old, new)
        except KeyboardInterrupt:
            is_settled = self._releases.read(release.number).state == "current"  # and its Dify half there
            code = "deploy_interrupted" if is_settled else "deploy_aborted"
            return self._failed(release, FreeholdError(code, number=release.number))
        except FreeholdError as error:
            return self._failed(release, error)
        self._releases.prune()
        return self._releases.read(release.number)

    def _settle(self, release: Release) -> None:
        self._releases.settle(release)
        self._releases.note(release, "current")

    def _failed(self, release: Release, error: FreeholdError) -> Release:
        """Raises `error`; what could not be taken back, or is in force already, is not failed."""
        with suppress(FreeholdError):  # a disk that is full says so elsewhere: here it would hide why
            self._releases.note(release, "failed", reason=error)
            if error.code != "deploy_stuck" and self._releases.read(release.number).state == "rolling":
                self._releases.fail(release, error)
        raise error

    def _take_back(self, left: Release, old: Deployment | None) -> None:
        self._say(f"taking release {left.number} back, whose rollout was interrupted")
        self._rolling(old, self._releases.deployment(left), _AT_ONCE).back()
        reason = FreeholdError("deploy_interrupted", number=left.number)
        self._releases.fail(left, reason)
        self._releases.note(left, "failed", reason=reason)

    def _mended(self, current: Release, deployment: Deployment) -> Release:
        """What is in force already: start what does not run of it, stop what is left of others."""
        self._rolling(deployment, deployment, _AT_ONCE).run()
        check_dify(deployment, self._target)  # nothing was verified: all is as it was
        self._accompany(deployment, deployment)
        return current

    def _rolling(
        self, old: Deployment | None, new: Deployment, terms: Terms, release: Release | None = None
    ) -> Rolling:
        """`release`: the one that is in force at its end, None where the old one stays so."""

        def settled() -> None:
            if release is not None:
                self._settle(release)

        def is_settled() -> bool:
            current = self._releases.current()
            return release is not None and current is not None and current.number == release.number

        return Rolling(self._target, old, new, terms, settled, self._clock, self._say, is_settled)


def added_to(releases: Releases, wanted: Wanted, rendered: Mapping[str, str], holder: Holder) -> Release:
    """A new release of `wanted`, planned. Raises `releases_unwritable`."""
    units = (*wanted.deployment.units, wanted.deployment.gateway)
    dify = installation(wanted.deployment.config, wanted.deployment.digests)
    of_dify = [service.image for service in dify.services] if dify is not None else []
    parts = [image.partition("@") for image in (*(unit.image for unit in units), *of_dify)]
    return releases.add(
        wanted.deployment,
        wanted.configuration,
        rendered,
        holder,
        images={name: digest for name, _, digest in parts},
        artifacts={model: digest for unit in units for model, digest in unit.artifacts.items()},
        restores=wanted.restores,
    )


def kept_gateway(old: Deployment | None, new: Deployment, *, with_gateway: bool) -> Deployment:
    """`new` with the gateway that runs, where that may stay: to replace it interrupts requests.

    Raises `deploy_gateway_changes` where it may not and `with_gateway` does not allow it.
    """
    if old is None or with_gateway or old.gateway.host == new.gateway.host:
        return new
    fields = [change.field for change in gateway_changes(old, new)]
    if any(field.partition(".")[0] in _NEEDED for field in fields):
        raise FreeholdError("deploy_gateway_changes", fields=", ".join(fields))
    return replace(new, gateway=replace(old.gateway, files={**old.gateway.files, FILE: final(new)}))


def check_dify(new: Deployment, target: Target) -> None:
    """Raises `dify_version_differs` where the Dify that is there is of another release: its data would be changed."""
    wanted = new.config.dify.version if new.config.dify is not None else None
    there = target.dify.version() if wanted is not None else None
    if there is not None and there != wanted:
        raise FreeholdError("dify_version_differs", there=there, wanted=wanted)


def hosts_of(deployment: Deployment, target: Target) -> tuple[str, ...]:
    """The hosts of all services that `deployment` takes, those of its Dify included."""
    dify = target.dify.hosts(deployment).values() if deployment.has_dify else ()
    return (*(unit.host for unit in (*deployment.units, deployment.gateway)), *dify)


def as_data(status: Status) -> dict[str, object]:
    """A status for programs."""
    return {
        "current": None if status.current is None else msgspec.to_builtins(status.current),
        "interrupted": None if status.interrupted is None else msgspec.to_builtins(status.interrupted),
        "services": [
            {"host": one.host, "state": one.state, "reason": None if one.reason is None else one.reason.cause}
            for one in status.running
        ],
        "lacking": list(status.lacking),
    }
