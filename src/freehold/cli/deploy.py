"""`freehold deploy` and its likes: a configuration put in force where services run, and taken back."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import msgspec
import typer
from typer.core import TyperGroup

from freehold.cli import deploy_text
from freehold.cli.audited import audited
from freehold.cli.deployments import (
    Given,
    hold_of,
    key_read_by,
    made_secrets,
    named,
    releases_of,
    remove_folder,
    rendered,
    state_folders,
    target_in_force,
    target_of,
    unless_half_done,
)
from freehold.cli.output import EPILOG, LABELS, Output, describe
from freehold.cli.preparing import bring, check_fit, image_digests, to_bring
from freehold.cli.progress import Say, working
from freehold.config.notes import keeps_nothing
from freehold.deploy.lines import together
from freehold.deploy.releases.deploying import Deploying, Wanted, as_data
from freehold.deploy.releases.plan import plan as planned
from freehold.deploy.releases.release import Release, Releases
from freehold.deploy.releases.rolling import Terms
from freehold.deploy.releases.staging import added
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.target import Target
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.ledger import read_bytes
from freehold.gateway.rollouts.replay import read_recording

_DEFAULT = "now"


class _DeployGroup(TyperGroup):
    """`freehold deploy [CONFIG]` beside `freehold deploy log`: what is no verb of its own is a configuration."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # its own words for click.Context
        return super().parse_args(ctx, args if args and args[0] in self.commands else [_DEFAULT, *args])


app = typer.Typer(cls=_DeployGroup)

Configuration = Annotated[
    str | None, typer.Argument(metavar="CONFIG", help="A configuration. Default: ./freehold.yaml, ./config.yaml.")
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="`deploy.name`; default: of this folder's configuration, or the only one."),
]
WithGateway = Annotated[
    bool,
    typer.Option("--gateway", help="Replace the gateway itself where it differs; requests fail for some seconds."),
]


@app.command(_DEFAULT, epilog=EPILOG)
def now(
    ctx: typer.Context,
    config: Configuration = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would change.")] = False,
    to: Annotated[int | None, typer.Option(min=1, metavar="N", help="Roll out an older release again.")] = None,
    goldens: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="Requests that both versions must answer alike.")
    ] = None,
    accept_differences: Annotated[
        bool, typer.Option("--accept-differences", help="Roll out although the new version answers otherwise.")
    ] = False,
    with_gateway: WithGateway = False,
    force: Annotated[
        bool, typer.Option("--force", help="On a cluster: take over fields of our objects that somebody else set.")
    ] = False,
) -> None:
    """Put a configuration in force: new versions start beside the old ones and take their requests step by step.

    What fails on the way, or answers otherwise, is taken back by itself. Ctrl-C does the same. `freehold deploy log`
    shows what was done.
    """
    output: Output = ctx.obj
    notes = _Notes(output)
    releases, target, wanted = _wanted(config, to, notes, force=force)
    if plan:
        _show_plan(output, releases, target, wanted.deployment, notes)
        return
    usual = Terms.of(wanted.deployment.settings)
    recorded = () if goldens is None else read_recording(read_bytes(goldens), str(goldens))
    terms = Terms(usual.steps, usual.step_s, recorded, accept_differences, with_gateway)
    with interruptible(), _audited("release", wanted.deployment, to), telling(output, "deploying") as say:
        release = _deploying(releases, target, say, notes, brings=to is None).deploy(wanted, terms)
    _show_release(output, releases, release, notes)


@app.command("log", epilog=EPILOG)
def log(ctx: typer.Context, name: Name = None) -> None:
    """Show what was done to a deployment: who, when, and how it ended."""
    output: Output = ctx.obj
    lines = releases_of(named(name, os.environ, Path.cwd()), os.environ).log.lines()
    output.show(msgspec.to_builtins(lines), deploy_text.of_log(lines, output.language))


