"""`freehold explain`: the words of the error table."""

from difflib import get_close_matches
from string import Formatter
from typing import Annotated, Any

import typer

from freehold.cli.output import Output
from freehold.errors import CATALOG, Entry, FreeholdError, Language


def explain(
    ctx: typer.Context,
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="The code, as an error shows it; left out, all are listed.")
    ] = None,
) -> None:
    """Say what an error code means and what to do about it.

    What an error fills in with the values it saw stands in <angle brackets>.
    """
    output: Output = ctx.obj
    if code is None:
        rows = {name: as_data(name, entry, output.language) for name, entry in sorted(CATALOG.items())}
        width = max(map(len, rows))
        lines = [f"{name:<{width}}  {row['cause'].replace(chr(10), ' ')}" for name, row in rows.items()]
        output.show({"errors": list(rows.values())}, "\n".join(lines))
        return
    entry = CATALOG.get(code)
    if entry is None:
        closest = ", ".join(get_close_matches(code.lower().replace("-", "_"), CATALOG, n=3, cutoff=0.4)) or "-"
        raise FreeholdError("error_code_unknown", unknown=code, closest=closest)
    row = as_data(code, entry, output.language)
    labels = ("种类", "原因", "解决办法") if output.language == "zh" else ("kind", "cause", "fix")
    lines = [f"{label}: {row[key]}" for label, key in zip(labels, ("kind", "cause", "fix"), strict=True)]
    output.show(row, "\n".join([code, *lines]))


def as_data(code: str, entry: Entry, language: Language) -> dict[str, Any]:
    """A row of the table in one language, its placeholders as <name>."""
    cause, fix = (entry.cause_zh, entry.fix_zh) if language == "zh" else (entry.cause, entry.fix)
    return {"code": code, "kind": str(entry.kind), "cause": with_brackets(cause), "fix": with_brackets(fix)}


def with_brackets(template: str) -> str:
    """`{path}` as `<path>`."""
    parts = Formatter().parse(template)
    return "".join(literal + (f"<{field}>" if field is not None else "") for literal, field, _, _ in parts)
