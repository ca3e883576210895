"""`freehold dify connect`: the models of a configuration put into a Dify, or printed for people without access."""

import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from freehold.cli.output import LABELS, Output, describe
from freehold.config import Config, Dify, home, load
from freehold.config.load import file_of
from freehold.errors import FreeholdError

Configuration = Annotated[
    str | None, typer.Argument(metavar="CONFIG", help="A configuration. Default: ./freehold.yaml, ./config.yaml.")
]
_UNTOLD = {"en": "nothing tells what it can do", "zh": "无法得知其能力"}


def connect(
    ctx: typer.Context,
    config: Configuration = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print each model's form to fill in by hand; Dify is not asked.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove older spaces of our embedding models that nothing uses.")
    ] = False,
    plugin: Annotated[
        Path | None, typer.Option(metavar="FILE.difypkg", help="Install this provider plugin where it is missing.")
    ] = None,
    models_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Our server as Dify reaches it; default: `dify.models_url`.")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Our server as this machine reaches it; default: the same.")
    ] = None,
    wait: Annotated[int, typer.Option(min=0, metavar="SECONDS", help="How long Dify may take to be ready.")] = 300,
) -> None:
    """Give every model of a configuration to Dify: added or updated, checked by Dify itself, proven by real calls.

    Running it again changes only what differs. A model that an app or a knowledge base uses is never removed.
    """
    output: Output = ctx.obj
    wishes = _Wishes.of(load(config, os.environ, Path.cwd()), models_url, server, output)
    if only_print:
        _print(wishes, output)
        return
    if wishes.config.dify is None:
        origin = file_of(config, os.environ, Path.cwd()) or config or "the configuration"
        raise FreeholdError("dify_unconfigured", origin=origin)
    _connect(wishes, wishes.config.dify, output, only_plan=plan, prune=prune, plugin=plugin, wait_s=wait)


@dataclass
class _Wishes:
    """The configuration with what was typed beside it, and what there is to say besides the result."""

    config: Config
    url: str
    server: str
    output: Output
    notes: list[FreeholdError] = field(default_factory=list)

    @classmethod
    def of(cls, config: Config, models_url: str | None, server: str | None, output: Output) -> "_Wishes":
        """Raises `config_no_model`, and what `address_of` raises."""
        from freehold.deploy.dify.connecting.address import address_of, published
        from freehold.machine import docker_bridge

        if not config.models:
            raise FreeholdError("config_no_model", folder=Path.cwd())
        bridge = docker_bridge()
        address = address_of(config, bridge.address if bridge else None, socket.gethostname(), models_url)
        wishes = cls(config, address.url, server or published(config) or address.url, output)
        if address.listen:
            wishes.notes.append(FreeholdError("note_dify_listen", listen=address.listen))
        return wishes

    def say(self) -> None:
        """Notes go to standard error; with --json they are in the result."""
        if not self.output.as_json:
            for note in self.notes:
                typer.echo(self.output.told(note, LABELS[self.output.language].note), err=True)

    def described(self) -> list[dict[str, Any]]:
        """The notes as data."""
        return [describe(note) for note in self.notes]


def _print(wishes: _Wishes, output: Output) -> None:
    """The forms. Neither Dify nor our server is asked; spaces of embedding models are remembered."""
    from freehold.cli.dify_models import known_of
    from freehold.cli.dify_place import models_key
    from freehold.deploy.dify.connecting import forms

    key = models_key(wishes.config, os.environ, reads=False).place
    names, _ = known_of(wishes.config, os.environ, None)
    models = _become(wishes, names)
    wishes.say()
    data = {"url": wishes.url, "key": key, "models": forms.as_data(models, key, output.language)}
    output.show({**data, "notes": wishes.described()}, forms.as_text(models, key, output.language))


def _become(wishes: _Wishes, names: Any, *, keeps: bool = True) -> Any:
    """The models of Dify; what is left out is noted. Spaces are remembered where it `keeps` them.

    Raises `dify_nothing_to_connect`, `dify_spaces_invalid`, `dify_state_unwritable`.
    """
    from freehold.deploy.dify.connecting.becoming import become
    from freehold.deploy.dify.connecting.spaces import Placing, Spaces

    placing = Placing(Spaces.read(home(os.environ)))
    models, left = become(names, wishes.url, placing.id_of)
    for one in left:
        reason = _UNTOLD[wishes.output.language] if one.reason == "untold" else one.reason
        wishes.notes.append(FreeholdError("note_dify_left_out", model=one.model, reason=reason))
    if not models:
        raise FreeholdError("dify_nothing_to_connect", left=", ".join(one.model for one in left))
    if keeps:
        placing.spaces.save()
    return models


def _connect(
    wishes: _Wishes, dify: Dify, output: Output, *, only_plan: bool, prune: bool, plugin: Path | None, wait_s: int
) -> None:
    from freehold.cli.dify_connect_text import Outcome, as_data, as_text
    from freehold.cli.dify_models import known_of, model_server
    from freehold.cli.dify_place import models_key, place_of
    from freehold.cli.progress import working
    from freehold.deploy.dify.connecting import applying, planning
    from freehold.deploy.dify.connecting.keys import Keys
    from freehold.deploy.dify.console import PLUGIN, Door, open_console
    from freehold.deploy.dify.console.console import KNOWN

    package = None if plugin is None else _package(plugin)
    key = models_key(wishes.config, os.environ, reads=True).value or None
    place = place_of(wishes.config, dify, os.environ)
    with model_server(wishes.server, key, wishes.config, os.environ) as ours:
        names, silence = known_of(wishes.config, os.environ, ours)
    if silence is not None:
        wishes.notes.append(FreeholdError("note_dify_silent", reason=silence.cause))
    models = _become(wishes, names, keeps=not only_plan)
    keys = Keys.read(home(os.environ), place.address, dify.workspace)
    intent = planning.Intent(models, key, dify.default_models, prune)
    with ExitStack() as stack:
        say = stack.enter_context(working(f"connecting to {place.address}"))
        door = Door(place.address, wishes.config.network, os.environ, float(wait_s))
        place.prepare(door, say)
        console = stack.enter_context(open_console(door, place.credentials, say))
        if not console.version.startswith(KNOWN):
            wishes.notes.append(FreeholdError("note_dify_version", version=console.version or "?", known=f"{KNOWN}x"))
        there = console.plugins.installed() is not None
        if not there and package is None:
            raise FreeholdError("dify_plugin_missing", url=place.address, plugin=PLUGIN)
        if not there and package is not None and not only_plan:
            console.plugins.install(package)
            there = True
        found = planning.look(console, intent) if there else planning.NOTHING
        planned = planning.plan(intent, found, keys, installs=not there)
        proofs: tuple[applying.Proof, ...] = ()
        if not only_plan:
            applying.validate(console, planned, say)
            applying.apply(console, planned, keys, say)
            proofs = applying.prove(console.smoke, models, say)
    outcome = Outcome(place.address, console.version, planned, not only_plan, proofs)
    wishes.say()
    output.show({**as_data(outcome), "notes": wishes.described()}, as_text(outcome, output.language))


def _package(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FreeholdError("dify_plugin_unreadable", path=path, reason=error.strerror or str(error)) from None
