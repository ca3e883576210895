"""`freehold rollout`: one model takes another's place on a route, step by step, while requests are answered."""

import os
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from freehold.cli import rollout_shadow
from freehold.cli.audited import audited
from freehold.cli.output import EPILOG, FAILED, Output
from freehold.cli.rollout_text import show, small
from freehold.config.forms import ID
from freehold.config.home import home
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.ledger import Ledger, read_bytes
from freehold.gateway.rollouts.replay import read_recording
from freehold.gateway.rollouts.rollout import WHOLE, Limits, Rollout, Wish

app = typer.Typer()
rollout_shadow.add_to(app)

HEARD_S = 10.0
"""How long a gateway may take to begin what was asked for; models that load are not waited for any longer."""
_POLL_S = 0.05
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

RouteName = Annotated[str, typer.Argument(metavar="ROUTE", help="The name that clients ask for.")]


@app.command(epilog=EPILOG)
def start(
    ctx: typer.Context,
    route: RouteName,
    new: Annotated[str, typer.Option("--to", metavar="MODEL", help="The id of the model that takes over.")],
    steps: Annotated[str, typer.Option(help="Its share in percent, step by step; 100 is blue/green.")] = "5,50,100",
    hold: Annotated[str, typer.Option(help="How long each step lasts at least.")] = "60s",
    max_errors: Annotated[str, typer.Option(help="The share of its requests that may fail.")] = "1%",
    max_p99: Annotated[
        str | None, typer.Option(metavar="TIME|TIMESx", help="Its slowest answers but one in a hundred: 800ms, 1.5x.")
    ] = None,
    min_requests: Annotated[int, typer.Option(min=1, help="So many of its answers judge a step.")] = 100,
    goldens: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Requests that both models must answer alike.")
    ] = None,
) -> None:
    """Ask the running gateway to give requests for ROUTE to another model, step by step.

    Before each step the model must be ready and answer the goldens as the old one does. Too many errors, slow answers
    or a golden that differs give all requests back to the old model.
    """
    output: Output = ctx.obj
    _check_name(route)
    recording = b"" if goldens is None else read_bytes(goldens)
    now = time.time()
    wanted = Rollout(
        route=route,
        new=new,
        steps=read_steps(steps),
        hold_s=_seconds("--hold", hold),
        asked_at=now,
        limits=_limits(max_errors, max_p99, min_requests),
        goldens=len(read_recording(recording, str(goldens))) if recording or goldens is not None else 0,
    ).moved(now, "asked")
    ledger = _ledger()
    if ledger.conductor() is None:
        raise FreeholdError("rollout_no_gateway", home=home(os.environ))
    with audited("rollout.start", new, route=route, steps=steps):
        ledger.change(route, lambda before: _upon(before, wanted), recording)
    rollout = _await(ledger, route, lambda now: now.phase != "asked")
    show(ledger, [rollout], output)
    if rollout.phase == "refused" and rollout.reason is not None:
        raise rollout.reason.error()


@app.command(epilog=EPILOG)
def status(
    ctx: typer.Context,
    route: Annotated[str | None, typer.Argument(metavar="[ROUTE]", help="Only this one.")] = None,
) -> None:
    """Show where rollouts stand: shares, why a step lasts, errors and latencies, and what to write into the file."""
    output: Output = ctx.obj
    ledger = _ledger()
    if route is None:
        rollouts, problems = ledger.all()
    else:
        rollouts, problems = [_known(ledger, route)], []
    show(ledger, rollouts, output, problems)
    if problems:
        raise typer.Exit(FAILED)


@app.command(epilog=EPILOG)
def promote(
    ctx: typer.Context,
    route: RouteName,
    full: Annotated[bool, typer.Option("--full", help="To 100 %, leaving the steps between out.")] = False,
) -> None:
    """Go on to the next step at once. The model must still be ready, and its goldens must agree."""
    _wish(ctx.obj, route, "finish" if full else "promote")


@app.command(epilog=EPILOG)
def abort(ctx: typer.Context, route: RouteName) -> None:
    """Give all requests back to the old model: of a rollout that is under way, or of one that is done."""
    _wish(ctx.obj, route, "abort")


@app.command(epilog=EPILOG)
def clear(ctx: typer.Context, route: RouteName) -> None:
    """Have the configuration's weights in force again after a rollout that ended."""

    def cleared(before: Rollout | None) -> Rollout:
        if before is None:
            raise FreeholdError("rollout_absent", route=route)
        if not before.is_over:
            raise FreeholdError("rollout_not_over", route=route, model=before.new, percent=before.percent)
        if before.settled:
            return before
        return before.moved(time.time(), "settled", settled=True)

    _check_name(route)
    ledger = _ledger()
    with audited("rollout.clear", "", route=route):
        rollout = ledger.change(route, cleared)
    show(ledger, [rollout], ctx.obj)


