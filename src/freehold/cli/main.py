"""The command `freehold`: one table of verbs, each in a file of its own that is imported when it is asked for."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NamedTuple

import typer

from freehold import __version__
from freehold.cli.output import EPILOG, Output, take_options
from freehold.errors import FreeholdError


class Verb(NamedTuple):
    """Where a verb is, as `module:attribute` (a function, or a Typer with verbs of its own), and its line of help."""

    place: str
    help: str


VERBS: dict[str, Verb] = {
    "config": Verb("freehold.cli.config:app", "Write, check and show the configuration."),
    "serve": Verb("freehold.cli.serve:serve", "Serve models on this machine."),
    "gateway": Verb("freehold.cli.gateway:gateway", "Pass requests on to servers that have the models."),
    "run": Verb("freehold.cli.run:run", "Answer one request, without a server."),
    "ps": Verb("freehold.cli.ps:ps", "Show what a running server serves."),
    "load": Verb("freehold.cli.load:load", "Load a model into a running server."),
    "unload": Verb("freehold.cli.load:unload", "Unload a model of a running server."),
    "fetch": Verb("freehold.cli.fetch:fetch", "Fetch a model from Hugging Face or ModelScope."),
    "convert": Verb("freehold.cli.convert:convert", "Convert a raw model, prove it, and keep it in the store."),
    "verify": Verb("freehold.cli.verify:verify", "Check that a model computes what was recorded with it."),
    "golden": Verb("freehold.cli.golden:app", "Record what a model answers, and replay it."),
    "quantize": Verb("freehold.cli.quantize:quantize", "Make a model smaller and faster, and say what that costs."),
    "compile": Verb("freehold.cli.compile:compile_", "Build a TensorRT engine of a model, and prove it."),
    "models": Verb("freehold.cli.models:app", "List, show, compare, tag and remove what the store has."),
    "bench": Verb("freehold.cli.bench:bench", "Measure a model on this machine."),
    "environments": Verb("freehold.cli.environments:app", "Make environments for raw frameworks: TensorFlow."),
    "doctor": Verb("freehold.cli.doctor:doctor", "Check whether this machine can run it."),
    "check": Verb("freehold.cli.check:check", "Check configuration, machine and models in one table."),
    "keys": Verb("freehold.cli.keys:app", "Make, list, rotate, limit and revoke the keys of callers."),
    "audit": Verb("freehold.cli.audit:audit", "Show who did what, verify it, export it."),
    "usage": Verb("freehold.cli.usage:usage", "Show what keys, teams and tenants used of which models."),
    "rollout": Verb("freehold.cli.rollout:app", "Give a route's requests to another model, step by step."),
    "deploy": Verb("freehold.cli.deploy:app", "Put a configuration in force where services run."),
    "down": Verb("freehold.cli.deploy:down", "Stop all services of a deployment."),
    "rollback": Verb("freehold.cli.deploy:rollback", "Put the release before in force again."),
    "status": Verb("freehold.cli.deploy:status", "Show the releases of a deployment, and what runs."),
    "logs": Verb("freehold.cli.deploy:logs", "Show what the services of a deployment write."),
    "render": Verb("freehold.cli.render:app", "Write a deployment or its routes as files for other programs."),
    "dify": Verb("freehold.cli.dify:app", "Connect, check, save and upgrade a Dify."),
    "bundle": Verb("freehold.cli.bundle:app", "Carry all that a closed network needs into it."),
    "explain": Verb("freehold.cli.explain:explain", "Say what an error code means and what to do about it."),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line (default: this process's) and exit: 0 fine, 1 failed, 2 wrong usage."""
    forgive_encodings()
    given = sys.argv[1:] if arguments is None else list(arguments)
    output = Output("--json" in given)
    try:
        rest, output = take_options(given, os.environ)
        build_app(rest)(args=rest, prog_name="freehold", obj=output)
    except FreeholdError as error:
        sys.exit(output.fail(error))


def forgive_encodings() -> None:
    """Bytes that are no text are read as U+FFFD; what a terminal's encoding lacks is written as its escape."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)


def build_app(asked: Sequence[str]) -> typer.Typer:
    """The command tree, in which only the verbs among the words `asked` are imported."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        epilog=EPILOG,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # help in plain text: rich takes longer to import than all the rest
    )
    app.callback()(_root)
    for name, verb in VERBS.items():
        command = load_verb(verb) if name in asked else _not_loaded
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=verb.help, no_args_is_help=True, epilog=EPILOG)
        else:
            app.command(name, help=verb.help if command is _not_loaded else None, epilog=EPILOG)(command)
    return app


def load_verb(verb: Verb) -> Any:
    """What a verb's place names: a function or a Typer."""
    module, _, attribute = verb.place.partition(":")
    return getattr(import_module(module), attribute)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Bring your own model, prove it, and serve it on your own machines."""


def _not_loaded() -> None:
    """Stands for a verb that this command line does not run, in the list of verbs."""


if __name__ == "__main__":
    main()
