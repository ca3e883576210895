"""`freehold render`: what this configuration is for another program, as files in a folder.

What a verb needs is imported when it runs: a deployment is rendered without the gateway, and the other way round.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli import render_deploy
from freehold.cli.output import EPILOG, Output
from freehold.cli.rendered import Configuration, Folder, write_rendered
from freehold.config import load
from freehold.config.home import home
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.gateway.rendering.plan import Plan, Rendering
    from freehold.gateway.rollouts.rollout import Rollout

app = typer.Typer()

app.command(epilog=EPILOG)(render_deploy.compose)
app.command(epilog=EPILOG)(render_deploy.kubernetes)
app.command(epilog=EPILOG)(render_deploy.systemd)


@app.command(epilog=EPILOG)
def envoy(ctx: typer.Context, output: Folder, config: Configuration = None) -> None:
    """Write the routes for Envoy: envoy.yaml, and what of them only `freehold gateway` can do."""
    from freehold.gateway.rendering.envoy import render

    _render(ctx.obj, config, output, render)


@app.command(epilog=EPILOG)
def nginx(
    ctx: typer.Context,
    output: Folder,
    config: Configuration = None,
    resolver: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="A name server that Nginx asks for the hosts of upstreams; repeatable."),
    ] = None,
) -> None:
    """Write the routes for Nginx with njs: nginx.conf and its files, and what only `freehold gateway` can do."""
    from freehold.gateway.rendering.nginx import render

    _render(ctx.obj, config, output, lambda plan: render(plan, resolver or ()))


def _render(output: Output, source: str | None, folder: Path, render: "Callable[[Plan], Rendering]") -> None:
    """Nothing is written where the configuration cannot be rendered."""
    from freehold.gateway.rendering.plan import Plan

    plan = Plan.of(load(source, os.environ, Path.cwd()))
    rendering = render(plan)
    write_rendered(output, folder, rendering.files, (*_rolled_out(plan), *rendering.warnings))


def _rolled_out(plan: "Plan") -> list[FreeholdError]:
    """What a rollout of this machine's gateway says of a route, where the configuration says otherwise."""
    from freehold.gateway.rendering.plan import listed
    from freehold.gateway.rollouts.ledger import Ledger

    moved = [rollout.route for rollout in Ledger(home(os.environ)).all()[0] if _differs(rollout, plan)]
    return [FreeholdError("rendering_rollout", routes=listed(moved))] if moved else []


def _differs(rollout: "Rollout", plan: "Plan") -> bool:
    from freehold.gateway.routing.table import percents

    route = plan.routes.get(rollout.route)
    if route is None or not rollout.has_say:
        return False
    weights = rollout.weights()
    shares = dict(zip(weights, percents(list(weights.values())), strict=True))
    rendered = {variant.id: variant.percent for variant in route.variants}
    return any(shares.get(model, 0) != rendered.get(model, 0) for model in shares.keys() | rendered.keys())
