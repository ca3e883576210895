"""The models that this process computes: those of the configuration, and those that were loaded while it ran."""

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from freehold.cli.kept import Kept
from freehold.cli.references import require_here
from freehold.config import Config, ModelConfig, Source
from freehold.config.foreign.triton import read_triton_model
from freehold.config.stated import stated_model
from freehold.errors import FreeholdError
from freehold.gateway.reload import OF_THE_SERVER
from freehold.server.models import Models, Offer, Override, Served
from freehold.store import Store

log = logging.getLogger(__name__)

PLACES = frozenset({"source", "versions"})
"""Keys that say where a model lies."""

Make = Callable[[ModelConfig], Served]
"""A model that is not opened yet, of a configuration without `versions`."""


class Residents:
    """What is to be served here, by whose wish. `read` reads the configuration again, and blocks.

    The event loop calls `whole`, `check` and `follow`; `offer`, `forget` and what an offer does are called in threads.
    """

    def __init__(self, config: Config, read: Callable[[], Config], make: Make, kept: Kept, store: Store) -> None:
        """Raises FreeholdError `model_in_both`."""
        self.troubles: list[FreeholdError] = []
        """Why models that are kept are not served."""
        self._config = config
        self._read = read
        self._make = make
        self._kept = kept
        self._store = store
        self._writing = threading.Lock()
        self._loaded = self._begin()
        self._found: dict[str, ModelConfig] = {}
        self.whole(config)

    def served(self) -> list[Served]:
        """All that there are, unopened."""
        own = [one for model in _here(self._config) for one in self._versions(model)]
        return own + [one for model in self._loaded.values() for one in self._versions(model, at_run_time=True)]

    def whole(self, config: Config) -> Config:
        """`config` with the models that were loaded at run time. Raises FreeholdError `model_in_both`."""
        for model in self._loaded:
            if config.model(model) is not None or _is_route(model, config):
                raise FreeholdError("model_in_both", model=model, folder=self._kept.folder)
        beside = [model for model in (*self._found.values(), *self._loaded.values()) if config.model(model.id) is None]
        return structs.replace(config, models=(*config.models, *beside))

    def check(self, config: Config) -> None:
        """Raises FreeholdError where `config` cannot be followed: a name in both, or a model that is not here."""
        self.whole(config)
        known = _by_id(self._config)
        for model in _here(config):
            if known.get(model.id) != model:
                for source in model.sources.values():
                    require_here(source, self._store)

    def follow(self, config: Config, models: Models) -> None:
        """Serve by `config` from now on; loads and unloads that it takes go on by themselves."""
        before, now = _by_id(self._config), _by_id(config)
        self._config = config
        changed = {name: model for name, model in now.items() if name not in before or _other(before[name], model)}
        gone = [name for name in before if name not in now]
        if not changed and not gone:
            return
        models.follow({name: self._versions(model, vital=False) for name, model in changed.items()}, gone)

    def offer(self, model: str, override: Override) -> Offer:
        """As `Repository.offer`: of the configuration, of what is kept, else of the store by its name."""
        named = self._found_again(model) or self._config.model(model)
        if named is not None:
            if override != Override():
                raise FreeholdError("model_follows_file", model=model)
            if named.hosting != "here":
                raise FreeholdError("model_elsewhere", model=model)
            return Offer(self._versions(named, vital=False), lambda: self._note(named))
        if _is_route(model, self._config):
            raise FreeholdError("model_follows_file", model=model)
        try:
            settings = self._settings(model, override)
            stated = self._stated(model, settings)
        except FreeholdError:
            self._kept.tidy(model)
            raise

        def keep() -> None:
            with self._writing:
                self._kept.put(model, settings)
                self._loaded = {**self._loaded, model: stated}

        return Offer(self._versions(stated, at_run_time=True), keep, lambda: self._kept.tidy(model))

    def forget(self, model: str) -> None:
        """As `Repository.forget`."""
        with self._writing:
            self._kept.remove(model)
            self._loaded = {name: one for name, one in self._loaded.items() if name != model}

    def _stated(self, model: str, settings: Mapping[str, Any]) -> ModelConfig:
        """A model by its settings, which is here."""
        stated = stated_model(model, settings, self._config, self._kept.folder)
        if stated.hosting != "here":
            raise FreeholdError("model_elsewhere", model=model)
        for source in stated.sources.values():
            require_here(source, self._store)
        return stated

    def _begin(self) -> dict[str, ModelConfig]:
        """What is kept; one that cannot be read keeps no other from being served."""
        for model in set(self._kept.with_files()).difference(self._kept.names()):
            self._kept.tidy(model)
        loaded = {}
        for model in self._kept.names():
            try:
                settings = self._kept.find(model) or {}
                loaded[model] = stated_model(model, settings, self._config, self._kept.folder)
            except FreeholdError as error:
                self.troubles.append(error)
                log.warning("kept_refused", extra={"model": model, "code": error.code, "cause": error.cause})
        return loaded

    def _settings(self, model: str, override: Override) -> dict[str, Any]:
        """What is known of the model, with what is said now before it: where it lies, too, in one of two ways."""
        said = dict(override.settings)
        if override.files:
            said.update(_of_files(self._kept.lay(model, override.files)))
        known = self._kept.find(model) or {}
        if said.keys() & PLACES:
            known = {key: value for key, value in known.items() if key not in PLACES}
        settings = {**known, **said}
        if not settings.keys() & PLACES:
            settings["source"] = self._store.find(Source("store", model)).ref
        return settings

    def _note(self, model: ModelConfig) -> None:
        """Have a model that came to the folder since among those that there are."""
        if self._config.model(model.id) is None:
            self._found = {**self._found, model.id: model}

    def _found_again(self, model: str) -> ModelConfig | None:
        """A model as it is by now in the folder of another server's models that is served."""
        return None if model in self._loaded else _by_id(self._read()).get(model)

    def _versions(self, model: ModelConfig, *, at_run_time: bool = False, vital: bool = True) -> list[Served]:
        made = []
        for version, source in model.sources.items():
            one = self._make(structs.replace(model, source=str(source), versions={}))
            one.version, one.vital = version, vital and not at_run_time
            one.origin = "runtime" if at_run_time else "file"
            one.tenant = model.tenant or ""
            made.append(one)
        return made

    def here(self, config: Config) -> list[str]:
        """The ids of all that there are with `config`."""
        return list(_by_id(self.whole(config)))


def _other(before: ModelConfig, now: ModelConfig) -> bool:
    """Whether a model must be loaded again. Limits of the whole server stand in every model's, and are none of it."""
    limits = {name: getattr(before.limits, name) for name in OF_THE_SERVER}
    return before != structs.replace(now, limits=structs.replace(now.limits, **limits))


def _is_route(name: str, config: Config) -> bool:
    """Whether requests for that name go where a route leads."""
    return any(route.model == name for route in config.routes)


def _here(config: Config) -> list[ModelConfig]:
    return [model for model in config.models if model.hosting == "here"]


def _by_id(config: Config) -> dict[str, ModelConfig]:
    return {model.id: model for model in _here(config)}


def _of_files(folder: Path) -> dict[str, Any]:
    """Where a model lies that was sent as files: as numbered versions, or as one folder."""
    if any(entry.name.isdecimal() for entry in folder.iterdir()):
        found = read_triton_model(folder)
        return {"kind": "tensor", "versions": {number: str(graph) for number, graph in found.versions.items()}}
    return {"source": str(folder)}
