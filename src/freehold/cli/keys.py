"""`freehold keys`: who may call."""

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from freehold.access import DEFAULT_TENANT, ROLES, Limits, Record, Register, Role
from freehold.cli.access import Config, register_of
from freehold.cli.columns import columns
from freehold.cli.output import EPILOG, Output
from freehold.config.quotas import MOST
from freehold.errors import FreeholdError

OVERLAP = "24h"

LONGEST_S = 36_525 * 86_400
"""A hundred years."""

_DURATION = re.compile("([0-9]{1,12})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LIMIT = typer.Option(min=1, max=MOST, show_default="no limit")
_CHANGED = typer.Option(min=0, max=MOST, show_default="as it is")

_CLOSES = "It is the first key: servers on loopback ask for one from now on."

app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the key.")]


@app.command(epilog=EPILOG)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option(help="Its name, by which usage and audit know it.")],
    role: Annotated[str, typer.Option(help=f"What it may do: {', '.join(ROLES)}.")] = "client",
    team: Annotated[str, typer.Option(help="The team that its usage and limits are counted for, too.")] = "",
    tenant: Annotated[str, typer.Option(help="Whose models, usage and audit it sees.")] = DEFAULT_TENANT,
    model: Annotated[
        list[str] | None, typer.Option(help="A model that it may use; give it again for more. Default: all.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it ends: 90d, 12h, 2027-01-31. Default: never.")
    ] = None,
    requests_per_minute: Annotated[int | None, _LIMIT] = None,
    requests_per_day: Annotated[int | None, _LIMIT] = None,
    tokens_per_minute: Annotated[int | None, _LIMIT] = None,
    tokens_per_day: Annotated[int | None, _LIMIT] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Requests at once.", show_default="no limit")
    ] = None,
    config: Config = None,
) -> None:
    """Make a key and show it, once: only its hash is kept. Running servers know it within a second."""
    output: Output = ctx.obj
    limits = Limits(requests_per_minute, requests_per_day, tokens_per_minute, tokens_per_day, parallel)
    until = None if expires is None else _moment(expires)
    with register_of(config, os.environ, Path.cwd()) as register:
        before = _CLOSES if register.never_used() else ""
        key = register.create(
            name, _role(role), tenant=tenant, team=team, models=model, limits=limits, expires_at=until
        )
        _show_once(output, register, name, key, before)


@app.command(name="list", epilog=EPILOG)
def list_(ctx: typer.Context, config: Config = None) -> None:
    """List the keys: names, roles, scopes and until when; never the keys themselves."""
    output: Output = ctx.obj
    with register_of(config, os.environ, Path.cwd()) as register:
        rows = [_row(record) for record in register.records()]
        text = "\n".join(_table(rows)) if rows else f"There are no keys in {register.database.place} yet."
    output.show(rows, text)


@app.command(epilog=EPILOG)
def revoke(ctx: typer.Context, name: Name, config: Config = None) -> None:
    """End a key for good: running servers refuse it within a second."""
    output: Output = ctx.obj
    with register_of(config, os.environ, Path.cwd()) as register:
        row = _row(register.revoke(name))
    output.show(row, f"{name} is revoked since {row['revoked_at']}.")


@app.command(epilog=EPILOG)
def rotate(
    ctx: typer.Context,
    name: Name,
    overlap: Annotated[
        str, typer.Option(metavar="TIME", help="How long the key before goes on counting: 0s, 30m, 24h.")
    ] = OVERLAP,
    config: Config = None,
) -> None:
    """Put a new key in a key's place and show it, once. Name, role, scopes, limits and expiry stay."""
    output: Output = ctx.obj
    overlap_s = _duration("--overlap", overlap)
    with register_of(config, os.environ, Path.cwd()) as register:
        _show_once(output, register, name, register.rotate(name, overlap_s))


@app.command(epilog=EPILOG)
def limit(
    ctx: typer.Context,
    name: Name,
    requests_per_minute: Annotated[int | None, _CHANGED] = None,
    requests_per_day: Annotated[int | None, _CHANGED] = None,
    tokens_per_minute: Annotated[int | None, _CHANGED] = None,
    tokens_per_day: Annotated[int | None, _CHANGED] = None,
    parallel: Annotated[
        int | None, typer.Option(min=0, max=MOST, help="Requests at once.", show_default="as it is")
    ] = None,
    config: Config = None,
) -> None:
    """Change limits of a key; 0 leaves one to the configuration. Running servers know it within a second."""
    output: Output = ctx.obj
    given = Limits(requests_per_minute, requests_per_day, tokens_per_minute, tokens_per_day, parallel)
    changed = {what: value or None for what, value in msgspec.to_builtins(given).items() if value is not None}
    if not changed:
        raise typer.BadParameter("Name a limit to change, for example --requests-per-minute 60.")
    with register_of(config, os.environ, Path.cwd()) as register:
        row = _row(register.limit(name, changed))
    output.show(row, f"Limits of {name}: {_limits(row) or 'those of the configuration'}.")


def _show_once(output: Output, register: Register, name: str, key: str, before: str = "") -> None:
    row = _row(register.find(name))
    said = [f"It is shown this once, and kept only as a hash. Key {name!r}, role {row['role']}:", "", key]
    if row["previous_until"] is not None:
        before = f"The key before goes on counting until {row['previous_until']}."
    if before:
        said.insert(0, before)
    output.show({"name": name, "key": key, **row}, "\n".join(said))


def _row(record: Record) -> dict[str, Any]:
    times = ("created_at", "expires_at", "rotated_at", "revoked_at", "previous_until")
    return {
        "name": record.name,
        "role": record.role,
        "tenant": record.tenant,
        "team": record.team,
        "models": None if record.models is None else sorted(record.models),
        "limits": {key: value for key, value in msgspec.to_builtins(record.limits).items() if value is not None},
        "state": _state(record),
        **{time: _iso(getattr(record, time)) for time in times},
    }


def _state(record: Record) -> str:
    if record.revoked_at is not None:
        return "revoked"
    has_ended = record.expires_at is not None and record.expires_at <= time.time()
    return "expired" if has_ended else "valid"


def _table(rows: list[dict[str, Any]]) -> list[str]:
    head = ("NAME", "ROLE", "TENANT", "TEAM", "MODELS", "LIMITS", "STATE", "EXPIRES")
    cells = [
        (
            *(row[column] or "-" for column in ("name", "role", "tenant", "team")),
            "all" if row["models"] is None else ",".join(row["models"]),
            _limits(row) or "-",
            row["state"],
            row["expires_at"] or "never",
        )
        for row in rows
    ]
    return columns([head, *cells])


def _limits(row: dict[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in row["limits"].items())


def _role(text: str) -> Role:
    for role in ROLES:
        if role == text:
            return role
    raise FreeholdError("role_unknown", role=text, known=", ".join(ROLES))


def _moment(text: str) -> float:
    """Seconds since 1970 of a duration from now, or of a date or time of ISO 8601; without a zone it is UTC."""
    if _DURATION.fullmatch(text):
        return time.time() + _duration("--expires", text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise FreeholdError("key_time_invalid", option="--expires", value=text) from None


def _duration(option: str, text: str) -> float:
    """Seconds of `90s`, `30m`, `12h`, `7d`; at most a hundred years."""
    parts = _DURATION.fullmatch(text)
    seconds = int(parts[1]) * _SECONDS[parts[2]] if parts is not None else LONGEST_S + 1
    if seconds > LONGEST_S:
        raise FreeholdError("key_time_invalid", option=option, value=text)
    return float(seconds)


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
