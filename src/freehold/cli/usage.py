"""`freehold usage`: requests, errors and tokens by key, team, tenant, model and day."""

import csv
import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

from freehold.access.usage import By, Used, report
from freehold.cli.access import Config, database_of
from freehold.cli.columns import columns
from freehold.cli.moments import moment
from freehold.cli.output import Output
from freehold.errors import FreeholdError

SUMS = ("requests", "errors", "tokens_in", "tokens_out")
KINDS: tuple[By, ...] = get_args(By)


def usage(
    ctx: typer.Context,
    by: Annotated[
        str, typer.Option(metavar="KIND[,KIND]", help=f"What a row stands for: {', '.join(KINDS)}, or several of them.")
    ] = "key",
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="From this day on: 30d ago, 2026-11-01 (UTC).")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="To this day, which counts, too.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As comma-separated values, for spreadsheets.")] = False,
    config: Config = None,
) -> None:
    """Show what was used: requests, those that failed, tokens in and out. Running servers add to it every second."""
    output: Output = ctx.obj
    kinds = _kinds(by)
    days = _day("--since", since, ""), _day("--until", until, "9999-12-31")
    with database_of(config, os.environ, Path.cwd()) as database:
        rows = report(database, kinds, tenant=tenant, since=days[0], until=days[1])
    if as_csv and not output.as_json:
        print(_csv(kinds, rows), end="")
        return
    data = [dict(zip((*kinds, *SUMS), _values(row), strict=True)) for row in rows]
    output.show({"usage": data}, "\n".join(_table(kinds, rows)) if rows else "Nothing was used in these days.")


def _kinds(text: str) -> list[By]:
    wanted = [word.strip() for word in text.split(",")]
    kinds = [kind for word in wanted for kind in KINDS if kind == word]
    if len(kinds) != len(wanted) or len(set(kinds)) != len(kinds):
        example = f"{', '.join(KINDS)}, or several with commas between"
        raise FreeholdError("audit_option_invalid", option="--by", value=text[:100], example=example)
    return kinds


def _day(option: str, text: str | None, otherwise: str) -> str:
    """The day in UTC of a moment."""
    return otherwise if text is None else datetime.fromtimestamp(moment(option, text), UTC).date().isoformat()


def _values(row: Used) -> tuple[str | int, ...]:
    return (*row.group, row.requests, row.errors, row.tokens_in, row.tokens_out)


def _csv(kinds: Sequence[By], rows: Sequence[Used]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow((*kinds, *SUMS))
    writer.writerows(map(_harmless, _values(row)) for row in rows)
    return text.getvalue()


def _harmless(cell: str | int) -> str | int:
    """A text that a spreadsheet would take for a formula stands behind a quote mark."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


def _table(kinds: Sequence[By], rows: Sequence[Used]) -> list[str]:
    head = (*map(str.upper, kinds), "REQUESTS", "ERRORS", "TOKENS IN", "TOKENS OUT")
    cells = [tuple(str(value) if value != "" else "-" for value in _values(row)) for row in rows]
    return columns([head, *cells], range(len(kinds), len(head)))
