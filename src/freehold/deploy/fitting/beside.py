"""Versions that come run beside those that they replace: what the latter leave of a machine."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from freehold.deploy.fitting.fit import Machine
from freehold.deploy.fitting.needs import MIB
from freehold.deploy.fitting.needs_vllm import options_of
from freehold.deploy.services.units import Unit
from freehold.errors import FreeholdError

_ROUNDING = 1e-9


def left_beside(machine: Machine, running: Iterable[Unit]) -> Machine:
    """`machine` without what `running` may still take: what is free now has their mapped weights in it, and slots that
    nothing was written to. Bounds that a user set tell nothing of what is needed."""
    if machine.memory is None or machine.total is None:
        return machine
    promised = sum(
        unit.memory_mb * MIB
        for unit in running
        if unit.memory_mb is not None and not any(model.resources.memory_mb for model in unit.models)
    )
    return replace(machine, memory=max(0, min(machine.memory, machine.total - promised)))


def check_cards(coming: Iterable[Unit], running: Sequence[Unit]) -> None:
    """Raises `fit_card_taken` where vLLM's shares of one card are more than the card, whatever of it is free now.

    Without a share, as with our own engines, only what is free there tells.
    """
    taken = Counter[str]()
    for unit in running:
        taken.update(dict.fromkeys(unit.gpu_ids, _share(unit)))
    for unit in coming:
        share = _share(unit)
        for card in unit.gpu_ids:
            if share and taken[card] + share > 1 + _ROUNDING:
                holders = ", ".join(other.host for other in running if card in other.gpu_ids and _share(other))
                raise FreeholdError(
                    "fit_card_taken",
                    service=unit.host,
                    share=f"{share:.2f}",
                    card=card,
                    holders=holders,
                    taken=f"{taken[card]:.2f}",
                    free=f"{1 - taken[card]:.2f}",
                )


def _share(unit: Unit) -> float:
    """Of each of its cards."""
    return options_of(unit.models[0]).share if unit.role == "vllm" else 0.0
