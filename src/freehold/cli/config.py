"""`freehold config`: write a first file, check one, show what it comes to, print its schema."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import yaml

from freehold.cli.output import EPILOG, FAILED, LABELS, Output, describe
from freehold.cli.ps import KEY
from freehold.cli.references import absent, local_store
from freehold.config import Config, Reading, Source, absolute, home, id_from, load, locate, parse, read
from freehold.config.load import file_of
from freehold.config.schema import schema, schema_text
from freehold.config.template import models_in, template
from freehold.errors import FreeholdError

app = typer.Typer()

Argument = Annotated[
    str | None,
    typer.Argument(
        metavar="MODEL|DIR|CONFIG", help="As for `serve`; left out: MODEL_PATH, freehold.yaml, config.yaml."
    ),
]


@app.command(epilog=EPILOG)
def init(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="The model to begin with; left out, those in this folder.")
    ] = None,
    path: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("freehold.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
) -> None:
    """Write a commented freehold.yaml for the models in this folder."""
    output: Output = ctx.obj
    here = Path.cwd()
    found = models_in(here) if model is None else [_named(model, here)]
    if not found:
        raise FreeholdError("config_nothing_found", folder=here)
    if path.absolute().parent != here:  # a file's relative paths are relative to the file
        found = [(name, absolute(source, here)) for name, source in found]
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(template(found))
    except FileExistsError:
        raise FreeholdError("config_file_exists", path=path) from None
    except OSError as error:
        raise FreeholdError("config_unwritable", path=path, reason=error.strerror or str(error)) from None
    names = [name for name, _ in found]
    output.show({"path": str(path), "models": names}, f"{path}: {', '.join(names)}\nServe it: freehold serve {path}")


@app.command(epilog=EPILOG)
def check(ctx: typer.Context, config: Argument = None) -> None:
    """Say everything that is wrong with a configuration, where, and how to correct it; exit 1 if something is."""
    from freehold.cli.https import certificates

    output: Output = ctx.obj
    reading = read(config, os.environ, Path.cwd())
    missing, missing_notes = absent(reading, local_store(os.environ))
    problems, notes = [*reading.problems, *missing], [*reading.notes, *missing_notes]
    found: list[dict[str, Any]] = []
    if reading.config is not None:
        faults, warnings, found = certificates(reading.config, home(os.environ))
        problems, notes = [*problems, *faults], [*notes, *warnings]
    data = {
        "origin": reading.origin,
        "ok": not problems,
        "problems": [describe(problem, output.language) for problem in problems],
        "notes": [describe(note, output.language) for note in notes],
        "certificates": found,
    }
    output.show(data, "\n".join([*_findings(reading, problems, notes, output), *_days_left(found, output)]))
    if problems:
        raise typer.Exit(FAILED)


@app.command(epilog=EPILOG)
def apply(
    ctx: typer.Context,
    config: Argument = None,
    url: Annotated[str, typer.Option(help="The server that reads the file.")] = "http://127.0.0.1:8080",
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for its models.")] = 600,
) -> None:
    """Check a configuration, and wait until the running server that reads it serves by it: nothing is restarted.

    The server looks at its file by itself, and at SIGHUP; models are loaded, replaced and unloaded beside the requests
    under way. Exit 1 where the server refuses the file, or a model of it does not answer.
    """
    from freehold.cli.applying import applied
    from freehold.cli.audited import audited

    output: Output = ctx.obj
    given = load(config, os.environ, Path.cwd())
    file = file_of(config, os.environ, Path.cwd())
    if file is None:
        raise FreeholdError("config_not_found", path=config or Path.cwd() / "freehold.yaml")
    with audited("config.apply", "", given.access, file=str(file)):
        readiness = applied(file, url, os.environ.get(KEY, ""), wait)
    own = [model for model in readiness.models if model.origin == "file"]
    failed = [model for model in own if model.error is not None and model.error.code != "model_asleep"]
    data = {"models": msgspec.to_builtins(own), "troubles": msgspec.to_builtins(readiness.troubles)}
    told = [(f"{model.id}: {model.state}", model.error) for model in own]
    lines = [state if error is None else f"{state}: {error.cause}" for state, error in told]
    lines += [f"{trouble.cause}\n  {trouble.fix}  ({trouble.code})" for trouble in readiness.troubles]
    output.show({"url": url, "file": str(file), **data}, "\n".join([f"{file}: {url}", *lines]))
    if failed:
        raise typer.Exit(FAILED)


@app.command(epilog=EPILOG)
def show(ctx: typer.Context, config: Argument = None) -> None:
    """Print the configuration in full, as it works: every default, absolute paths, secrets as references only."""
    output: Output = ctx.obj
    plain = effective(load(config, os.environ, Path.cwd()))
    output.show(plain, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).rstrip())


@app.command(name="schema", epilog=EPILOG)
def print_schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of a configuration file, for editors and other programs."""
    output: Output = ctx.obj
    output.show(schema(), schema_text().rstrip())


def effective(config: Config) -> dict[str, Any]:
    """A configuration as plain values, which load to an equal one. It holds no secrets, only where they are."""
    plain: dict[str, Any] = msgspec.to_builtins(config)
    return plain


def _named(model: str, here: Path) -> tuple[str, Source]:
    """A model named on the command line: its id and source. A path must be there, anything else may come later."""
    source = parse(model)
    if source.kind == "path":
        locate(absolute(source, here))
    return id_from(absolute(source, here)) or "model", source


def _findings(reading: Reading, problems: list[FreeholdError], notes: list[FreeholdError], output: Output) -> list[str]:
    labels = LABELS[output.language]
    lines = [output.told(problem, labels.problem) for problem in problems]
    lines += [output.told(note, labels.note) for note in notes]
    if not problems and reading.config is not None:
        models = ", ".join(model.id for model in reading.config.models) or "-"
        fine = "{origin}：正确（模型：{models}）" if output.language == "zh" else "{origin}: fine (models: {models})"
        lines.append(fine.format(origin=reading.origin, models=models))
    return lines


def _days_left(found: list[dict[str, Any]], output: Output) -> list[str]:
    told = (
        "{path}：{names}，剩余 {days_left} 天" if output.language == "zh" else "{path}: {names}, {days_left} days left"
    )
    return [told.format(**{**one, "names": ", ".join(one["names"]) or "-"}) for one in found]