def read_steps(text: str) -> tuple[int, ...]:
    """`5,50,100` as numbers. Raises `rollout_steps_invalid`."""
    words = [word.strip().removesuffix("%").strip() for word in text.split(",")]
    reason = ""
    if not all(re.fullmatch(r"[0-9]{1,3}", word) for word in words):
        reason = "they are whole numbers with commas between"
    steps = () if reason else tuple(map(int, words))
    if not reason and (steps[0] < 1 or any(later <= earlier for earlier, later in pairwise(steps))):
        reason = "each is larger than the one before, and the first is 1 or more"
    if not reason and steps[-1] != WHOLE:
        reason = "the last one is 100; a share that is to stay is a weight of the configuration"
    if reason:
        raise FreeholdError("rollout_steps_invalid", steps=text[:80], reason=reason)
    return steps


def _limits(max_errors: str, max_p99: str | None, least: int) -> Limits:
    match = re.fullmatch(rf"({_NUMBER})\s*(%?)", max_errors)
    share = float(match[1]) / (100 if match[2] else 1) if match else 2.0
    if share > 1:
        raise FreeholdError(
            "rollout_option_invalid", option="--max-errors", value=max_errors[:40], allowed="1% or 0.01"
        )
    if max_p99 is None:
        return Limits(share, requests=least)
    times = re.fullmatch(rf"({_NUMBER})\s*x", max_p99)
    if times is not None and float(times[1]) > 0:
        return Limits(share, p99_times=float(times[1]), requests=least)
    return Limits(share, p99_s=_seconds("--max-p99", max_p99, "800ms, 2s or 1.5x"), requests=least)


def _seconds(option: str, text: str, allowed: str = "a time: 90s, 10m, 2h") -> float:
    match = re.fullmatch(rf"({_NUMBER})\s*(ms|s|m|h|d)", text)
    if match is None or (option == "--max-p99" and float(match[1]) == 0):
        raise FreeholdError("rollout_option_invalid", option=option, value=text[:40], allowed=allowed)
    return float(match[1]) * _SECONDS[match[2]]


def _upon(before: Rollout | None, wanted: Rollout) -> Rollout:
    """What is begun upon an earlier rollout takes over what that one left in force."""
    if before is None:
        return wanted
    if not before.is_over:
        raise FreeholdError("rollout_running", route=before.route, model=before.new, percent=before.percent)
    if not before.has_say:
        return wanted
    old = {model: weight for model, weight in before.weights().items() if weight and model != wanted.new}
    if not old:
        raise FreeholdError("rollout_whole_already", route=before.route, model=wanted.new)
    return msgspec.structs.replace(wanted, old=small(old))


def _wish(output: Output, route: str, wish: Wish) -> None:
    """Write down what is wished, and wait until the gateway has done it."""

    def wished(before: Rollout | None) -> Rollout:
        if before is None:
            raise FreeholdError("rollout_absent", route=route)
        if before.is_over and not (wish == "abort" and before.phase == "done" and before.has_say):
            raise FreeholdError("rollout_over", route=route, model=before.new, phase=before.phase)
        return msgspec.structs.replace(before, wish=wish)

    _check_name(route)
    ledger = _ledger()
    with audited(f"rollout.{wish}", "", route=route):
        rollout = ledger.change(route, wished)
    if ledger.conductor() is not None:
        rollout = _await(ledger, route, lambda now: now.wish == "")
    show(ledger, [rollout], output)
    if ledger.conductor() is None:
        raise FreeholdError("rollout_no_gateway", home=home(os.environ))


def _await(ledger: Ledger, route: str, done: Callable[[Rollout], bool]) -> Rollout:
    """The record as soon as the gateway has done something, else as it is after a while."""
    limit = time.monotonic() + HEARD_S
    while True:
        rollout = _known(ledger, route)
        if done(rollout) or time.monotonic() >= limit:
            return rollout
        time.sleep(_POLL_S)


def _known(ledger: Ledger, route: str) -> Rollout:
    _check_name(route)
    rollout = ledger.read(route)
    if rollout is None:
        raise FreeholdError("rollout_absent", route=route)
    return rollout


def _check_name(route: str) -> None:
    """A name becomes a file's, so it must be one."""
    if not re.fullmatch(ID, route):
        raise FreeholdError("rollout_route_invalid", route=route[:80])


def _ledger() -> Ledger:
    return Ledger(home(os.environ))
