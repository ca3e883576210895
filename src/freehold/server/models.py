"""The models that this node serves, each in one version or several, and what becomes of them while it runs."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from freehold.artifact import Kind
from freehold.engine.base import Engine
from freehold.errors import FreeholdError
from freehold.errors import Kind as Failing
from freehold.server.loader import RETIRE_S, Loader
from freehold.server.offers import Empty, Offer, Override, Repository
from freehold.server.served import ProofPolicy, Served, State
from freehold.server.versions import Versions

log = logging.getLogger(__name__)

__all__ = [
    "Followed",
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

_OF_WHAT_WAS_ASKED = frozenset({Failing.INVALID, Failing.NOT_FOUND, Failing.TOO_LARGE, Failing.UNSUPPORTED})
"""Failures that come again when the same is asked again."""


class IndexRow(NamedTuple):
    """One version of a model as a repository index has it: READY, LOADING, UNLOADING or UNAVAILABLE, and why."""

    name: str
    version: str
    state: str
    reason: str


class Followed(NamedTuple):
    """A configuration file that is followed; both are empty where there is none.

    `digest`: the sha256 of the one in force, in hex. `read`: when the one that was last read was written, in force or
    not, in nanoseconds since 1970.
    """

    digest: str = ""
    read: int = 0


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
        self.configuration: Callable[[], Followed] = Followed
        """What is known of the configuration file."""
        self.on_change: Callable[[], None] = lambda: None
        """Told when there are other models than before."""
        self.loader = Loader(self._holding, budget)
        self._repository: Repository = repository or Empty()
        self._places = Versions()
        self._changing = asyncio.Lock()
        self._acts: dict[str, tuple[Override | None, asyncio.Task[None]]] = {}  # None: unload it
        self._following: set[asyncio.Task[None]] = set()
        self._leaving: dict[asyncio.Task[None], Served] = {}  # is no more to be found, and ends its requests
        self._coming: Sequence[Served] = ()  # is loaded, and takes its place once all of it is
        self._draining = False
        for one in served:
            self._places.add(one)

    def all(self) -> list[Served]:
        """Every version of every model in whatever state."""
        return self._places.all()

    def defaults(self) -> list[Served]:
        """Every model in its default version, in whatever state."""
        return self._places.defaults()

    @property
    def owners(self) -> Mapping[str, str]:
        """The tenants of those models here that belong to one, each from before its first load until it is gone."""
        return self._places.owners

    @property
    def changing(self) -> bool:
        """Whether models that a changed configuration brought or took are still being loaded or unloaded."""
        return bool(self._following)

    def find(self, model: str, version: str = "") -> Served:
        """The model of that id in whatever state, in its default version where none is named: the highest that answers.

        Raises FreeholdError `model_not_found`, which names those served, `version_unknown`, and `model_elsewhere` for a
        remote one.
        """
        served = self._places.get(model, version)
        if served is not None:
            return served
        if model in self._places:
            raise FreeholdError("version_unknown", model=model, version=version[:200], versions=self.versions(model))
        if self.remote(model) is not None:
            raise FreeholdError("model_elsewhere", model=model)
        known = ", ".join((*self._places.models(), *(remote.id for remote in self.remotes))) or "none"
        raise FreeholdError("model_not_found", model=model[:200], served=known)

    def versions(self, model: str) -> list[str]:
        """The versions of a model, lowest first; none of one that is not served here."""
        return list(self._places.of(model))

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
            try:
                await self.loader.wake(served)
            finally:
                self._places.choose(model)
        return self.get(model, version)

    def only(self, *kinds: Kind, sees: Callable[[str], bool] = lambda _: True) -> Served:
        """The one model of these kinds, able to answer, for calls that name none; of those that `sees` is true of.

        Raises FreeholdError `model_ambiguous` when there are several or none of them.
        """
        named = "|".join(kinds)
        seen = [one for one in self._places.defaults() if sees(one.id)]
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
        if self._draining or not self._places.fine():
            return False
        vital = [remote.state == State.READY for remote in self.remotes if remote.vital]
        if self._places.models() or vital or not self.remotes:
            return all(vital)
        return any(remote.state == State.READY for remote in self.remotes)

    async def load(self, on_loaded: Callable[[Served], None]) -> None:
        """Load all that there are; `on_loaded` hears of these loads and of all later ones."""
        self.loader.on_loaded = on_loaded
        for served in self.all():
            if served.state is State.LOADING:
                await self.loader.load(served)
                self._places.choose(served.id)

    async def load_model(self, model: str, override: Override | None = None) -> None:
        """Load a model by its name, or again: until the new one is ready, the one that there is answers.

        Two who ask for the same at the same time wait for one load. Raises what `Repository.offer` does, and where a
        version of it cannot be loaded or kept `model_unusable` or `model_failed`. Then none of them is: what answered
        goes on, and a model that was not there explains itself.
        """
        asked = override or Override()
        await self._once(model, asked, lambda: self._load_model(model, asked))

    async def unload_model(self, model: str) -> None:
        """Unload every version, once its requests have ended.

        One of the configuration can be loaded again, and is at the next start; one that was loaded while the node ran
        is forgotten. Raises FreeholdError as `find`, and what `Repository.forget` does.
        """
        self.find(model)
        await self._once(model, None, lambda: self._unload_model(model))

    def follow(self, offers: Mapping[str, Sequence[Served]], gone: Iterable[str]) -> None:
        """Serve what a changed configuration says: `offers` are models that are new or other than before, `gone` those
        that it has no more. It goes on by itself, while `changing`.

        What cannot be loaded says so by its state, and changes nothing for the others.
        """
        task = asyncio.create_task(self._follow(offers, gone))
        self._following.add(task)
        task.add_done_callback(self._followed)

    async def settled(self) -> None:
        """Wait until nothing is `changing`."""
        while self._following:
            await asyncio.wait(self._following)

    async def close(self, grace_s: float) -> None:
        """Close all at once."""
        acts = [*self._following, *(task for _, task in self._acts.values()), *self._leaving]
        everything = [*self.all(), *self._leaving.values()]
        for task in acts:
            task.cancel()
        await asyncio.gather(*acts, return_exceptions=True)
        await asyncio.gather(self.loader.close(grace_s), *(served.close(grace_s) for served in everything))

    def _holding(self) -> list[Served]:
        """All that may hold memory, each once."""
        return list({id(one): one for one in (*self.all(), *self._leaving.values(), *self._coming)}.values())

    async def _once(self, model: str, asked: Override | None, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have it done by a task, which goes on when who asked leaves; who asks for the same meanwhile joins in."""
        mine = self._acts.get(model)
        if mine is None or mine[0] != asked:
            mine = begun = self._acts[model] = asked, asyncio.create_task(act())
            begun[1].add_done_callback(lambda _: self._acts.get(model) is begun and self._acts.pop(model))
        try:
            await asyncio.shield(mine[1])
        except FreeholdError as error:
            raise error.again() from None

    async def _follow(self, offers: Mapping[str, Sequence[Served]], gone: Iterable[str]) -> None:
        async with self._changing:
            for model in gone:
                self._leave(model, self.versions(model))
            for model, versions in offers.items():
                await self._exchange(model, versions)

    def _followed(self, task: "asyncio.Task[None]") -> None:
        self._following.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("follow_broke", exc_info=defect)

    async def _load_model(self, model: str, override: Override) -> None:
        async with self._changing:
            offer = await asyncio.to_thread(self._repository.offer, model, override)
            failure = await self._exchange(model, offer.versions, offer.keep)
            if failure is not None:
                await asyncio.to_thread(offer.discard)
                code = "model_unusable" if failure.kind in _OF_WHAT_WAS_ASKED else "model_failed"
                raise FreeholdError(code, model=model, reason=failure.cause, remedy=failure.fix)
            self.on_change()

    async def _unload_model(self, model: str) -> None:
        why = FreeholdError("model_unloaded", model=model)
        async with self._changing:
            self.find(model)
            leaving = list(self._places.of(model).values())
            if any(one.origin == "runtime" for one in leaving):
                await asyncio.to_thread(self._repository.forget, model)
            ending = asyncio.gather(*(one.unload(State.UNLOADED, why, RETIRE_S) for one in leaving))
        await ending
        there = self._places.of(model)
        gone = [one for one in leaving if one.origin == "runtime" and one.error is why]  # else it was loaded again
        if gone:
            self._places.drop(model, [one.version for one in gone if there.get(one.version) is one])
            self.on_change()

    async def _exchange(
        self, model: str, offered: Sequence[Served], keep: Callable[[], None] = lambda: None
    ) -> FreeholdError | None:
        """Have `offered` as the versions of `model`, all of them or none, and `keep` them; returns why it is none."""
        before = set(self.versions(model))
        for one in offered:
            if one.version not in before:
                self._places.add(one)
        self._coming = offered
        try:
            for one in offered:
                await self.loader.load(one)
            failure = next((one.error for one in offered if not one.answers), None)
            if failure is None:
                await asyncio.to_thread(keep)
        except FreeholdError as error:
            failure = error
        finally:
            self._coming = ()
        if failure is not None:
            self._take_back(model, offered, before, failure)
            return failure
        for one in offered:
            there = self._places.get(model, one.version)
            if there is None:
                self._places.add(one)
            elif there is not one:
                self._retire(there.take_over(one))
        self._leave(model, before.difference(one.version for one in offered))
        self._places.choose(model)
        return None

    def _take_back(self, model: str, offered: Sequence[Served], before: set[str], why: FreeholdError) -> None:
        """Go on with the versions that there were `before`; where there were none, the new ones say why."""
        for one in offered:
            self._retire(one.give_up())
            if one.answers:
                one.fail(why)
        if not before:
            return
        self._places.drop(model, {one.version for one in offered}.difference(before))
        for one in self._places.of(model).values():
            if one.state is State.READY:
                one.error = FreeholdError("model_not_replaced", model=model, reason=why.cause, remedy=why.fix)
            elif one.state is State.FAILED:
                one.fail(why)
            self.loader.on_loaded(one)  # what was told of the new ones is not so any more

    def _leave(self, model: str, versions: Iterable[str]) -> None:
        """Know these versions no more; their requests end."""
        leaving = [self._places.of(model)[version] for version in versions]
        self._places.drop(model, [one.version for one in leaving])
        why = FreeholdError("model_unloaded", model=model)
        for one in leaving:
            task = asyncio.create_task(one.unload(State.UNLOADED, why, RETIRE_S))
            self._leaving[task] = one
            task.add_done_callback(self._leaving.pop)

    def _retire(self, engine: Engine | None) -> None:
        if engine is not None:
            self.loader.retire(engine)


def _indexed(served: Served) -> str:
    state = served.now()
    if state in (State.READY, State.RESTARTING, State.ASLEEP):
        return "READY"
    return state.upper() if state in (State.LOADING, State.UNLOADING) else "UNAVAILABLE"
