"""What a deployment needs on this machine before Docker starts it: files, folders to write to, secrets.

Secrets lie in files that every user may read, in a folder that only its owner may pass: the containers' users differ,
and not everybody who deploys can give files away. So it is with the folders of state, which every user may write.
"""

import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from freehold.artifact.artifact import write_durably
from freehold.config.secret import resolve_file
from freehold.deploy.compose.layout import (
    SECRETS,
    secret_path,
    secrets_of,
    state_folders,
    units_of,
)
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import SecretFile, Unit
from freehold.errors import FreeholdError

PRIVATE, SHARED, OPEN = 0o700, 0o755, 0o777
READABLE = 0o644


def secret_values(deployment: Deployment, environ: Mapping[str, str]) -> Mapping[SecretFile, bytes]:
    """Every secret that the user has; those that the deployment makes itself are not among them.

    Raises FreeholdError `secret_missing`, `secret_malformed`, `secret_unreadable`.
    """
    return {
        secret: resolve_file(secret.origin, environ) for secret in secrets_of(units_of(deployment)) if secret.origin
    }


def write_secrets(folder: Path, deployment: Deployment, values: Mapping[SecretFile, bytes]) -> None:
    """Every secret into its file; one that the deployment makes itself only where it is not there yet."""
    made_folder(folder / SECRETS, PRIVATE)
    for secret in secrets_of(units_of(deployment)):
        path = folder / secret_path(secret)
        if secret in values:
            write_in_place(path, values[secret])
        elif not path.exists():
            write_files(folder, {secret_path(secret): secrets.token_hex(32)})  # whole or not at all: it is kept


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """`files` by path below `folder`, readable by the users of all containers."""
    for name, text in files.items():
        path = folder / name
        try:
            made_folder(path.parent, SHARED)
            write_durably(path, text.encode("utf-8"), READABLE)
            path.chmod(READABLE)
        except OSError as error:
            raise _unwritable(path, error) from None


def make_states(units: Iterable[Unit]) -> None:
    """The folders that `units` write to."""
    for path in map(Path, state_folders(units)):
        made_folder(path.parent, PRIVATE)
        made_folder(path, OPEN)


def check_mounts(units: Iterable[Unit]) -> None:
    """Raises `compose_mount_missing` for the first path that a unit is to read and that is not there."""
    for mount in (mount for unit in units for mount in unit.mounts):
        if mount.read_only and not Path(mount.source).exists():
            raise FreeholdError("compose_mount_missing", path=mount.source)


def made_folder(path: Path, mode: int) -> None:
    """The folder, there, with `mode` whatever the umask; what was there keeps its own."""
    try:
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(mode)
    except OSError as error:
        raise _unwritable(path, error) from None


def write_in_place(path: Path, data: bytes) -> None:
    """Into the same file, where there is one: containers have that one mounted, and not its name.

    Raises `compose_folder_unwritable`.
    """
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, READABLE)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.truncate()
            file.flush()
            os.fsync(handle)
        path.chmod(READABLE)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> FreeholdError:
    return FreeholdError("compose_folder_unwritable", path=path, reason=error.strerror or str(error))
