"""Who we are to a registry: from the environment, or from the file and the helper programs that `docker login` uses.

A file is looked for as Docker and Podman do: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`, and then
`$REGISTRY_AUTH_FILE`. Wire facts: `auths`, `credHelpers` and `credsStore` of Docker's configuration; a helper
`docker-credential-NAME get` reads a server's name and answers `{"Username", "Secret"}`.
"""

import base64
import binascii
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from freehold.config.home import expanded
from freehold.errors import FreeholdError
from freehold.store.oci import UNREADABLE

USERNAME, PASSWORD = "FREEHOLD_REGISTRY_USERNAME", "FREEHOLD_REGISTRY_PASSWORD"
DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
HELPER_S = 30.0  # a helper may ask a keychain, which may ask its owner
_HUB_KEY = "https://index.docker.io/v1/"
_TOKEN_USER = "<token>"  # noqa: S105 - what helpers call the owner of an identity token


class Credentials:
    """A user name with a password, or an identity token. Never shown: its text has neither."""

    def __init__(self, username: str, password: str, identity_token: str = "") -> None:
        self.username = username
        self.password = password
        self.identity_token = identity_token

    def __repr__(self) -> str:
        """Who, and not with what."""
        return f"Credentials({self.username!r}, ...)"


class _Entry(msgspec.Struct):
    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""


class _File(msgspec.Struct, rename="camel"):
    """A `config.json`, as far as it says who we are."""

    auths: dict[str, _Entry] = {}
    cred_helpers: dict[str, str] = {}
    creds_store: str = ""


class _Answer(msgspec.Struct, rename="pascal"):
    username: str
    secret: str


def find_credentials(host: str, environ: Mapping[str, str]) -> Credentials | None:
    """Who we are to `host[:port]`; None: nobody in particular.

    Raises FreeholdError `registry_login_unreadable`, `registry_login_helper`.
    """
    if environ.get(USERNAME) or environ.get(PASSWORD):
        return Credentials(environ.get(USERNAME, ""), environ.get(PASSWORD, ""))
    for path in _files(environ):
        found = _from_file(path, host, environ)
        if found is not None:
            return found
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    folder = environ.get("DOCKER_CONFIG")
    yield (expanded(folder) if folder else expanded("~/.docker")) / "config.json"
    if environ.get("REGISTRY_AUTH_FILE"):
        yield expanded(environ["REGISTRY_AUTH_FILE"])


def _from_file(path: Path, host: str, environ: Mapping[str, str]) -> Credentials | None:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return None
    except (OSError, *UNREADABLE) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no Docker configuration"
        raise FreeholdError("registry_login_unreadable", path=path, reason=reason) from None
    names = [_HUB_KEY, *sorted(DOCKER_HUB)] if host in DOCKER_HUB else [host, f"https://{host}", f"http://{host}"]
    helpers = [(file.cred_helpers[name], name) for name in names if name in file.cred_helpers]
    if not helpers and file.creds_store:
        helpers = [(file.creds_store, names[0])]
    for helper, name in helpers:
        found = _ask_helper(helper, name, environ)
        if found is not None:
            return found
    by_host = {key.rstrip("/"): entry for key, entry in file.auths.items()}
    entry = next((by_host[name.rstrip("/")] for name in names if name.rstrip("/") in by_host), None)
    return None if entry is None else _of_entry(entry, path)


def _of_entry(entry: _Entry, path: Path) -> Credentials | None:
    username, password = entry.username, entry.password
    if entry.auth:
        try:
            username, _, password = base64.b64decode(entry.auth, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise FreeholdError("registry_login_unreadable", path=path, reason="an `auth` is no base64") from None
    if not (password or entry.identitytoken):
        return None  # left behind by a helper that keeps the password itself
    return Credentials(username, password.rstrip("\0"), entry.identitytoken)


def _ask_helper(name: str, server: str, environ: Mapping[str, str]) -> Credentials | None:
    """What the helper program keeps for `server`; None where it keeps nothing."""
    program = f"docker-credential-{name}"
    if "/" in name:
        raise FreeholdError("registry_login_helper", program=program, reason="its name has a slash")
    try:
        ran = subprocess.run(  # noqa: S603 - the helper that the user's own configuration names
            [program, "get"], input=server.encode(), capture_output=True, timeout=HELPER_S, check=False, env={**environ}
        )
    except FileNotFoundError:
        raise FreeholdError("registry_login_helper", program=program, reason="it is not on PATH") from None
    except (OSError, subprocess.TimeoutExpired):
        raise FreeholdError("registry_login_helper", program=program, reason="it could not be run") from None
    if ran.returncode:
        said = (ran.stdout or ran.stderr).decode(errors="replace").strip()
        if "not found" in said:
            return None
        raise FreeholdError("registry_login_helper", program=program, reason=said[:200] or "it failed")
    try:
        answer = msgspec.json.decode(ran.stdout, type=_Answer)
    except UNREADABLE:
        raise FreeholdError("registry_login_helper", program=program, reason="its answer is not understood") from None
    if answer.username == _TOKEN_USER:
        return Credentials("", "", answer.secret)
    return Credentials(answer.username, answer.secret)
