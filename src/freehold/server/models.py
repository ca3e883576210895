"""The models that this node serves, each in one version or several, and what becomes of them while it runs."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from freehold.artifact import Kind
from freehold.errors import FreeholdError
from freehold.server.loader import Loader
from freehold.server.served import ProofPolicy, Served, State

log = logging.getLogger(__name__)

__all__ = [
    "ANSWERING",
    "IndexRow",
    "Models",
    "Offer",
    "Override",
    "ProofPolicy",
    "Remote",
    "Repository",
    "Served",
    "State",
]

ANSWERING = frozenset({State.READY, State.ASLEEP})
"""States in which a request is answered, after a load where it must be."""
_BY_WISH = frozenset({State.ASLEEP, State.UNLOADING, State.UNLOADED})


class IndexRow(NamedTuple):
    """One version of a model as a repository index has it: READY, LOADING, UNLOADING or UNAVAILABLE, and why."""

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True)
class Override:
    """What who loads a model says of it: `settings`, keys of a model in freehold.yaml, go before what is known of it;
    `files`, by paths like `1/model.onnx`, are the model."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class Offer(NamedTuple):
    """The versions of a model, none of them opened; `keep` sees to it that the next start loads them too."""

    versions: Sequence[Served]
    keep: Callable[[], None] = lambda: None


class Repository(Protocol):
    """Where models come from that are loaded by their name. All of it blocks."""

    def offer(self, model: str, override: Override) -> Offer:
        """The model of that name. Raises FreeholdError `model_not_found`, `model_follows_file` and others."""

    def forget(self, model: str) -> None:
        """The next start does not load it."""


class _Empty:
    """The repository of a node that loads nothing but what it began with."""

    def offer(self, model: str, override: Override) -> Offer:
        raise FreeholdError("model_not_found", model=model[:200], served="none")

    def forget(self, model: str) -> None:
        """There is nothing to forget."""


class Remote(Protocol):
    """A model that another server computes, as far as this one shows it. `vital`: this node is not ready without it."""

    @property
    def id(self) -> str: ...
    @property
    def created(self) -> int: ...
    @property
    def vital(self) -> bool: ...
    @property
    def state(self) -> str: ...  # a value of State
    @property
    def error(self) -> FreeholdError | None: ...
    @property
    def abilities(self) -> Sequence[str]: ...


