"""`freehold bundle load`: a bundle put to use where there is no way out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.artifact.artifact import sha256_of
from freehold.cli.bundle_verify import Key, Place, Unsigned, told, verified
from freehold.cli.models_registry import PlainHttp
from freehold.cli.output import LABELS, Output, describe
from freehold.cli.progress import working
from freehold.cli.references import local_store, models_folder
from freehold.config import Config, Deploy, home
from freehold.config import load as read_configuration
from freehold.config.home import expanded
from freehold.deploy.bundle.manifest import CONFIGURATION
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.deploy.bundle.loading import ToEngine, ToRegistry
    from freehold.deploy.bundle.reading import Bundle

ENGINE = "docker"


def load(
    ctx: typer.Context,
    bundle: Place,
    to: Annotated[
        str, typer.Option(metavar="REGISTRY|docker", help="HOST[:PORT][/PATH] of a registry, or this machine's Docker.")
    ],
    key: Key = None,
    unsigned: Unsigned = False,
    into: Annotated[
        Path, typer.Option(metavar="DIR", help="Where the configuration, wheels, plugins and the lock file go.")
    ] = Path("freehold-bundle"),
    plain_http: PlainHttp = None,
    plan: Annotated[bool, typer.Option("--plan", help="Verify it, and only show what would go where.")] = False,
) -> None:
    """Verify a bundle, then put all that it has in place.

    Images go where --to says, artifacts into the store, the rest into a folder. Only what is lacking moves; a load
    that was cut goes on. Beside the configuration lies images.lock.json then: every rendering and rollout of that
    configuration takes its images by what it says, and asks no other registry.

    Logins are those of `docker login`, or FREEHOLD_REGISTRY_USERNAME and FREEHOLD_REGISTRY_PASSWORD.
    """
    output: Output = ctx.obj
    folder = expanded(str(into)).absolute()
    with working(f"load {bundle}") as say:
        opened, signer = verified(bundle, key, unsigned, say)
        if plan:
            _show_plan(output, opened, to, folder, signer)
            return
        from freehold.deploy.bundle.loading import lay_out, load_artifacts, lock_images

        laid = lay_out(opened, folder, models_folder(home(os.environ)))
        config = read_configuration(str(folder / CONFIGURATION), os.environ, folder)
        with _target(to, config, plain_http) as target:
            images = target.bring(opened, say)
        artifacts = load_artifacts(opened, local_store(os.environ), say)
        lock = lock_images(opened, folder, images)
    notes = [*_notes(opened, folder), *_registry_note(to, config.deploy or Deploy())]
    data: dict[str, Any] = {
        "bundle": opened.digest,
        "signed_by": signer,
        "to": to,
        "folder": str(folder),
        "lock": str(lock),
        "images": dict(images),
        "artifacts": list(artifacts),
        "files": [str(path) for path in laid],
        "notes": [describe(note, output.language) for note in notes],
    }
    lines = [
        f"{len(images)} images are in {to}, {len(artifacts)} artifacts in the store",
        f"  {lock} names the images",
        f"  install Freehold: pip install --no-index --find-links {folder / 'wheels'} freehold",
        f"  then: cd {folder} && freehold deploy",
    ]
    if not any(path.suffix == ".whl" for path in laid):
        del lines[2]
    if not signer:
        lines.insert(1, "  NOT SIGNED, or not checked: nothing says who made it")
    output.show(data, "\n".join([*lines, *(output.told(note, LABELS[output.language].note) for note in notes)]))


def _show_plan(output: Output, bundle: "Bundle", to: str, folder: Path, signer: str) -> None:
    data, text = told(bundle, signer)
    store = local_store(os.environ).root
    where = f"images go to {to}, artifacts to {store}, the rest to {folder}"
    output.show({**data, "to": to, "store": str(store), "folder": str(folder)}, f"{text}\n{where}")


@contextmanager
def _target(to: str, config: Config, plain_http: bool | None) -> "Iterator[ToRegistry | ToEngine]":
    from freehold.deploy.bundle.engine import Engine
    from freehold.deploy.bundle.loading import ToEngine, ToRegistry
    from freehold.deploy.compose.docker import Docker
    from freehold.store.http_client import open_client

    if to == ENGINE:
        yield ToEngine(Engine(Docker(os.environ)), config.deploy or Deploy())
        return
    with open_client(config.network, os.environ) as client:
        yield ToRegistry(_registry(to), client, os.environ, plain_http)


def _registry_note(to: str, settings: Deploy) -> list[FreeholdError]:
    """Where renderings will look for images elsewhere."""
    if to == ENGINE or (settings.registry or "").rstrip("/") == _registry(to):
        return []
    return [FreeholdError("bundle_registry_other", registry=_registry(to), said=settings.registry or "null")]


def _registry(to: str) -> str:
    return to.removeprefix("oci://").removeprefix("https://").rstrip("/")


def _notes(bundle: "Bundle", folder: Path) -> list[FreeholdError]:
    """A configuration that was there before, and models that lie elsewhere than it says."""
    there = folder / CONFIGURATION
    kept = f"sha256:{sha256_of(there)}" != bundle.files[CONFIGURATION].digest
    return [
        *([FreeholdError("bundle_configuration_kept", path=there)] if kept else []),
        *(
            FreeholdError("bundle_model_elsewhere", id=one.id, source=one.source, folder=folder / one.folder)
            for one in bundle.manifest.models
            if not one.source.startswith(("hf://", "ms://")) and not Path(one.source).exists()
        ),
    ]