def down(
    ctx: typer.Context,
    name: Name = None,
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Keep keys, audit and caches.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove them, and do not ask.")] = False,
) -> None:
    """Stop all services of a deployment, and remove what they keep: keys, audit and caches here, of a cluster the keys.

    Its releases stay, so that `freehold deploy` brings it back; models stay, and a cluster's namespace and volumes.
    """
    output: Output = ctx.obj
    releases = releases_of(named(name, os.environ, Path.cwd()), os.environ)
    target = target_in_force(releases, os.environ)
    last = releases.current() or releases.interrupted()
    folders = [] if keep_data else state_folders(releases)
    forgets = getattr(target, "forget", None)
    secrets = made_secrets(releases) if forgets is not None and not keep_data else []
    data = [*map(str, folders), *secrets]
    if data and not yes and not _agreed(data):
        raise FreeholdError("down_unsure", folders=", ".join(data))
    with _audited("down", None if last is None else releases.deployment(last)):
        with telling(output, "stopping") as say:
            _deploying(releases, target, say, _Notes(output)).down()
        if forgets is not None:
            forgets(secrets)
        for folder in folders:
            remove_folder(folder)
    name = releases.folder.name
    stays = "" if last is None else deploy_text.of_what_stays(releases.deployment(last))
    output.show({"name": name, "removed": data, "stays": stays}, f"{name} is down. {stays}".rstrip())


def rollback(
    ctx: typer.Context,
    number: Annotated[
        int | None, typer.Argument(min=1, metavar="[N]", help="The release; default: the last one before.")
    ] = None,
    name: Name = None,
    with_gateway: WithGateway = False,
) -> None:
    """Take back a rollout that was interrupted; else put an older release in force, as soon as it is ready."""
    output: Output = ctx.obj
    releases = releases_of(named(name, os.environ, Path.cwd()), os.environ)
    target = target_in_force(releases, os.environ)
    notes = _Notes(output)
    with interruptible(), _audited("rollback", _in_force(releases), number), telling(output, "rolling back") as say:
        release = _deploying(releases, target, say, notes).rollback(number, with_gateway=with_gateway)
    _show_release(output, releases, release, notes)


def status(ctx: typer.Context, name: Name = None) -> None:
    """Show the release in force, the older ones, and what runs."""
    output: Output = ctx.obj
    releases = releases_of(named(name, os.environ, Path.cwd()), os.environ)
    found = _deploying(releases, target_in_force(releases, os.environ), lambda _text: None, _Notes(output)).status()
    every = releases.all()
    data = {"name": releases.folder.name, **as_data(found), "releases": msgspec.to_builtins(every)}
    output.show(data, deploy_text.of_status(found, every, output))


def logs(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="Its service's, the `gateway`'s, or those of Dify's `api`; default: all."
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    tail: Annotated[int, typer.Option(min=1, help="So many of the last lines.")] = 100,
    name: Name = None,
) -> None:
    """Show what services write."""
    releases = releases_of(named(name, os.environ, Path.cwd()), os.environ)
    target = target_in_force(releases, os.environ)
    try:
        for line in _lines(releases, target, model, follow, tail):
            print(line, flush=follow)
    except KeyboardInterrupt:
        pass  # how following ends


def _audited(what: str, deployment: Deployment | None, release: int | None = None) -> AbstractContextManager[None]:
    """What is done to `deployment` stands in the audit of its own configuration, before it begins."""
    told: dict[str, str | int] = {} if deployment is None else {"deployment": deployment.settings.name}
    told |= {} if release is None else {"release": release}
    return audited(f"deploy.{what}", "", None if deployment is None else deployment.config.access, **told)


def _agreed(data: Sequence[str]) -> bool:
    """Whether a person at this terminal says so."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    listed = "\n  ".join(data)
    return typer.confirm(f"This removes keys, usage, audit and caches for good:\n  {listed}\nGo on?", err=True)


class _Notes:
    """What is to be known beside the result: on standard error as it comes, with --json a part of the result."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._told: list[FreeholdError] = []

    def add(self, note: FreeholdError) -> None:
        """Tell it."""
        self._told.append(note)
        if not self._output.as_json:
            print(self._output.told(note, LABELS[self._output.language].note), file=sys.stderr)

    def beside(self, result: object) -> dict[str, object]:
        """`result` as data, with all that was told."""
        return {**msgspec.to_builtins(result), "notes": [describe(note) for note in self._told]}


