"""Whether the models that a configuration names are on this machine."""

from freehold.config.load import Reading
from freehold.config.locate import found, locate
from freehold.errors import FreeholdError, Kind


def absent_models(reading: Reading) -> tuple[list[FreeholdError], list[FreeholdError]]:
    """Problems and notes about path sources that are not here.

    A configuration with `deploy` is meant for other machines: what is missing here is then only worth a note.
    """
    problems: list[FreeholdError] = []
    notes: list[FreeholdError] = []
    config = reading.config
    for index, model in enumerate(config.models if config is not None else ()):
        source = model.parsed_source
        if source.kind != "path":
            continue
        try:
            locate(source) if model.hosting == "here" else found(source)
        except FreeholdError as error:
            if config is not None and config.deploy is not None and error.kind is Kind.NOT_FOUND:
                where = reading.tree.at("models", index, "source").where
                notes.append(FreeholdError("note_model_not_here", where=where, id=model.id, path=source.name))
            else:
                problems.append(error)
    return problems, notes
