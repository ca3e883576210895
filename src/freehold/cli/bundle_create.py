"""`freehold bundle create`: all that a configuration needs, put together where there is a network."""

import os
import platform as this
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from freehold.cli.deployments import Given
from freehold.cli.models_registry import PlainHttp
from freehold.cli.models_sign import private_key
from freehold.cli.output import LABELS, Output, describe
from freehold.cli.progress import working
from freehold.cli.references import local_store, located
from freehold.cli.rendered import Configuration
from freehold.config import parse
from freehold.config.home import expanded
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.deploy.bundle.contents import Wanted
    from freehold.deploy.bundle.creating import Created, Row
    from freehold.deploy.bundle.engine import Engine
    from freehold.deploy.bundle.finding import Found

Wheels = Callable[[Path], None]
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def create(
    ctx: typer.Context,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.tar|DIR", help="One file, or a folder of that name.")
    ],
    config: Configuration = None,
    platform: Annotated[
        str, typer.Option(metavar="linux/ARCH|all", help="Of the machines that will run it. Default: this machine's.")
    ] = "",
    mirror: Annotated[
        str | None, typer.Option("--from", metavar="REGISTRY", help="Take the images from this mirror.")
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A plugin of Dify (.difypkg); may be repeated.")
    ] = None,
    plugin_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Put the plugins' wheels in, and sign them, as `bundle plugin --key` does."),
    ] = None,
    wheel: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Freehold's own wheel. Default: made of this installation.")
    ] = None,
    no_wheels: Annotated[
        bool, typer.Option("--no-wheels", help="Without what installs Freehold's command line there.")
    ] = False,
    sign_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sign it with this private key: PEM, ECDSA on P-256.")
    ] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Do not sign it.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what it will have and what must come.")] = False,
    plain_http: PlainHttp = None,
) -> None:
    """Put all that a configuration takes into one file or folder.

    Images as their registries have them, with their digests; artifacts and fetched models; plugins; wheels that install
    Freehold; the configuration, in which secrets are references. Every file has its checksum, and one signature is over
    all. What an earlier try brought, or an older bundle at the same place has, does not come again.
    """
    if sign_key is None and not unsigned and not plan:
        raise FreeholdError("bundle_key_needed", option="--sign-key")
    from freehold.deploy.bundle.creating import Creation
    from freehold.deploy.bundle.finding import Finder
    from freehold.deploy.bundle.names import names
    from freehold.deploy.bundle.platforms import ALL
    from freehold.store.http_client import open_client

    shown: Output = ctx.obj
    given = Given.read(config, os.environ, Path.cwd())
    wanted_for = platform or f"linux/{_ARCHITECTURES.get(this.machine(), this.machine())}"
    if wanted_for != ALL and not re.fullmatch(r"linux/[a-z0-9_]+(/[a-z0-9]+)?", wanted_for):
        raise FreeholdError("bundle_platform_invalid", platform=wanted_for)
    key = None if sign_key is None or plan else private_key(expanded(str(sign_key)))
    engine, target = _engine(), expanded(str(output)).absolute()
    with (
        working("bundle") as say,
        open_client(given.config.network, os.environ) as client,
        _plugins(plugin or (), None if plan else plugin_key, wanted_for) as plugins,
        _wheels(wheel, wanted_for) if not no_wheels else nullcontext() as wheels,
    ):
        finder = Finder(client, os.environ, wanted_for, engine, mirror, plain_http)
        images: list[Found] = []
        for name in names(given.config):
            say(f"look for {name}")
            images.append(finder.find(name))
        wanted = _wanted(given, wanted_for, images, plugins, wheels)
        creation = Creation.begin(wanted, target, local_store(os.environ).blobs, engine)
        notes = [FreeholdError("bundle_plugin_none")] if given.config.dify is not None and not plugins else []
        if plan:
            _show_plan(shown, target, creation.plan(), notes)
            return
        done = creation.create(key, say)
    _show(shown, done, notes)


def _engine() -> "Engine | None":
    """This machine's, where it has one that answers."""
    from freehold.deploy.bundle.engine import Engine
    from freehold.deploy.compose.docker import Docker

    if shutil.which("docker") is None:
        return None
    docker = Docker(os.environ)
    return Engine(docker) if docker.tried("version").returncode == 0 else None


