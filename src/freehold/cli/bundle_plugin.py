"""`freehold bundle plugin` and `check-plugin`: a plugin that a closed network installs, signed by a key of your own."""

import os
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.output import EPILOG, Output
from freehold.cli.progress import working
from freehold.config.home import expanded
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.deploy.bundle.plugin.making import Made


class Machine(StrEnum):
    """Where a plugin daemon runs, as Docker calls it."""

    AMD64 = "amd64"
    ARM64 = "arm64"


Package = Annotated[Path, typer.Argument(metavar="FILE", help="The plugin as it was published (.difypkg).")]


def add_to(app: typer.Typer) -> None:
    """Hang the verbs into `freehold bundle`."""
    app.command(epilog=EPILOG)(plugin)
    app.command("check-plugin", epilog=EPILOG)(check_plugin)


def plugin(
    ctx: typer.Context,
    source: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The plugin as it was published (.difypkg).")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The private key that signs, as --new-key makes it.")
    ] = None,
    new_key: Annotated[
        Path | None,
        typer.Option(metavar="NAME", help="First make a pair, NAME.key and NAME.pub; without FILE nothing else."),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Default: AUTHOR-NAME_VERSION-offline.difypkg here."),
    ] = None,
    architecture: Annotated[
        list[Machine] | None,
        typer.Option(help="The plugin daemon's machine; may be given twice. Default: amd64."),
    ] = None,
    index: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Add the wheels to a Python index of files (PEP 503) there too.")
    ] = None,
) -> None:
    """Put a plugin's wheels into its package, and sign it.

    Dify then installs it without a network. Runs where there is a network: pip fetches the wheels for the daemon's
    Python 3.12 and compares them with the package's own lock. PIP_INDEX_URL, PIP_CERT and HTTPS_PROXY count.
    Nothing of the plugin is run. The daemon goes on verifying: it gets NAME.pub by `dify: {plugin_key: NAME.pub}`.
    SOURCE_DATE_EPOCH sets the time in the signature.
    """
    output: Output = ctx.obj
    if (source is None and new_key is None) or (source is not None and key is None and new_key is None):
        raise FreeholdError("plugin_key_wanted")
    data: dict[str, Any] = {}
    lines: list[str] = []
    if new_key is not None:
        from freehold.deploy.bundle.plugin.signature import new_pair

        private, public = new_pair(expanded(str(new_key)))
        key = key or private
        data |= {"key": private, "public_key": public}
        lines.append(f"{private} signs: keep it where packages are made. {public} checks: give it to the daemon.")
    if source is not None and key is not None:
        told, text = _make(expanded(str(source)), expanded(str(key)), target, architecture or [Machine.AMD64], index)
        data |= told
        lines += text
    output.show(data, "\n".join(lines))


def check_plugin(
    ctx: typer.Context,
    source: Package,
    key: Annotated[
        list[Path], typer.Option(metavar="FILE", help="A public key, as the daemon has it; may be given twice.")
    ],
) -> None:
    """Check a package's signature as Dify's plugin daemon does."""
    from freehold.deploy.bundle.plugin.making import check

    output: Output = ctx.obj
    package, signed = check(expanded(str(source)), [expanded(str(one)) for one in key])
    at = datetime.fromtimestamp(signed.time, UTC).isoformat()
    data = {"plugin": str(package.identity), "signed_at": at, "category": signed.category, "size": package.size}
    output.show(data, f"{package.identity} is signed by a key given here, at {at}, as {signed.category}")


def _make(
    source: Path, key: Path, target: Path | None, machines: Iterable[Machine], index: Path | None
) -> tuple[dict[str, Any], list[str]]:
    from freehold.deploy.bundle.plugin.making import make
    from freehold.deploy.bundle.plugin.package import MEBIBYTE
    from freehold.deploy.bundle.plugin.repacking import limit_wanted
    from freehold.deploy.bundle.plugin.wheels import MACHINES

    wanted = set(machines)
    architectures = [one for one in MACHINES if one in wanted]
    at = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    with tempfile.TemporaryDirectory(prefix="freehold-plugin-") as folder, working("Fetching the plugin's wheels"):
        made = make(source, key, Path(folder), at, os.environ, architectures)
        written = _write(made, target, index)
    package, limit = made.package, limit_wanted(made.package)
    data = {
        "plugin": str(package.identity),
        "package": written,
        "size": package.size,
        "wheels": [wheel.path.name for wheel in made.wheels],
        "max_package_size": limit,
        "index": index,
    }
    lines = [f"{package.identity}: {len(made.wheels)} wheels, {package.size / MEBIBYTE:.1f} MiB, signed\n  {written}"]
    if limit is not None:
        lines.append(f"It is larger than Dify takes by default: set PLUGIN_MAX_PACKAGE_SIZE={limit}.")
    return data, lines


def _write(made: "Made", target: Path | None, index: Path | None) -> Path:
    from freehold.artifact.artifact import write_durably
    from freehold.deploy.bundle.plugin.index import write_index

    identity = made.package.identity
    name = "-".join(filter(None, (identity.author, identity.name)))
    path = expanded(str(target)) if target is not None else Path(f"{name}_{identity.version}-offline.difypkg")
    try:
        write_durably(path, made.package.archive())
        if index is not None:
            write_index(made.wheels, expanded(str(index)))
    except OSError as error:
        raise FreeholdError("plugin_unwritable", path=error.filename or path, reason=error.strerror or error) from error
    return path