class Models:
    """All models of the node, by id, in the order of the configuration; `remotes` are listed and reported with them.

    `budget`: bytes that the loaded ones may take together; None: no bound. Used from the event loop's thread only.
    """

    def __init__(
        self,
        served: Sequence[Served],
        remotes: Sequence[Remote] = (),
        repository: Repository | None = None,
        budget: int | None = None,
    ) -> None:
        self.remotes = remotes
        self.troubles: Callable[[], Sequence[FreeholdError]] = tuple
        """What else a person should know: of the configuration, of routes."""
        self.configuration: Callable[[], str] = str
        """The sha256 of the configuration file in force, in hex; "" where there is none."""
        self.on_change: Callable[[], None] = lambda: None
        """Told when there are other models than before."""
        self.loader = Loader(self.all, budget)
        self._repository: Repository = repository or _Empty()
        self._versions: dict[str, dict[str, Served]] = {}
        self._default: dict[str, Served] = {}
        self._changing = asyncio.Lock()
        self._loads: dict[str, tuple[Override, asyncio.Task[None]]] = {}
        self._following: set[asyncio.Task[None]] = set()
        self._draining = False
        for one in served:
            self._add(one)

    def all(self) -> list[Served]:
        """Every version of every model in whatever state."""
        return [one for versions in self._versions.values() for one in versions.values()]

    def defaults(self) -> list[Served]:
        """Every model in its default version, in whatever state."""
        return list(self._default.values())

    @property
    def changing(self) -> bool:
        """Whether models that a changed configuration brought or took are still being loaded or unloaded."""
        return bool(self._following)

    def find(self, model: str, version: str = "") -> Served:
        """The model of that id in whatever state, in its default version where none is named: the highest that answers.

        Raises FreeholdError `model_not_found`, which names those served, `version_unknown`, and `model_elsewhere` for a
        remote one.
        """
        served = self._default.get(model) if not version else self._versions.get(model, {}).get(version)
        if served is not None:
            return served
        if model in self._default:
            raise FreeholdError("version_unknown", model=model, version=version[:200], versions=self.versions(model))
        if self.remote(model) is not None:
            raise FreeholdError("model_elsewhere", model=model)
        known = ", ".join((*self._versions, *(remote.id for remote in self.remotes))) or "none"
        raise FreeholdError("model_not_found", model=model[:200], served=known)

    def versions(self, model: str) -> list[str]:
        """The versions of a model, lowest first; none of one that is not served here."""
        return list(self._versions.get(model, ()))

    def remote(self, model: str) -> Remote | None:
        """The model of that id that another server computes; None where there is none."""
        return next((remote for remote in self.remotes if remote.id == model), None)

    def get(self, model: str, version: str = "") -> Served:
        """The model of that id, able to answer. Raises FreeholdError; `model_asleep` is what `wake` helps against."""
        return self.find(model, version).asked()

    async def wake(self, model: str, version: str = "") -> Served:
        """The model of that id, able to answer; one that sleeps is loaded first. Raises as `get` and `Loader.wake`."""
        served = self.find(model, version)
        if served.sleeps:
            await self.loader.wake(served)
            self._choose(model)
        return self.get(model, version)

    def only(self, *kinds: Kind, sees: Callable[[str], bool] = lambda _: True) -> Served:
        """The one model of these kinds, able to answer, for calls that name none; of those that `sees` is true of.

        Raises FreeholdError `model_ambiguous` when there are several or none of them.
        """
        named = "|".join(kinds)
        seen = [one for one in self._default.values() if sees(one.id)]
        fitting = [one for one in seen if one.kind in kinds]
        if len(fitting) == 1:
            return fitting[0].asked()
        if not fitting and any(one.state is State.LOADING for one in seen):
            raise FreeholdError("model_loading", model=f"the {named} model")
        failed = [one for one in seen if one.state is State.FAILED]
        if not fitting and failed:
            failed[0].check()  # of what kind it is was never known: why it failed helps more than that none is served
        served = ", ".join(one.id for one in fitting) or "none of that kind is served here"
        raise FreeholdError("model_ambiguous", count=len(fitting), kind=named, served=served)

    def index(self) -> list[IndexRow]:
        """Every version of every model of this node, as a repository index has it."""
        return [
            IndexRow(one.id, one.version, _indexed(one), one.error.cause if one.error else "") for one in self.all()
        ]

    def drain(self) -> None:
        """From now on not ready, so that probes take this node out; what was accepted is still answered."""
        self._draining = True

    def ready(self) -> bool:
        """True when the node is not leaving, and every model can answer that is computed or was started by it.

        One that sleeps can; one that was unloaded by wish, or came while the node ran, does not count. A server
        elsewhere that is down must not take this one out; where there is nothing else, one must answer.
        """
        if self._draining or not all(map(_is_fine, self._versions.values())):
            return False
        vital = [remote.state == State.READY for remote in self.remotes if remote.vital]
        if self._versions or vital or not self.remotes:
            return all(vital)
        return any(remote.state == State.READY for remote in self.remotes)

    async def load(self, on_loaded: Callable[[Served], None]) -> None:
        """Load all that there are; `on_loaded` hears of these loads and of all later ones."""
        self.loader.on_loaded = on_loaded
        for served in self.all():
            if served.state is State.LOADING:
                await self.loader.load(served)
                self._choose(served.id)

    async def load_model(self, model: str, override: Override | None = None) -> None:
        """Load a model by its name, or again: until the new one is ready, the one that there is answers.

        Two who ask for the same at the same time wait for one load. Raises FreeholdError `model_failed` where it cannot
        be loaded, and what `Repository.offer` raises; then all is as it was.
        """
        asked = override or Override()
        under_way = self._loads.get(model)
        if under_way is None or under_way[0] != asked:
            under_way = self._loads[model] = asked, asyncio.create_task(self._load_model(model, asked))
            mine = under_way
            under_way[1].add_done_callback(lambda _: self._loads.get(model) is mine and self._loads.pop(model))
        try:
            await asyncio.shield(under_way[1])
        except FreeholdError as error:
            raise error.again() from None

    async def unload_model(self, model: str, grace_s: float = 30.0) -> None:
        """Unload every version, once its requests have ended or `grace_s` seconds are over.

        One of the configuration can be loaded again, and is at the next start; one that was loaded while the node ran
        is forgotten. Raises FreeholdError as `find`.
        """
        async with self._changing:
            self.find(model)
            leaving = list(self._versions[model].values())
            why = FreeholdError("model_unloaded", model=model)
            await asyncio.gather(*(one.unload(State.UNLOADED, why, grace_s) for one in leaving))
            self._choose(model)
            if any(one.origin == "runtime" for one in leaving):
                await asyncio.to_thread(self._repository.forget, model)
                self._drop(model, self.versions(model))
                self.on_change()

    def follow(self, offers: Mapping[str, Sequence[Served]], gone: Iterable[str], grace_s: float = 30.0) -> None:
        """Serve what a changed configuration says: `offers` are models that are new or other than before, `gone` those
        that it has no more. It goes on by itself, while `changing`.

        What cannot be loaded says so by its state, and changes nothing for the others.
        """
        task = asyncio.create_task(self._follow(offers, gone, grace_s))
        self._following.add(task)
        task.add_done_callback(self._followed)

    async def settled(self) -> None:
        """Wait until nothing is `changing`."""
        while self._following:
            await asyncio.wait(self._following)

    async def close(self, grace_s: float) -> None:
        """Close all at once."""
        for task in self._following:
            task.cancel()
        await self.settled()
        await asyncio.gather(self.loader.close(grace_s), *(served.close(grace_s) for served in self.all()))

    async def _follow(self, offers: Mapping[str, Sequence[Served]], gone: Iterable[str], grace_s: float) -> None:
        async with self._changing:
            for model in gone:
                leaving = list(self._versions.get(model, {}).values())
                self._drop(model, self.versions(model))
                why = FreeholdError("model_unloaded", model=model)
                await asyncio.gather(*(one.unload(State.UNLOADED, why, grace_s) for one in leaving))
            for model, versions in offers.items():
                await self._put(model, versions, grace_s)

    def _followed(self, task: "asyncio.Task[None]") -> None:
        self._following.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("follow_broke", exc_info=defect)

    async def _load_model(self, model: str, override: Override) -> None:
        async with self._changing:
            offer = await asyncio.to_thread(self._repository.offer, model, override)
            failure = await self._put(model, offer.versions)
            if failure is not None:
                raise FreeholdError("model_failed", model=model, reason=failure.cause, remedy=failure.fix)
            await asyncio.to_thread(offer.keep)
            self.on_change()

    async def _put(self, model: str, offered: Sequence[Served], grace_s: float = 30.0) -> FreeholdError | None:
        """Have `offered` as the versions of `model`; returns why the last of those failed that did."""
        failure: FreeholdError | None = None
        for one in offered:
            before = self._versions.get(model, {}).get(one.version)
            if before is None:
                self._add(one)
            await self.loader.load(one)
            failure = one.error or failure
            if before is not None:
                self._succeed(before, one)
            self._choose(model)
        left = set(self.versions(model)).difference(one.version for one in offered)
        if left and failure is None:
            leaving = [self._versions[model][version] for version in left]
            self._drop(model, left)
            why = FreeholdError("model_unloaded", model=model)
            await asyncio.gather(*(one.unload(State.UNLOADED, why, grace_s) for one in leaving))
        return failure

    def _succeed(self, before: Served, coming: Served) -> None:
        """`coming` takes the place of `before`, unless it cannot answer and `before` can."""
        if coming.error is None or not before.loaded:
            engine = before.take_over(coming)
        else:
            details = {"model": before.id, "reason": coming.error.cause, "remedy": coming.error.fix}
            before.error = FreeholdError("model_not_replaced", **details)
            engine = coming.give_up()
        if engine is not None:
            self.loader.retire(engine)

    def _add(self, one: Served) -> None:
        versions = {**self._versions.get(one.id, {}), one.version: one}
        self._versions[one.id] = dict(sorted(versions.items(), key=_by_number))
        self._choose(one.id)

    def _drop(self, model: str, versions: Iterable[str]) -> None:
        left = {version: one for version, one in self._versions.get(model, {}).items() if version not in set(versions)}
        if left:
            self._versions[model] = left
            self._choose(model)
        else:
            self._versions.pop(model, None)
            self._default.pop(model, None)

    def _choose(self, model: str) -> None:
        """The default is the highest version that answers, else the highest."""
        versions = list(self._versions[model].values())
        self._default[model] = next((one for one in reversed(versions) if one.state in ANSWERING), versions[-1])


def _by_number(entry: tuple[str, Served]) -> tuple[bool, int, str]:
    """Versions in their order: words, then numbers by their value."""
    version = entry[0]
    return version.isdecimal(), int(version) if version.isdecimal() else 0, version


def _is_fine(versions: Mapping[str, Served]) -> bool:
    """Whether a node that was to serve these versions of a model may be called ready."""
    vital = [one.now() for one in versions.values() if one.vital]
    return all(state in _BY_WISH for state in vital) or (
        State.LOADING not in vital and any(state in ANSWERING for state in vital)
    )


def _indexed(served: Served) -> str:
    state = served.now()
    if state in (State.READY, State.RESTARTING, State.ASLEEP):
        return "READY"
    return state.upper() if state in (State.LOADING, State.UNLOADING) else "UNAVAILABLE"
