"""`freehold dify check`: the calls of Dify's plugin against any server, each with what came of it."""

import os
import re
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from freehold.cli.dify_place import models_key
from freehold.cli.output import FAILED, Output
from freehold.cli.progress import Say, working
from freehold.config import Config, load, resolve
from freehold.config.load import file_of
from freehold.config.secret import is_reference
from freehold.deploy.dify.checking.discovery import with_models
from freehold.deploy.dify.checking.plugin_calls import Plugin, Target
from freehold.deploy.dify.checking.running import Report, run
from freehold.deploy.doctor.command import coloured
from freehold.errors import FreeholdError

DECLARED_S = 20.0
"""The most that one call of `freehold check` may take."""
BASE_URL = r"https?://[^\s/@?#]+(/[^\s@?#]*)?"


def check(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Argument(metavar="[URL]", help="The base address as it is typed into Dify; default: freehold.yaml's."),
    ] = None,
    model: Annotated[str, typer.Option(metavar="NAME", help="The chat model.")] = "",
    embedding: Annotated[str, typer.Option(metavar="NAME", help="The embedding model.")] = "",
    rerank: Annotated[str, typer.Option(metavar="NAME", help="The rerank model.")] = "",
    key: Annotated[
        str | None, typer.Option(metavar="'${env:NAME}'", help="Where the API key is; never the key itself.")
    ] = None,
    key_file: Annotated[str | None, typer.Option(metavar="FILE", help="A file that holds the API key.")] = None,
    ca: Annotated[
        str | None, typer.Option(metavar="FILE", help="A PEM file of authorities to trust besides the system's.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="The most that one call may take.")] = 60.0,
) -> None:
    """Make the calls of Dify's plugin, and say what users would see.

    Any server that speaks the OpenAI API: chat, streams, tools, JSON, embeddings, rerank, keys, errors. Models that are
    not named are found in /v1/models by what each answers; where one is named, only those named are asked. A full run
    makes about 70 short calls. Exit 0 where nothing that Dify needs fails, 1 where it does, 2 for wrong usage.
    """
    output: Output = ctx.obj
    config = _configuration() if url is None else None
    reference = reference_of(key, key_file)
    ca = ca or (config.network.ca if config is not None else None)
    target = Target(
        address_of(url, config),
        trusting(ca),
        ca=ca or "",
        from_dify=seen_from_dify(config),
        key=resolve(reference, os.environ) if reference else known_key(config, os.environ),
        chat=model,
        embedding=embedding,
        rerank=rerank,
        seconds=seconds,
    )
    with working(target.url) as say:
        plugin = with_models(Plugin(target), _names(config), say)
        report = run(plugin, say)
    colour = coloured(sys.stdout.isatty(), os.environ)
    output.show(report.data(output.language), report.text(output.language, colour))
    if not report.ok:
        raise typer.Exit(FAILED)


def declared(config: Config, environ: Mapping[str, str], say: Say) -> Report | None:
    """What comes of all checks at `dify.models_url`; None without one: no other address is asked.

    Raises `network_ca_unreadable`, and what `known_key` raises.
    """
    url = config.dify.models_url if config.dify is not None else None
    if url is None:
        return None
    ca = config.network.ca
    deployed, key = seen_from_dify(config), known_key(config, environ)
    target = Target(url, trusting(ca), ca=ca or "", from_dify=deployed, key=key, seconds=DECLARED_S)
    return run(with_models(Plugin(target), _names(config), say), say)


def trusting(ca: str | None) -> ssl.SSLContext:
    """The system's authorities, or SSL_CERT_FILE's, and those of `ca` besides. Raises `network_ca_unreadable`."""
    context = ssl.create_default_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as error:  # an SSLError, of a file that is no PEM, is one too
            reason = error.strerror or str(error)
            raise FreeholdError("network_ca_unreadable", path=ca, setting="--ca", reason=reason) from None
    return context


def _configuration() -> Config:
    here = Path.cwd()
    if file_of(None, os.environ, here) is None:
        raise FreeholdError("dify_check_url_wanted")
    return load(None, os.environ, here)


def address_of(url: str | None, config: Config | None) -> str:
    """What was typed, else `dify.models_url`, else where this machine's deployment or `freehold serve` answers.

    Raises `dify_check_url_invalid`.
    """
    if url is None and config is not None:
        here = config.deploy or config.server
        scheme = "http" if config.server.tls is None else "https"
        told = config.dify.models_url if config.dify is not None else None
        url = told or f"{scheme}://{here.host}:{here.port}/v1"
    try:
        valid = url is not None and re.fullmatch(BASE_URL, url) is not None and urlsplit(url).port != 0
    except ValueError:
        valid = False
    if url is None or not valid:
        raise FreeholdError("dify_check_url_invalid", url=re.sub(r"//[^/]*@", "//***@", url or ""))
    return url


def seen_from_dify(config: Config | None) -> str:
    """The gateway's address for a Dify that is deployed beside it; "" where Dify uses the address that is checked."""
    deployed = config is not None and config.dify is not None and config.dify.version is not None
    return f"http://gateway:{config.server.port}/v1" if config is not None and deployed else ""


def reference_of(key: str | None, key_file: str | None) -> str | None:
    """Where the key is that was typed; None: nowhere. Raises `dify_check_key_literal`."""
    if key is not None and key_file is not None:
        raise typer.BadParameter("--key and --key-file both name the key: give one of them.")
    if key is not None and not is_reference(key):
        raise FreeholdError("dify_check_key_literal")
    if key_file is not None:
        return f"${{file:{key_file}}}"
    return key


def known_key(config: Config | None, environ: Mapping[str, str]) -> str:
    """The key that `connect` would give to Dify; "" where there is none. Raises what `models_key` raises."""
    if config is None:
        return ""
    try:
        return models_key(config, environ, reads=True).value
    except FreeholdError as error:
        if error.code != "dify_key_wanted":
            raise
        return ""


def _names(config: Config | None) -> list[str]:
    """Names that clients ask for: of routes, then of models."""
    if config is None:
        return []
    return list(dict.fromkeys([*(route.model for route in config.routes), *(model.id for model in config.models)]))
