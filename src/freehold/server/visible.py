"""The models of a node as one caller knows them: to that caller there are no others."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

from freehold.artifact import Kind
from freehold.errors import FreeholdError
from freehold.http.visit import Visit
from freehold.server.models import IndexRow, Models, Override, Remote
from freehold.server.served import Served

Sees = Callable[[str], bool]


class Visible:
    """`models`, of which those exist whose names `sees` is true of. Made for one request, whose `visit` changes them.

    A model that is not seen is answered as one that is not there: in the same words, and without naming it.
    """

    __slots__ = ("_models", "_sees", "_visit")

    def __init__(self, models: Models, sees: Sees, visit: Visit | None = None) -> None:
        self._models = models
        self._sees = sees
        self._visit = visit

    def all(self) -> list[Served]:
        """As `Models.all`."""
        return [one for one in self._models.all() if self._sees(one.id)]

    def defaults(self) -> list[Served]:
        """As `Models.defaults`."""
        return [one for one in self._models.defaults() if self._sees(one.id)]

    def remotes(self) -> list[Remote]:
        """The models that other servers compute, and routes."""
        return [remote for remote in self._models.remotes if self._sees(remote.id)]

    def remote(self, model: str) -> Remote | None:
        """As `Models.remote`."""
        return self._models.remote(model) if self._sees(model) else None

    def index(self) -> list[IndexRow]:
        """As `Models.index`."""
        return [row for row in self._models.index() if self._sees(row.name)]

    def versions(self, model: str) -> list[str]:
        """As `Models.versions`."""
        return self._models.versions(model) if self._sees(model) else []

    def find(self, model: str, version: str = "") -> Served:
        """As `Models.find`."""
        if not self._sees(model):
            raise self._missing(model)
        try:
            return self._models.find(model, version)
        except FreeholdError as error:
            raise self._missing(model) if error.code == "model_not_found" else error from None

    def get(self, model: str, version: str = "") -> Served:
        """As `Models.get`."""
        return self.find(model, version).asked()

    async def wake(self, model: str, version: str = "") -> Served:
        """As `Models.wake`."""
        served = self.find(model, version)
        return await self._models.wake(model, version) if served.sleeps else served.asked()

    def only(self, *kinds: Kind) -> Served:
        """As `Models.only`: the only one of those that are seen."""
        return self._models.only(*kinds, sees=self._sees)

    async def load_model(self, model: str, override: Override | None = None) -> None:
        """As `Models.load_model`. Raises `model_shared`, `model_stated_by_tenant`, `audit_refused`, too."""
        if not self._sees(model) or not (self._owns(model) or self._models.versions(model)):
            raise self._missing(model)  # who may load no model of that name is not told whether one could be
        if self._visit is not None and override not in (None, Override()):
            self._visit.may_state(model)
        async with self._changing("model.load", model):
            await self._models.load_model(model, override)
            self._tell_digest(model)

    async def unload_model(self, model: str) -> None:
        """As `Models.unload_model`. Raises `model_shared`, `audit_refused`, too."""
        self.find(model)
        self._tell_digest(model)
        async with self._changing("model.unload", model):
            await self._models.unload_model(model)

    def _owns(self, model: str) -> bool:
        return self._visit is None or self._visit.owns(model)

    def _tell_digest(self, model: str) -> None:
        """Of what weights the act is, of each version; for its line in the audit."""
        if self._visit is not None:
            facts = [one.facts for one in self._models.all() if one.id == model]
            self._visit.digest = ", ".join(one.digest for one in facts if one is not None)

    def _changing(self, what: str, model: str) -> AbstractAsyncContextManager[None]:
        return nullcontext() if self._visit is None else self._visit.changing(what, model)

    def _missing(self, model: str) -> FreeholdError:
        here, elsewhere = [one.id for one in self.all()], [remote.id for remote in self.remotes()]
        names = dict.fromkeys(here + elsewhere)
        return FreeholdError("model_not_found", model=model[:200], served=", ".join(names) or "none")
