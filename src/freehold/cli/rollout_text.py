"""How `freehold rollout` tells where rollouts stand: a table, why each step lasts, and what to write into the file."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from freehold.cli.columns import columns
from freehold.cli.output import LABELS, Output, describe
from freehold.errors import FreeholdError, Language
from freehold.gateway.rollouts.ledger import Ledger, Numbers, Progress
from freehold.gateway.rollouts.rollout import WHOLE, Rollout

_HEAD = ("ROUTE", "FROM", "TO", "PERCENT", "STEP", "STATE", "REQUESTS", "ERRORS", "P99 MS", "OLD ERRORS", "OLD P99 MS")
_NUMERIC = frozenset(map(_HEAD.index, ("PERCENT", "REQUESTS", "ERRORS", "P99 MS", "OLD ERRORS", "OLD P99 MS")))
_IN_FORCE: dict[Language, str] = {
    "en": "{route}: this stays in force until the configuration says the same or it is cleared (`freehold rollout clear"
    " {route}`). Write:",
    "zh": "{route}：在配置与之一致或被清除（`freehold rollout clear {route}`）之前持续生效。请写入：",
}
_NONE: dict[Language, str] = {
    "en": "No rollout. Begin one: freehold rollout start ROUTE --to MODEL",
    "zh": "没有发布。开始发布：freehold rollout start 路由 --to 模型",
}

State = tuple[Rollout, Progress | None]


def lines_to_write(rollout: Rollout) -> str:
    """The route as the configuration has to say it, to be what is in force."""
    weights = {model: weight for model, weight in rollout.weights().items() if weight}
    if len(weights) == 1:
        targets = f"{{id: {next(iter(weights))}}}"
    else:
        targets = ", ".join(f"{{id: {model}, weight: {weight}}}" for model, weight in small(weights).items())
    return f"  - {{model: {rollout.route}, to: [{targets}]}}"


def small(weights: Mapping[str, int]) -> dict[str, int]:
    """The same shares in small numbers: an aborted rollout's are percents a hundredfold."""
    return {model: weight // WHOLE if weight % WHOLE == 0 else weight for model, weight in weights.items()}


def show(ledger: Ledger, rollouts: Sequence[Rollout], output: Output, problems: Sequence[FreeholdError] = ()) -> None:
    """Print `rollouts`, and `problems` with records that cannot be read."""
    conductor = ledger.conductor()
    states = [(rollout, ledger.progress(rollout)) for rollout in rollouts]
    data = {
        "gateway": conductor,
        "rollouts": [_facts(rollout, progress, output) for rollout, progress in states],
        "problems": [describe(problem, output.language) for problem in problems],
    }
    labels = LABELS[output.language]
    lines = _table(states) if states else [_NONE[output.language]]
    for rollout, progress in states:
        lines += _remarks(rollout, progress, output)
    if conductor is None and any(not rollout.is_over for rollout in rollouts):
        lines.append(output.told(FreeholdError("rollout_no_gateway", home=ledger.folder.parent), labels.note))
    lines += [output.told(problem, labels.problem) for problem in problems]
    output.show(data, "\n".join(lines))


def _facts(rollout: Rollout, progress: Progress | None, output: Output) -> dict[str, Any]:
    facts: dict[str, Any] = msgspec.to_builtins(rollout)
    waits = progress.waits.error() if progress is not None and progress.waits is not None else None
    return {
        **facts,
        "percent": rollout.percent,
        "waits": None if waits is None else describe(waits, output.language),
        "ended": None if rollout.reason is None else describe(rollout.reason.error(), output.language),
        "answers": None
        if progress is None
        else {name: msgspec.to_builtins(getattr(progress, name)) for name in ("new", "old")},
        "write": lines_to_write(rollout).strip() if _differs(rollout) else None,
    }


def _differs(rollout: Rollout) -> bool:
    """Whether the configuration does not say yet what a rollout that ended left in force."""
    return rollout.is_over and rollout.has_say


def _remarks(rollout: Rollout, progress: Progress | None, output: Output) -> list[str]:
    """Why it stands where it stands, and what to do when it has ended."""
    lines = []
    if progress is not None and progress.waits is not None:
        lines.append(f"{rollout.route}: {progress.waits.error().in_language(output.language)[0]}")
    if rollout.reason is not None:
        cause, fix = rollout.reason.error().in_language(output.language)
        lines.append(f"{rollout.route}: {cause}\n  {fix}  ({rollout.reason.code})")
    if _differs(rollout):
        lines += [_IN_FORCE[output.language].format(route=rollout.route), "routes:", lines_to_write(rollout)]
    return lines


def _table(states: Sequence[State]) -> list[str]:
    return columns([_HEAD, *(_row(rollout, progress) for rollout, progress in states)], _NUMERIC)


def _row(rollout: Rollout, progress: Progress | None) -> tuple[str, ...]:
    new, old = (Numbers(), Numbers()) if progress is None else (progress.new, progress.old)
    state = f"{rollout.phase}, settled" if rollout.settled else rollout.phase
    return (
        rollout.route,
        ", ".join(rollout.old) or "-",
        rollout.new,
        str(rollout.percent),
        f"{rollout.step + 1}/{len(rollout.steps)}",
        state,
        str(new.requests),
        str(new.errors),
        "-" if new.p99_ms is None else f"{new.p99_ms:.1f}",
        str(old.errors),
        "-" if old.p99_ms is None else f"{old.p99_ms:.1f}",
    )
