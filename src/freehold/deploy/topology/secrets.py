"""The secrets of a Dify that is deployed: made at once, kept in one file, read again later, never printed.

A secret that several services must agree on is one secret here; the release's texts say where it goes.
"""

import json
import secrets
import string
from collections.abc import Iterable, Mapping
from pathlib import Path

from freehold.artifact.artifact import write_durably
from freehold.config.home import expanded
from freehold.config.secret import parts, resolve, resolve_file
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.facts import CA, PLUGIN_KEY, TLS_CERTIFICATE, TLS_KEY
from freehold.deploy.topology.release import release_of
from freehold.deploy.topology.service import Installation
from freehold.deploy.topology.trust import check_pair, joined, read_package_key
from freehold.errors import FreeholdError

FILE_MODE, FOLDER_MODE = 0o600, 0o700
_OTHERS = 0o077
_ALPHABET = string.ascii_letters + string.digits
"""What may stand in an address, in a file of variables and in a configuration as it is."""


def made(installation: Installation, there: Mapping[str, str] | None = None) -> Mapping[str, str]:
    """All secrets that `installation` makes itself, by name: those that are `there` as they are, the others new."""
    lengths, kept = release_of(installation.version).secrets, there or {}
    return dict(kept) | {name: kept.get(name) or _secret(lengths[name]) for name in installation.secrets}


def kept(path: Path, installation: Installation) -> Mapping[str, str]:
    """`made`, in the file `path`: what it has stays, also what this installation does not ask for; the rest is added.

    The file is written whole or not at all, for its owner alone.

    Raises FreeholdError `dify_secrets_open`, `dify_secrets_broken`, `dify_secrets_unwritable`, `dify_public_default`.
    """
    there = read(path, installation.version) if path.exists() else None
    values = made(installation, there)
    if values != there:
        _write(path, values)
    return values


def read(path: Path, version: str) -> Mapping[str, str]:
    """The secrets of a file that `kept` wrote for a Dify of `version`. Raises as `kept` does."""
    try:
        if path.stat().st_mode & _OTHERS:
            raise FreeholdError("dify_secrets_open", path=path, mode=f"{path.stat().st_mode & 0o777:04o}")
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FreeholdError("dify_secrets_broken", path=path, reason=error.strerror or str(error)) from None
    except ValueError as error:  # its own words have a place in them, and no value
        raise FreeholdError("dify_secrets_broken", path=path, reason=str(error)) from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise FreeholdError("dify_secrets_broken", path=path, reason="no mapping of names to texts")
    check_private({f"{path}: {name}": value for name, value in values.items()}, version)
    return values


def resolved(installation: Installation, environ: Mapping[str, str]) -> Mapping[str, str]:
    """The secrets that the user has, by name. Raises as `config.secret.resolve`, and `dify_public_default`."""
    values = {name: resolve(secret.origin, environ) for name, secret in installation.given.items()}
    check_private({installation.given[name].origin: value for name, value in values.items()}, installation.version)
    return values


def file_contents(installation: Installation, environ: Mapping[str, str]) -> Mapping[SecretFile, bytes]:
    """What is in each file of the user's that services read below /run/secrets: certificates, keys.

    Raises as `config.secret.resolve_file`, `dify_ca_unreadable`, `dify_tls_unusable`, `plugin_key_unusable`.
    """
    files = {file for service in installation.services for file in service.secret_files.values()}
    origins = {file.name: file.origin for file in files}
    contents = {file: resolve_file(file.origin, environ) for file in files}
    if TLS_KEY in origins:
        check_pair(*(expanded(parts(origins[name])[1]) for name in (TLS_CERTIFICATE, TLS_KEY)))
    if PLUGIN_KEY in origins:
        read_package_key(expanded(parts(origins[PLUGIN_KEY])[1]))
    return {file: joined(data, parts(file.origin)[1]) if file.name == CA else data for file, data in contents.items()}


def check_private(values: Mapping[str, str], version: str) -> None:
    """Raises `dify_public_default` for the first of `values`, by the place where it stands, that Dify publishes."""
    public = release_of(version).forbidden
    for place, value in values.items():
        if value in public:
            raise FreeholdError("dify_public_default", place=f"`{place}`")


def _secret(length: int) -> str:
    """Letters and digits, at least one of each, as Dify asks of a password."""
    while True:
        text = "".join(secrets.choice(_ALPHABET) for _ in range(length))
        if _has(text, string.digits) and _has(text, string.ascii_letters):
            return text


def _has(text: str, some: Iterable[str]) -> bool:
    return any(letter in some for letter in text)


def _write(path: Path, values: Mapping[str, str]) -> None:
    text = json.dumps(values, indent=2) + "\n"
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        write_durably(path, text.encode("ascii"), FILE_MODE)
    except OSError as error:
        raise FreeholdError("dify_secrets_unwritable", path=path, reason=error.strerror or str(error)) from None