def _wanted(config: str | None, to: int | None, notes: _Notes, *, force: bool) -> tuple[Releases, Target, Wanted]:
    """What is to be in force, and where."""
    if to is not None:
        releases = releases_of(named(None, os.environ, Path.cwd()), os.environ)
        release = releases.read(to)
        deployment = releases.deployment(release)
        wanted = Wanted(deployment, releases.configuration(release), to)
    else:
        given = Given.read(config, os.environ, Path.cwd())
        if keeps_nothing(given.config):
            notes.add(FreeholdError("note_keys_apart", where="deploy"))
        releases = releases_of(given.settings.name, os.environ)
        digests = image_digests(given, releases, os.environ, notes.add)
        deployment = given.deployment(digests, os.environ)
        wanted = Wanted(deployment, given.text)
    return releases, target_of(deployment, releases, os.environ, force=force), wanted


def _deploying(releases: Releases, target: Target, say: Say, notes: _Notes, *, brings: bool = False) -> Deploying:
    """`brings`: what pods pull is pushed first; an older release's artifacts were when it came."""

    def prepare(deployment: Deployment, units: Sequence[Unit]) -> None:
        check_fit(deployment, units, _in_force(releases), target, notes.add)
        if brings:
            bring(deployment, units, say)

    hold = unless_half_done(releases, hold_of(target))
    return Deploying(releases, target, rendered, prepare=prepare, hold=hold, say=say)


def _in_force(releases: Releases) -> Deployment | None:
    current = releases.current()
    return None if current is None else releases.deployment(current)


def _show_plan(output: Output, releases: Releases, target: Target, new: Deployment, notes: _Notes) -> None:
    """What would change; then raises what `deploy` would refuse it for."""
    current, old = releases.current(), _in_force(releases)
    found = planned(None if current is None else current.number, old, new, target.running(), _lacking(target, new))
    found = msgspec.structs.replace(found, transfers=to_bring(new, added(old, new)))
    refusal = None
    try:
        check_fit(new, added(old, new), old, target, notes.add)
    except FreeholdError as error:
        refusal = error
    output.show(notes.beside(found), deploy_text.of_plan(found))
    if refusal is not None:
        raise refusal


def _lacking(target: Target, new: Deployment) -> Sequence[str]:
    """The services of its Dify that do not run."""
    alive = {one.host for one in target.dify.running() if one.state in ("ready", "starting")} if new.has_dify else ()
    return [host for host in target.dify.hosts(new).values() if host not in alive] if new.has_dify else []


def _show_release(output: Output, releases: Releases, release: Release | None, notes: _Notes) -> None:
    if release is None:
        output.show({"release": None}, "Nothing is in force.")
        return
    deployment = releases.deployment(release)
    key = key_read_by(deployment, releases)
    data = notes.beside(release) | {"key": key}
    output.show(data, deploy_text.of_release(release, deployment, key))


def _lines(releases: Releases, target: Target, model: str | None, follow: bool, tail: int) -> Iterator[str]:
    release = releases.current() or releases.interrupted()
    deployment = None if release is None else releases.deployment(release)
    if model is not None:
        units = () if deployment is None else deployment.units
        serving = [unit.name for unit in units if any(one.id == model for one in unit.models)]
        dify = target.dify.hosts(deployment) if deployment is not None and deployment.has_dify else {}
        if serving or model not in (*dify, *dify.values()):
            yield from target.logs(serving[0] if serving else model, follow, tail)
        else:
            yield from target.dify.logs(dify.get(model, model), follow, tail)
        return
    writing = {one.host: target.logs for one in target.running()}
    writing |= {one.host: target.dify.logs for one in target.dify.running()}
    if follow:
        yield from together({host: logs(host, True, tail) for host, logs in writing.items()})
    for host, logs in () if follow else writing.items():
        yield from (f"{host}: {line}" for line in logs(host, False, tail))


@contextmanager
def telling(output: Output, text: str) -> Iterator[Say]:
    """What is being done: behind a spinner on a terminal, in a pipeline's log a line for each stage."""
    if output.as_json or sys.stderr.isatty():
        with working(text) as say:
            yield say
        return
    said = [""]

    def line(stage: str) -> None:
        about = stage.partition(": ")[0]  # numbers behind it change ten times a second
        if about != said[-1]:
            said.append(about)
            print(stage, file=sys.stderr, flush=True)

    yield line


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM, and SIGHUP of a terminal that is gone, end the block as Ctrl-C does; what is ignored stays ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        if before[number] is not signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
