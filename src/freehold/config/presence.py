"""Whether the models that a configuration names are on this machine."""

from collections.abc import Callable

from freehold.config.load import Reading
from freehold.config.locate import found, locate
from freehold.config.source import Source
from freehold.errors import FreeholdError, Kind


def absent_models(
    reading: Reading, in_store: Callable[[Source], object]
) -> tuple[list[FreeholdError], list[FreeholdError]]:
    """Problems and notes about models that are not here; `in_store` raises for a reference that the store lacks.

    A configuration with `deploy` is meant for other machines: what is missing here is then only worth a note.
    """
    problems: list[FreeholdError] = []
    notes: list[FreeholdError] = []
    config = reading.config
    models = config.models if config is not None else ()
    for index, model, source in ((*one, source) for one in enumerate(models) for source in one[1].sources.values()):
        try:
            if source.kind == "store":
                in_store(source)
            elif source.kind == "path":
                locate(source) if model.hosting == "here" else found(source)
        except FreeholdError as error:
            if config is not None and config.deploy is not None and error.kind is Kind.NOT_FOUND:
                where = reading.tree.at("models", index, "source").where
                notes.append(FreeholdError("note_model_not_here", where=where, id=model.id, path=source))
            else:
                problems.append(error)
    return problems, notes
