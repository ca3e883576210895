"""`freehold audit`: who did what; whether that is all; a copy of it as JSON lines."""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from freehold.access.act import fit, is_hash
from freehold.access.trail import Query, Trail
from freehold.access.verdict import Verdict, verify
from freehold.access.witness import Head, Witness
from freehold.cli.access import Config, database_of
from freehold.cli.columns import columns
from freehold.cli.moments import moment
from freehold.cli.output import Output
from freehold.config.home import home
from freehold.errors import FreeholdError

SINCE = "Only from then on: 7d, 12h, 30m ago, a day or a moment (2026-11-23T09:00Z; UTC unless it says otherwise)."
SHOWN = 100
_BODIES = (("request", "asked"), ("answer", "answered"))
"""Of the content of a request, and what they are called beside its details."""


def audit(
    ctx: typer.Context,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=SINCE)] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only before then.")] = None,
    who: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this key, or of PERSON@terminal.")] = None,
    what: Annotated[
        str | None,
        typer.Option(metavar="VERB", help="Only this: `keys.create`, or all of `keys`, `model`, `login`."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only what concerns this model.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only what concerns this tenant.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many lines, the newest.")] = SHOWN,
    verified: Annotated[
        bool, typer.Option("--verify", help="Check the whole chain instead; 1 if it is broken.")
    ] = False,
    anchor: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER:HASH", help="With --verify: a head that was noted elsewhere, as in the log."),
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all lines that are meant to FILE instead, as JSON lines.")
    ] = None,
    config: Config = None,
) -> None:
    """Show the audit: the newest lines that meet all that is asked for, oldest first.

    An export has the same lines, and all of them: one JSON object a line with its hash.
    """
    output: Output = ctx.obj
    query = Query(tenant, _moment("--since", since), _moment("--until", until), who, what, model)
    anchors = [_anchor(text) for text in anchor or ()]
    with database_of(config, os.environ, Path.cwd()) as database:
        trail = Trail(database, "", Witness.of(database, home(os.environ)))
        if verified:
            _show_verdict(verify(trail, anchors), output)
        elif export is not None:
            count = _export(export, (kept.document() for page in trail.pages(query) for kept in page))
            output.show({"path": str(export), "lines": count}, f"{export}: {count} lines")
        else:
            newest = islice(chain.from_iterable(trail.pages(query, "newest")), limit)
            lines = [kept.document() for kept in newest][::-1]
            output.show({"lines": lines}, "\n".join(_table(lines)) if lines else "The audit has no such line.")


def _show_verdict(verdict: Verdict, output: Output) -> None:
    if not verdict.whole:
        found = ", ".join(f"{found.fault} at line {found.number}" for found in verdict.faults)
        raise FreeholdError("audit_broken", faults=found)
    text = f"The audit is whole: {verdict.lines} lines, from {verdict.first} to {verdict.head.number}."
    if verdict.clock_back:
        text += f" The clock went back {verdict.clock_back} times."
    output.show(msgspec.to_builtins(verdict), f"{text}\nIts head, to be noted elsewhere: {verdict.head}")


def _export(path: Path, documents: Iterator[dict[str, Any]]) -> int:
    """Write a new file that only its owner may read, or none at all; how many lines it has."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FreeholdError("audit_file_exists", path=path) from None
    except OSError as failure:
        raise FreeholdError("audit_file_unwritable", path=path, reason=failure.strerror) from None
    count = 0
    try:
        with os.fdopen(descriptor, "wb") as file:
            for document in documents:
                file.write(msgspec.json.encode(document, order="sorted") + b"\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
    except BaseException as failure:
        path.unlink(missing_ok=True)
        if isinstance(failure, OSError) and not isinstance(failure, FreeholdError):
            raise FreeholdError("audit_file_unwritable", path=path, reason=failure.strerror) from None
        raise
    return count


def _table(lines: Sequence[dict[str, Any]]) -> list[str]:
    head = ("LINE", "AT", "WHO", "WHAT", "OUTCOME", "TENANT", "MODEL", "WHERE", "DETAILS")
    cells = [tuple(_cell(line, name) for name in ("number", *map(str.lower, head[1:]))) for line in lines]
    return columns([head, *cells], (0,))


def _cell(line: dict[str, Any], name: str) -> str:
    if name != "details":
        return fit(str(line.get(name, "-")))
    told: dict[str, Any] = {key: line[key] for key in ("digest", "tokens_in", "tokens_out") if key in line}
    details, content = line.get("details"), line.get("content")
    told |= details if isinstance(details, dict) else {}
    if isinstance(content, dict):
        told |= {word: _begin(content[name]) for name, word in _BODIES if name in content}
    return fit(", ".join(f"{key} {str(value).removeprefix('sha256:')[:40]}" for key, value in told.items()) or "-")


def _begin(body: Any) -> str:
    """Of a request or an answer how it begins, or how long it is."""
    said = body if isinstance(body, dict) else {}
    text = said.get("text", said.get("begins"))
    return f"{said.get('bytes', '?')} bytes" if text is None else " ".join(str(text)[:200].split())


def _moment(option: str, text: str | None) -> float | None:
    return None if text is None else moment(option, text)


def _anchor(text: str) -> Head:
    match = re.fullmatch("([0-9]{1,18}):([0-9a-f]+)", text)
    if match is None or not is_hash(match[2]):
        example = "a line's number, a colon, and the 64 digits of its hash"
        raise FreeholdError("audit_option_invalid", option="--anchor", value=text[:100], example=example)
    return Head(int(match[1]), match[2])
