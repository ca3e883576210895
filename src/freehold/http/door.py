"""Whether callers need a key, decided once at the start; `entrance` asks every request.

Loopback needs none until the first one is made. Beyond loopback, without any key yet, one is made. A key of the
configuration counts everywhere, and takes the place of the one that would be made. `auth: none` opens the door.
"""

import ipaddress
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from freehold.access import Keys
from freehold.errors import FreeholdError

VARIABLE = "FREEHOLD_AUTH"
WAYS = ("keys", "none")


@dataclass(frozen=True, slots=True)
class Door:
    """How this server is entered. `keys` is None where the door stays open.

    `initial_key` is the file of a key that was made just now. `warnings` are for the log and the terminal.
    `until_keys`: while there is no key, anyone may call.
    """

    keys: Keys | None
    initial_key: Path | None = None
    warnings: tuple[str, ...] = ()
    until_keys: bool = False

    @property
    def is_open(self) -> bool:
        """Whether anyone may call, as of now."""
        return self.keys is None or (self.until_keys and self.keys.none_made)

    def troubles(self) -> list[FreeholdError]:
        """What a person should know."""
        return [self.keys.trouble] if self.keys is not None and self.keys.trouble is not None else []


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`. A name other than localhost counts as reachable by others."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def choose_door(
    host: str, auth: str, home: Path, environ: Mapping[str, str], key: str | None = None, database: str | None = None
) -> Door:
    """The door for a server that listens on `host`; `auth` is the configuration's, which FREEHOLD_AUTH overrides.

    `key` is the configuration's own, and counts as `internal`. Without it the initial key is made where one is needed
    and there is none. `database` is the address of a shared one: where that cannot be used, DatabaseError is raised.
    Where `home` cannot be used, the initial key lives in memory and its file in a private temporary folder. Raises
    `auth_unknown`, `keys_unreadable`, and `keys_homeless` where the key cannot be written anywhere.
    """
    source, way = "access.auth", auth
    if environ.get(VARIABLE):
        source, way = VARIABLE, environ[VARIABLE].strip().lower()
    if way not in WAYS:
        raise FreeholdError("auth_unknown", source=source, value=way)
    if way == "none":
        reach = "every program on this machine" if is_loopback(host) else f"everyone who reaches {host}"
        return Door(None, warnings=(f"The door is open ({source}: none): {reach} may call without a key.",))
    needs_none = key is None and is_loopback(host)
    try:
        keys = Keys.open(home, database)
    except OSError as failure:
        if database is not None:
            raise
        if needs_none and _holds_no_keys(home):
            return Door(None)
        return _temporary_door(home, failure) if key is None else _door_of_one(key, home, failure)
    if key is not None:
        keys.accept(key)
        return Door(keys)
    if needs_none and keys.none_made:
        return Door(keys, until_keys=True)
    try:
        return Door(keys, keys.create_initial(home))
    except OSError as failure:
        keys.close()
        if database is not None:
            raise FreeholdError("keys_homeless", home=home, reason=failure) from failure
        return _temporary_door(home, failure)


def _holds_no_keys(home: Path) -> bool:
    """Whether there surely is no key in a home that cannot be used: what cannot be looked into may hold some."""
    try:
        return not Keys.exist_in(home)
    except OSError:
        return False


def _door_of_one(key: str, home: Path, failure: OSError) -> Door:
    """A door that the configuration's key opens, and no other."""
    keys = Keys.in_memory()
    keys.accept(key)
    return Door(keys, warnings=(f"Keys of {home} are not accepted ({failure}): only the configuration's own is.",))


def _temporary_door(home: Path, failure: OSError) -> Door:
    """A door with one key that ends with the process."""
    keys = Keys.in_memory()
    try:
        path = keys.create_initial(Path(tempfile.mkdtemp(prefix="freehold-")))  # mkdtemp's own mode is 700
    except OSError as second:
        keys.close()
        raise FreeholdError("keys_homeless", home=home, reason=second) from failure
    warning = (
        f"Keys cannot be kept in {home} ({failure}): a new one was made for this run only, and earlier ones are not"
        " accepted. Set FREEHOLD_HOME to a folder that can be written."
    )
    return Door(keys, path, (warning,))
