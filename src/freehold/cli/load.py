"""`freehold load` and `freehold unload`: models of a server that runs."""

import json
import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from freehold.cli.audited import audited
from freehold.cli.kept import LOADED, Kept
from freehold.cli.output import Output
from freehold.cli.ps import KEY, Server
from freehold.config import absolute, home, parse
from freehold.errors import FreeholdError

LONGEST_S = 3600.0

Model = Annotated[str, typer.Argument(metavar="MODEL", help="The name that clients ask for.")]
Url = Annotated[str, typer.Option(help="The server's address.")]


def load(
    ctx: typer.Context,
    model: Model,
    source: Annotated[
        str,
        typer.Option(metavar="SOURCE", help="Where it lies, as in freehold.yaml; else the store, by its name."),
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A key of the model in freehold.yaml; again for more of them."),
    ] = None,
    url: Url = "http://127.0.0.1:8080",
) -> None:
    """Load a model into a running server, or load it again: until the new one is ready, the one before answers.

    It is kept under the server's FREEHOLD_HOME until it is unloaded. A model that the server's configuration names is
    loaded as that says. Where the server wants a key, FREEHOLD_KEY holds one of the role operator.
    """
    output: Output = ctx.obj
    said = dict(_setting(text) for text in settings or ())
    if source:
        said["source"] = str(absolute(parse(source), Path.cwd()))
    parameters = {name: {"string_value": value} for name, value in said.items()}
    body = {"parameters": {"config": json.dumps({"parameters": parameters})}} if said else {}
    _ask(url, model, "load", body)
    output.show({"model": model, "state": "ready", "url": url}, f"{model}: ready")


def unload(
    ctx: typer.Context,
    model: Model,
    kept: Annotated[
        bool, typer.Option("--kept", help="Ask no server: forget, below FREEHOLD_HOME, that it was loaded.")
    ] = False,
    url: Url = "http://127.0.0.1:8080",
) -> None:
    """Unload a model of a running server, once its requests have ended; its memory is given back.

    One that was loaded while the server ran is forgotten; one that the configuration names is loaded again by
    `freehold load`, and at the next start. Where the server wants a key, FREEHOLD_KEY holds one of the role operator.
    """
    output: Output = ctx.obj
    if kept:
        folder = home(os.environ) / LOADED
        with audited("model.forget", model):
            if not Kept(folder).remove(model):
                raise FreeholdError("model_not_kept", model=model, folder=folder)
        output.show({"model": model, "state": "forgotten", "folder": str(folder)}, f"{model}: forgotten")
        return
    _ask(url, model, "unload", {})
    output.show({"model": model, "state": "unloaded", "url": url}, f"{model}: unloaded")


def _ask(url: str, model: str, act: str, body: dict[str, Any]) -> None:
    """Raises FreeholdError `server_refused`, `server_absent`, `server_foreign`."""
    server = Server.at(url, os.environ.get(KEY, ""))
    path = f"/v2/repository/models/{quote(model, safe='')}/{act}"
    status, answer = server.ask("POST", path, json.dumps(body).encode(), LONGEST_S)
    if status != 200:
        raise FreeholdError("server_refused", url=url, status=status, reason=_reason(answer))


def _reason(answer: bytes) -> str:
    try:
        found = json.loads(answer)
    except ValueError:
        return answer[:200].decode("utf-8", "replace")
    error = found.get("error") if isinstance(found, dict) else None
    return str(error.get("message") if isinstance(error, dict) else error)


def _setting(text: str) -> tuple[str, str]:
    """Raises FreeholdError `setting_form`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise FreeholdError("setting_form", text=text)
    return name, value
