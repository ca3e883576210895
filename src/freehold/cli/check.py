"""`freehold check`: one table of all that can be known before anything is served."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from freehold.cli.output import FAILED, LABELS, Output
from freehold.cli.progress import working
from freehold.cli.rows import SOURCES, Row, Surroundings
from freehold.config import read


def check(
    ctx: typer.Context,
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL|DIR|CONFIG]", help="As for `serve`; left out: MODEL_PATH, freehold.yaml, config.yaml."
        ),
    ] = None,
) -> None:
    """Check the configuration, this machine and every model, in one table; exit 1 when a row fails.

    Each row says what was found, what is needed, why it matters, and how to put it right. What listens at
    `dify.models_url` is asked as Dify's plugin would.
    """
    output: Output = ctx.obj
    around = Surroundings(read(config, os.environ, Path.cwd()), os.environ, output.language)
    rows: list[Row] = []
    with working("freehold check") as say:
        for source in SOURCES:
            rows += source(around, say)
    failed = any(row.status == "fail" for row in rows)
    output.show({"ok": not failed, "checks": [_as_data(row) for row in rows]}, "\n".join(_lines(rows, output)))
    if failed:
        raise typer.Exit(FAILED)


def _as_data(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "status": row.status,
        "found": row.found,
        "needed": row.needed,
        "why": row.why,
        "fix": row.fix,
    }


def _lines(rows: list[Row], output: Output) -> list[str]:
    """A line a row; those that are not fine also say what is needed, why, and the fix."""
    width = max(len(row.id) for row in rows)
    lines = []
    for row in rows:
        lines.append(f"{row.status:<4}  {row.id:<{width}}  {row.found}")
        if row.status != "ok":
            margin = " " * (width + 8)
            needed = [f"{margin}-> {row.needed}"] if row.needed else []
            lines += [*needed, f"{margin}{row.why}", f"{margin}{LABELS[output.language].fix}: {row.fix}"]
    counts = ", ".join(f"{sum(row.status == status for row in rows)} {status}" for status in ("ok", "warn", "fail"))
    return [*lines, "", counts]
