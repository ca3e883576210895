"""What Dify's services need on this machine before Docker starts them: their secrets, in files.

Files of variables are read by Compose, and are their owner's alone; files that containers read lie as those of the
models do, in a folder that only its owner may pass.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from freehold.artifact.artifact import write_durably
from freehold.deploy.compose.dify import FOLDER, SECRETS_FILE, secret_env_files
from freehold.deploy.compose.layout import SECRETS, secret_path
from freehold.deploy.compose.place import PRIVATE, made_folder, write_in_place
from freehold.deploy.topology import secrets
from freehold.deploy.topology.service import Installation
from freehold.errors import FreeholdError


def write_dify(folder: Path, installation: Installation, environ: Mapping[str, str]) -> Sequence[str]:
    """Write every secret of `installation` below `folder`, and give the paths there.

    Secrets that were made before stay; nothing is written where one of the user's cannot be read.

    Raises what `secrets.kept`, `secrets.resolved`, `secrets.file_contents` and `secret_env_files` raise, and
    `compose_folder_unwritable`.
    """
    given = secrets.resolved(installation, environ)
    contents = secrets.file_contents(installation, environ)
    secret_env_files(installation, {**secrets.made(installation), **given})  # whether all can be written
    made_folder(folder / FOLDER, PRIVATE)
    values = secrets.kept(folder / SECRETS_FILE, installation)
    variables = secret_env_files(installation, {**values, **given})
    for name, text in variables.items():
        _write(folder / name, text)
    made_folder(folder / SECRETS, PRIVATE)
    for file, data in contents.items():
        write_in_place(folder / secret_path(file), data)
    return (SECRETS_FILE, *variables, *sorted(secret_path(file) for file in contents))


def _write(path: Path, text: str) -> None:
    try:
        write_durably(path, text.encode("utf-8"), secrets.FILE_MODE)
    except OSError as error:
        raise FreeholdError("compose_folder_unwritable", path=path, reason=error.strerror or str(error)) from None
