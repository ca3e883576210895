"""Where a Dify runs, as far as its backup asks: programs beside its data, and its writers stopped and started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from freehold.deploy.dify.backup.programs import Command


@dataclass(frozen=True)
class Database:
    """One database of PostgreSQL: `piece` names it in backups, `service` runs the programs beside it."""

    piece: str
    service: str
    name: str
    user: str


@dataclass(frozen=True)
class Folder:
    """Files of a service: `path` is where that service finds them."""

    piece: str
    service: str
    path: str


@dataclass(frozen=True)
class Installed:
    """What a Dify consists of, all that a backup must hold."""

    version: str
    databases: tuple[Database, ...]
    """`dify` first, which holds the tenants."""
    folders: tuple[Folder, ...]
    environment: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Files of settings and secrets by name, as the installation has them."""
    bound: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables whose values the data depends on (BOUND): a restored Dify must have the same."""
    outside: Mapping[str, str] = field(default_factory=dict)
    """What no backup of ours holds, and where it is: `vectors` in `weaviate`, `files` in `s3`."""


BOUND = ("SECRET_KEY", "PASSWORD_PEPPER")
"""SECRET_KEY signs sessions and addresses of files; PASSWORD_PEPPER (from 1.18 on) is in every password's hash."""


class Place(Protocol):
    """Every method may block, and raises FreeholdError."""

    @property
    def name(self) -> str:
        """Where it is, for people."""

    def found(self) -> Installed:
        """What lies here. Changes nothing."""

    def inside(self, service: str, words: Sequence[str]) -> Command:
        """The command that runs a program beside the data of a service, which need not run itself, PostgreSQL aside.

        Its streams are the program's; nothing secret is in its words.
        """

    def freeze(self) -> None:
        """Let no service write until `thaw`; programs of `inside` work on. Ones that stand still already stay so."""

    def thaw(self) -> None:
        """Undo `freeze`, also of a process that was killed."""

    def stop(self) -> None:
        """End all services that write, in order to change what they read; PostgreSQL works on."""

    def start(self) -> None:
        """Undo `stop`; returns before they are ready."""
