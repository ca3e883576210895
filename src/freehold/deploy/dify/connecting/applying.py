"""Doing what is planned, so that nothing stays half done: all models are called first, and a second run goes on."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from freehold.deploy.dify.connecting.becoming import Wanted
from freehold.deploy.dify.connecting.keys import Keys
from freehold.deploy.dify.connecting.planning import Plan, Step
from freehold.deploy.dify.connecting.provider import API_KEY
from freehold.deploy.dify.console import Console, ModelType, Say, Smoke
from freehold.errors import FreeholdError

LABEL = "freehold"
"""The name of our credentials in Dify."""


@dataclass(frozen=True)
class Proof:
    """A real call through Dify: what of it was of which model, how long it took, the answer's beginning."""

    what: str
    models: tuple[str, ...]
    seconds: float
    answer: str


def validate(console: Console, plan: Plan, say: Say) -> None:
    """Let Dify call every model that will be added or changed, before anything is.

    Raises `dify_models_refused`, which names each that does not answer Dify.
    """
    refused = []
    for step in _given(plan):
        say(f"Dify calls {step.name} ({step.type})")
        complaint = console.models.validate(step.name, step.type, step.values)
        if complaint is not None:
            refused.append(f"{step.name} ({step.type}): {complaint}")
    if refused:
        raise FreeholdError("dify_models_refused", count=len(refused), refused="\n    ".join(refused))


def apply(console: Console, plan: Plan, keys: Keys, say: Say) -> None:
    """Do the steps of `plan`, then set defaults.

    Raises `dify_connect_interrupted`, which names what was done and what is left.
    """
    deeds = [*_deeds(console, plan, keys)]
    done: list[str] = []
    for title, deed in deeds:
        say(title)
        try:
            deed()
        except FreeholdError as error:
            left = ", ".join(title for title, _ in deeds[len(done) :])
            raise FreeholdError(
                "dify_connect_interrupted", done=", ".join(done) or "-", left=left, reason=error.cause, remedy=error.fix
            ) from error
        done.append(title)


def _deeds(console: Console, plan: Plan, keys: Keys) -> Iterator[tuple[str, Callable[[], None]]]:
    """What is removed goes last: it may have been a default until then."""
    for step in _given(plan):
        yield f"{step.action} {step.name} ({step.type})", partial(_give, console, step, keys)
    if plan.defaults:
        names = ", ".join(f"{name} ({kind})" for kind, name in plan.defaults.items())
        yield f"default {names}", partial(console.models.set_defaults, plan.defaults)
    for step in plan.steps:
        if step.action == "remove":
            yield f"remove {step.name} ({step.type})", partial(console.models.remove, step.name, step.type)


def _give(console: Console, step: Step, keys: Keys) -> None:
    """Add or update a model, and remember its key."""
    console.models.put(step.name, step.type, step.values, LABEL)
    keys.note(f"{step.type} {step.name}", step.values.get(API_KEY))


def _given(plan: Plan) -> Iterator[Step]:
    return (step for step in plan.steps if step.action in ("add", "update"))


def prove(
    smoke: Smoke, models: tuple[Wanted, ...], say: Say, clock: Callable[[], float] = time.monotonic
) -> tuple[Proof, ...]:
    """A chat with the first model that chats, and a text indexed, found and ranked by the first of those that do.

    Raises `dify_console_smoke`.
    """
    first: dict[ModelType, str] = {}
    for one in models:
        if one.type != "llm" or one.credentials.get("mode") == "chat":
            first.setdefault(one.type, one.name)
    proofs = []

    def timed(what: str, names: tuple[str, ...], call: Callable[[], str]) -> None:
        say(f"{what} through Dify: {', '.join(names)}")
        begun = clock()
        answer = call()
        proofs.append(Proof(what, names, clock() - begun, answer))

    if "llm" in first:
        timed("chat", (first["llm"],), lambda: smoke.chat(first["llm"]))
    if "text-embedding" in first:
        names = tuple(first[kind] for kind in ("text-embedding", "rerank") if kind in first)
        timed("retrieval", names, lambda: smoke.retrieval(*names))
    return tuple(proofs)
