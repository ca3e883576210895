"""`freehold doctor --fit`: what the models of a configuration need of this machine, and whether it is there."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from freehold.cli.references import local_store, located
from freehold.config import Config
from freehold.deploy.fitting.beside import check_cards, left_beside
from freehold.deploy.fitting.facts import FILES, fingerprint
from freehold.deploy.fitting.fit import Card, Fit, Machine, Row, fitting, largest_of
from freehold.deploy.fitting.model_files import ModelFiles, read_model
from freehold.deploy.fitting.needs import MIB, Need
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.topology.release import release_of
from freehold.errors import FreeholdError
from freehold.machine import read_cpu, read_gpus, read_memory


def fit_here(config: Config, apart: bool = False) -> Fit:
    """The models of `config` against this machine as it is now. `apart`: as a deployment runs them.

    Raises what `references.located` raises for a model that is not here, and `fit_unreadable`.
    """
    deployment = Deployment.of(config) if apart else None
    units = None if deployment is None else (*deployment.units, deployment.gateway)
    return fitting(config, files_of(config, os.environ), machine_here(), units, _dify(config))


def fit_beside(coming: Sequence[Unit], running: Sequence[Unit]) -> Fit:
    """The services that come against what this machine has left beside those that run until then.

    Raises `fit_card_taken`, and what `fit_here` does.
    """
    check_cards(coming, running)
    config = Config(models=tuple(model for unit in coming for model in unit.models))
    return fitting(config, files_of(config, os.environ), left_beside(machine_here(), running), coming)


def check_files(units: Sequence[Unit], environ: Mapping[str, str]) -> None:
    """Raises `fit_files_changed` where files that no digest stands for are not those that a unit was made of: a release
    of before would start as itself, and answer as another."""
    store = local_store(environ)
    for unit in units:
        for model in unit.models:
            known = unit.artifacts.get(model.id, "")
            if known.startswith(FILES) and fingerprint(path := located(model.parsed_source, store)) != known:
                raise FreeholdError("fit_files_changed", model=model.id, path=path)


def files_of(config: Config, environ: Mapping[str, str]) -> dict[str, ModelFiles]:
    """The files of every model that is not at an upstream, nor run by a command of its own."""
    store = local_store(environ)
    ours = [model for model in config.models if model.hosting != "upstream" and not model.command]
    return {model.id: read_model(located(model.parsed_source, store), model.kind) for model in ours}


def _dify(config: Config) -> dict[str, Need]:
    """What the Dify of `config` asks for itself: nobody measured it, so nothing is refused for it."""
    if config.dify is None or config.dify.version is None:
        return {}
    gib = release_of(config.dify.version).needs.memory_gib
    formula = f"workspace = {gib} GiB that Dify asks for, all its services together (docs.dify.ai, not measured)"
    return {"(Dify)": Need(0, 0, gib << 30, (formula,))}


def machine_here() -> Machine:
    """Memory within this container's limit, the cores that a server would use, and the cards."""
    cards = tuple(
        Card(gpu.index, gpu.name, gpu.memory_total, max(0, gpu.memory_total - gpu.memory_used)) for gpu in read_gpus()
    )
    memory = read_memory()
    return Machine(memory.available, read_cpu().usable_cores, cards, memory.total)


def told(fit: Fit) -> tuple[dict[str, Any], str]:
    """The fit as JSON, and as text: the table, then for each model its formula and the largest that fits."""
    lines = [fit.table()]
    for row in fit.rows:
        lines += ["", f"{row.model}: {_sum(row)}", *(f"  {term}" for term in row.need.formula)]
        if row.note:
            lines.append(f"  {row.note}")
        if row.most_context is not None or row.most_concurrency is not None:
            lines.append(f"  largest: {largest_of(row)}")
    return {"ok": fit.ok, "rows": [_data(row) for row in fit.rows]}, "\n".join(lines)


def _sum(row: Row) -> str:
    return f"weights + KV + workspace = {-(-row.need.sum // MIB):,} MiB of {row.place}"


def _data(row: Row) -> dict[str, Any]:
    """Sizes in bytes; `available` null where nothing could be asked."""
    return {
        "model": row.model,
        "place": row.place,
        "weights": row.need.weights,
        "kv": row.need.kv,
        "workspace": row.need.workspace,
        "sum": row.need.sum,
        "available": row.available,
        "verdict": row.verdict,
        "context": row.load.context if row.load else None,
        "concurrency": row.load.concurrency if row.load else None,
        "most_context": row.most_context,
        "most_concurrency": row.most_concurrency,
        "formula": list(row.need.formula),
        "note": row.note,
    }