def _wanted(
    given: Given, platform: str, images: "Sequence[Found]", plugins: Sequence[Path], wheels: "Wheels | None"
) -> "Wanted":
    from freehold.deploy.bundle.contents import Wanted, artifacts_of, models_of

    store = local_store(os.environ)
    return Wanted(
        platform=platform,
        configuration=given.text,
        images=tuple(images),
        artifacts=artifacts_of(given.config, store),
        models=models_of(given.config, lambda source: located(parse(source), store)),
        plugins=tuple(plugins),
        wheels=wheels,
    )


@contextmanager
def _plugins(given: Sequence[Path], key: Path | None, platform: str) -> Iterator[tuple[Path, ...]]:
    """The packages to carry: with a key, made to install without a network, else as they are."""
    from freehold.deploy.bundle.plugin.making import make
    from freehold.deploy.bundle.plugin.package import read
    from freehold.deploy.bundle.plugin.wheels import MACHINES

    packages = [expanded(str(one)) for one in given]
    if key is None:
        for path in packages:
            read(path)
        yield tuple(packages)
        return
    machines = [one for one in MACHINES if platform in ("all", f"linux/{one}")]
    with tempfile.TemporaryDirectory(prefix="freehold-plugin-") as folder:
        carried = []
        for number, path in enumerate(packages):
            at = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
            made = make(path, expanded(str(key)), Path(folder) / str(number), at, os.environ, machines)
            carried.append(Path(folder) / f"{path.stem}-offline.difypkg")
            carried[-1].write_bytes(made.package.archive())
        yield tuple(carried)


@contextmanager
def _wheels(wheel: Path | None, platform: str) -> Iterator[Wheels]:
    """What brings them into a folder; Freehold's own is here already.

    Raises `bundle_wheel_unfit` for a wheel that was given, `bundle_wheel_wanted` where none can be made.
    """
    from importlib.metadata import distribution

    from freehold.deploy.bundle.wheels import LOCK, checked_wheel, fetch_wheels, own_wheel

    with tempfile.TemporaryDirectory(prefix="freehold-wheel-") as folder:
        given = None if wheel is None else checked_wheel(expanded(str(wheel)))
        own = given or own_wheel(distribution("freehold"), Path(folder))

        def bring(into: Path) -> None:
            fetch_wheels(LOCK, into, platform, os.environ)
            shutil.copyfile(own, into / own.name)

        yield bring


def _show_plan(output: Output, target: Path, rows: "tuple[Row, ...]", notes: Sequence[FreeholdError]) -> None:
    missing = sum(row.missing or 0 for row in rows)
    data = {
        "output": str(target),
        "parts": [{"sort": r.sort, "name": r.name, "bytes": r.size, "missing": r.missing} for r in rows],
        "missing": missing,
    }
    lines = [f"{target} will have:"]
    for row in rows:
        size = "size known once it has come" if row.size is None else f"{row.size / 1e6:,.1f} MB"
        there = "" if row.missing is None or row.missing == row.size else f", {row.missing / 1e6:,.1f} MB missing"
        lines.append(f"  {row.sort} {row.name}  {size}{there}")
    lines.append(f"{missing / 1e6:,.1f} MB are missing")
    _tell(output, data, lines, notes)


def _show(output: Output, done: "Created", notes: Sequence[FreeholdError]) -> None:
    data = {
        "output": str(done.place),
        "digest": done.digest,
        "bytes": done.size,
        "moved": done.moved,
        "signer": done.signer,
    }
    lines = [
        f"{done.place}  {done.size / 1e6:,.1f} MB, {done.moved / 1e6:,.1f} MB of them fetched now",
        f"  {done.digest}",
        f"  signed by {done.signer[:19]}" if done.signer else "  NOT SIGNED: nothing will say who made it",
    ]
    _tell(output, data, lines, notes)


def _tell(output: Output, data: dict[str, object], lines: Sequence[str], notes: Sequence[FreeholdError]) -> None:
    told = [output.told(note, LABELS[output.language].note) for note in notes]
    output.show({**data, "notes": [describe(note, output.language) for note in notes]}, "\n".join([*lines, *told]))
