"""One run of an image that is to come: it loads a unit's models and replays what was recorded with them."""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from freehold.deploy.compose.containers import KILLED, shown_limit
from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.layout import mounts_of, secret_path
from freehold.deploy.compose.render import TEMPORARY, USER
from freehold.deploy.services.secret_files import path as inside
from freehold.deploy.services.told import Model, Trouble
from freehold.deploy.services.units import Mount, Unit
from freehold.errors import FreeholdError


class _Report(msgspec.Struct):
    """What is read of `freehold verify --json`: a report on standard output, or an error on standard error."""

    models: tuple[Model, ...] = ()
    error: Trouble | None = None


def pull_missing(docker: Docker, images: Iterable[str]) -> None:
    """Bring the images that are not on this machine.

    Raises what the registry says, and `bundle_image_gone` for an id: those are known to this engine alone.
    """
    for image in dict.fromkeys(images):
        if docker.tried("image", "inspect", image).returncode == 0:
            continue
        if image.startswith("sha256:"):
            docker.run("version")  # an engine that does not answer is another matter
            raise FreeholdError("bundle_image_gone", image=image)
        docker.run("pull", "--quiet", image, image=image)


def verify_unit(docker: Docker, unit: Unit, folder: Path, config: Path) -> None:
    """Raises `compose_verify_failed` with the words of the image. `config` has the unit's files.

    It has the walls, mounts and bounds that the service will have, and no network.
    """
    words = [*unit.entrypoint[1:], "verify", next(iter(unit.files)), "--json"]
    done = docker.tried("run", *_options(unit, folder, config), unit.image, *words)
    if done.returncode == 0:
        return
    if done.returncode == KILLED:
        raise FreeholdError("compose_oom_killed", service=unit.name, limit=shown_limit(unit.memory_mb or 0))
    error = _error_in(done.stdout) or _error_in(done.stderr)
    if error is None:
        raise docker.failure(done, unit.image)
    raise FreeholdError("compose_verify_failed", service=unit.name, cause=error.cause, fix=error.fix)


def _options(unit: Unit, folder: Path, config: Path) -> Iterator[str]:
    yield from ("--rm", "--init", "--network", "none", "--pull", "never")
    yield from ("--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
    yield from ("--read-only", "--tmpfs", TEMPORARY, "--user", USER, "--shm-size", f"{unit.shm_mb}m")
    if unit.memory_mb is not None:
        yield from ("--memory", f"{unit.memory_mb}m", "--memory-swap", f"{unit.memory_mb}m")
    if unit.cpu is not None:
        yield from ("--cpus", f"{unit.cpu:g}")
    if unit.gpus is not None:
        yield from ("--gpus", _fields(f"device={','.join(unit.gpu_ids)}") if unit.gpu_ids else str(unit.gpus.count))
    for name, value in sorted(unit.environment.items()):
        yield from ("--env", f"{name}={value}")
    secrets = (Mount(secret_path(secret), inside(secret)) for secret in unit.secrets)
    for mount in (*secrets, *mounts_of(unit, str(config))):
        words = ["type=bind", f"source={folder / mount.source}", f"target={mount.target}"]
        yield from ("--mount", _fields(*words, *(["readonly"] if mount.read_only else [])))
    yield from (("--entrypoint", unit.entrypoint[0]) if unit.entrypoint else ())


def _fields(*fields: str) -> str:
    """One line of CSV, as `docker` reads these options: a path may have a comma in it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _error_in(said: str) -> Trouble | None:
    """The first error of a report; None where it is none of ours."""
    try:
        report = msgspec.json.decode(said[max(0, f"\n{said}".rfind("\n{\n")) :], type=_Report)  # behind lines of a log
    except msgspec.DecodeError:
        return None
    return report.error or next((model.error for model in report.models if model.error is not None), None)
