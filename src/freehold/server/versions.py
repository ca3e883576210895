"""Every version of every model of a node, and which one is meant where none is named."""

from collections.abc import Iterable, Mapping

from freehold.server.served import Served, State

_BY_WISH = frozenset({State.ASLEEP, State.UNLOADING, State.UNLOADED})


class Versions:
    """Places by model and version, in the order in which they came. Used from the event loop's thread only."""

    def __init__(self) -> None:
        self.owners: Mapping[str, str] = {}
        """The tenants of those models that belong to one, each from before its first load until it is gone."""
        self._places: dict[str, dict[str, Served]] = {}
        self._default: dict[str, Served] = {}

    def __contains__(self, model: str) -> bool:
        return model in self._places

    def models(self) -> list[str]:
        """The names of all models."""
        return list(self._places)

    def all(self) -> list[Served]:
        """Every version of every model in whatever state."""
        return [one for versions in self._places.values() for one in versions.values()]

    def defaults(self) -> list[Served]:
        """Every model in its default version, in whatever state."""
        return list(self._default.values())

    def of(self, model: str) -> Mapping[str, Served]:
        """The versions of a model, lowest first; none of one that is not there."""
        return self._places.get(model, {})

    def get(self, model: str, version: str = "") -> Served | None:
        """One version of a model, its default where none is named; None where there is none."""
        return self._default.get(model) if not version else self.of(model).get(version)

    def add(self, one: Served) -> None:
        """There is one more."""
        versions = {**self.of(one.id), one.version: one}
        self._places[one.id] = dict(sorted(versions.items(), key=_by_number))
        self.choose(one.id)

    def drop(self, model: str, versions: Iterable[str]) -> None:
        """These are there no more; without any version the model is not, either."""
        gone = set(versions)
        left = {version: one for version, one in self.of(model).items() if version not in gone}
        if left:
            self._places[model] = left
        else:
            self._places.pop(model, None)
            self._default.pop(model, None)
        self.choose(model)

    def choose(self, model: str) -> None:
        """The default is the highest version that answers, or is only asleep; else the highest."""
        versions = list(self.of(model).values())
        if versions:
            answering = (one for one in reversed(versions) if one.answers or one.rests)
            self._default[model] = next(answering, versions[-1])
        self.owners = {name: one.tenant for name, one in self._default.items() if one.tenant}

    def fine(self) -> bool:
        """Whether a node that was to serve all these may be called ready."""
        return all(map(_is_fine, self._places.values()))


def _by_number(entry: tuple[str, Served]) -> tuple[bool, int, str]:
    """Versions in their order: words, then numbers by their value."""
    version = entry[0]
    return version.isdecimal(), int(version) if version.isdecimal() else 0, version


def _is_fine(versions: Mapping[str, Served]) -> bool:
    """One version that answers is enough, once all have been tried; what nobody wants now does not count."""
    vital = [State.ASLEEP if one.rests else one.now() for one in versions.values() if one.vital]
    return all(state in _BY_WISH for state in vital) or (
        State.LOADING not in vital and any(state in (State.READY, State.ASLEEP) for state in vital)
    )
