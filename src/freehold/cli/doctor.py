"""`freehold doctor`: whether this machine, or another whose snapshot is here, can run what is asked of it."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import typer

from freehold.artifact.artifact import write_durably
from freehold.cli.output import FAILED, Output, as_json
from freehold.config import Config, Deploy, load
from freehold.config.home import home
from freehold.config.load import file_of
from freehold.deploy.doctor.command import coloured, profile_of
from freehold.deploy.doctor.judging import Report, judge
from freehold.deploy.doctor.profile import Profile
from freehold.deploy.doctor.snapshot import Snapshot, SnapshotError
from freehold.deploy.doctor.taking import Asked, take
from freehold.errors import FreeholdError

GPU_DEVICES = frozenset({"cuda", "tensorrt"})


def doctor(
    ctx: typer.Context,
    config: Annotated[
        str | None,
        typer.Argument(metavar="[CONFIG]", help="What it is for; left out: freehold.yaml or config.yaml here."),
    ] = None,
    profile: Annotated[
        Literal["recommended", "minimal", "cluster", "edge"] | None,
        typer.Option(help="What is required; left out: cluster for `deploy.target: kubernetes`, else recommended."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", metavar="FILE", help="Judge the snapshot of another machine; - reads it.")
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Only write this machine's facts, for --from; - prints them.")
    ] = None,
    registry: Annotated[
        str | None, typer.Option(metavar="HOST", help="A registry that has to be reached; default: deploy.registry.")
    ] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Only compare what the models need with this machine's memory and cards.")
    ] = False,
) -> None:
    """Check cores, memory, disk, system, Docker, GPUs, cluster and network, each with its fix.

    Exit 0 where nothing that is needed fails (warnings are fine), 1 where it does, 2 for wrong usage.
    """
    output: Output = ctx.obj
    if sum((fit, source is not None, snapshot is not None)) > 1:
        raise typer.BadParameter("--fit, --from and --snapshot each ask for another thing: name one of them.")
    if fit:
        _fit(output, config)
        return
    wanted = _configuration(config)
    if snapshot is not None:
        _write(take(_asked(wanted, registry)), snapshot)
        return
    if source is not None:
        report = judge(_read(source), _requirements(wanted, profile))
    else:
        report = examined(wanted, profile, registry)
    colour = coloured(sys.stdout.isatty(), os.environ)
    output.show(report.data(output.language), report.text(output.language, colour))
    if not report.ok:
        raise typer.Exit(FAILED)


def examined(config: Config | None, profile: str | None = None, registry: str | None = None) -> Report:
    """This machine now, judged by what `config` asks of it; sessions are opened on its models' devices."""
    from freehold.cli.live_session import session_check

    report = judge(Snapshot.of(take(_asked(config, registry))), _requirements(config, profile))
    return Report(report.profile, (*report.checks, *map(session_check, _devices(config))))


def _requirements(config: Config | None, name: str | None) -> Profile:
    """Those of the profile, and on one server what a Dify beside the models asks for."""
    found = profile_of(name or ("cluster" if _on_cluster(config) else "recommended"), _gpus(config))
    if config is None or config.dify is None or config.dify.version is None or _on_cluster(config):
        return found
    from freehold.deploy.topology.release import release_of

    needs = release_of(config.dify.version).needs
    memory_gb = round(found.memory_gb + needs.memory_gib * 2**30 / 1e9, 1)
    return replace(found, cores=found.cores + needs.cores, memory_gb=memory_gb)


def _on_cluster(config: Config | None) -> bool:
    return config is not None and config.deploy is not None and config.deploy.target == "kubernetes"


def _fit(output: Output, argument: str | None) -> None:
    config = load(argument, os.environ, Path.cwd())
    if _on_cluster(config):
        from freehold.cli.fit_cluster import fit_on_cluster

        ok, data, text = fit_on_cluster(argument)
        output.show(data, text)
    else:
        from freehold.cli.fit import fit_here, told

        fit = fit_here(config, apart=config.deploy is not None)
        output.show(*told(fit))
        ok = fit.ok
    if not ok:
        raise typer.Exit(FAILED)


def _configuration(argument: str | None) -> Config | None:
    """The configuration that is named or lies here; None where there is none, for a machine that has none yet."""
    here = Path.cwd()
    if argument is None and not os.environ.get("MODEL_PATH") and file_of(None, os.environ, here) is None:
        return None
    return load(argument, os.environ, here)


def _asked(config: Config | None, registry: str | None) -> Asked:
    folder = home(os.environ)
    if config is None:
        return Asked(folder, registry=registry)
    deploy = config.deploy or Deploy()
    elsewhere = [model.source for model in config.models if model.hosting == "upstream"]
    dify = config.dify.url if config.dify is not None else None
    hosts = [urlsplit(url).hostname for url in (*elsewhere, dify or "")]
    return Asked(
        folder,
        ports=() if _on_cluster(config) else (deploy.port,),
        registry=registry or deploy.registry,
        ca=config.network.ca,
        hosts=tuple(dict.fromkeys(host for host in hosts if host)),
    )


def _gpus(config: Config | None) -> bool:
    models = config.models if config is not None else ()
    return any(model.device in GPU_DEVICES or model.gpus for model in models)


def _devices(config: Config | None) -> Sequence[str]:
    """The devices of the models that this machine runs itself, each once; a cluster's are not this machine's."""
    if config is None:
        return ("cpu",)
    here = [] if _on_cluster(config) else [model.device for model in config.models if model.hosting == "here"]
    return tuple(dict.fromkeys(here))


def _read(source: str) -> Snapshot:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        return Snapshot.parse(text)
    except OSError as error:
        raise FreeholdError("doctor_snapshot_invalid", path=source, reason=error.strerror or str(error)) from None
    except SnapshotError as error:
        raise FreeholdError("doctor_snapshot_invalid", path=source, reason=error) from None
    except UnicodeDecodeError:
        raise FreeholdError("doctor_snapshot_invalid", path=source, reason="it is not UTF-8") from None


def _write(document: object, target: str) -> None:
    if target == "-":
        print(as_json(document))
        return
    try:
        write_durably(Path(target), json.dumps(document, indent=2, ensure_ascii=False).encode("utf-8"))
    except OSError as error:
        raise FreeholdError("doctor_snapshot_unwritable", path=target, reason=error.strerror or str(error)) from None
    print(target)
