"""`freehold dify doctor` and `patch`: Dify's own Compose installation, judged, and cured by one override file."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from freehold.cli.output import EPILOG, FAILED, Output
from freehold.config import Config, load
from freehold.config.home import expanded
from freehold.config.load import file_of
from freehold.errors import FreeholdError

Folder = Annotated[
    Path,
    typer.Option("--compose-dir", metavar="DIR", help="Where Dify's own docker-compose.yaml and .env are."),
]


def add_to(app: typer.Typer) -> None:
    """Hang the verbs into `freehold dify`."""
    app.command(epilog=EPILOG)(doctor)
    app.command(epilog=EPILOG)(patch)


def doctor(
    ctx: typer.Context,
    folder: Folder = Path(),
    closed: Annotated[
        bool, typer.Option("--closed", help="It has no way to the internet: what waits for one there fails.")
    ] = False,
    own_ca: Annotated[
        bool,
        typer.Option("--own-ca", help="Models or tools have certificates of your own CA; `network.ca` says it too."),
    ] = False,
) -> None:
    """Check an official Compose installation of Dify.

    Public secrets, keys that disagree, open ports, 502, own CA. Reads its files and changes nothing. No secret is
    printed. Exit 0 where nothing that is needed fails, else 1.
    """
    from freehold.deploy.dify.official.judging import Asked, judge
    from freehold.deploy.dify.official.reading import read
    from freehold.deploy.doctor.command import coloured
    from freehold.deploy.topology.release import known, release_of

    output: Output = ctx.obj
    config = _configuration()
    dify = config.dify if config is not None else None
    asked = Asked(
        forbidden=frozenset(value for version in known() for value in release_of(version).forbidden),
        is_closed=closed,
        has_ca=own_ca or (config is not None and config.network.ca is not None),
        models_url=(dify.models_url if dify is not None else None) or "",
    )
    report = judge(read(expanded(str(folder))), asked)
    output.show(report.data(output.language), report.text(output.language, coloured(sys.stdout.isatty(), os.environ)))
    if not report.ok:
        raise typer.Exit(FAILED)


def patch(
    ctx: typer.Context,
    folder: Folder = Path(),
    ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your own CA (PEM), which api, workers, plugins and the sandbox are to trust."
        ),
    ] = None,
    cure_502: Annotated[
        bool, typer.Option("--cure-502", help="nginx asks for addresses anew: no 502 after a container was replaced.")
    ] = False,
    plugin_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The public key of plugins that `bundle plugin` signed; verification stays on."
        ),
    ] = None,
    closed: Annotated[
        bool, typer.Option("--closed", help="Nothing is asked of the internet: updates, marketplace, telemetry.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the files, and write nothing.")] = False,
) -> None:
    """Cure an official Compose installation by an override file.

    It is docker-compose.override.yaml; nothing of Dify's own files is changed. One of your own is never
    overwritten: then the lines that it lacks are told. What is running stays as it is until `docker compose up -d`
    in that folder. Deleting the file undoes all.
    """
    from freehold.deploy.bundle.plugin.signature import public_pem
    from freehold.deploy.dify.official import override
    from freehold.deploy.dify.official.patching import check_place, lay
    from freehold.deploy.dify.official.reading import read
    from freehold.deploy.topology.trust import joined_file, read_package_key

    output: Output = ctx.obj
    asked = override.Asked(
        bundle=None if ca is None else joined_file(expanded(str(ca))).decode(errors="replace"),
        plugin_key=None if plugin_key is None else public_pem(read_package_key(expanded(str(plugin_key)))).decode(),
        is_cured=cure_502,
        is_closed=closed,
    )
    if asked == override.Asked():
        raise FreeholdError("official_nothing_asked")
    official = read(expanded(str(folder)))
    made = override.patch(official, asked)
    if plan:
        check_place(official, made)
        files = {name: text for name, text in made.files.items() if name != override.BUNDLE}
        named = "\n\n".join(f"# {official.folder / name}\n{text}" for name, text in files.items())
        output.show({"folder": official.folder, "files": dict(made.files)}, named)
        return
    written = lay(official, made)
    lines = [*(f"wrote {path}" for path in written), f"Put it in force: cd {official.folder} && docker compose up -d"]
    output.show({"folder": official.folder, "written": list(written)}, "\n".join(lines))


def _configuration() -> Config | None:
    """freehold.yaml here, None where there is none."""
    if file_of(None, os.environ, Path.cwd()) is None:
        return None
    return load(None, os.environ, Path.cwd())
