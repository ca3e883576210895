"""A Dify whose data this machine reaches itself: PostgreSQL by its address, folders by their paths."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from freehold.deploy.dify.backup.place import Installed
from freehold.deploy.dify.backup.programs import Command


@dataclass(frozen=True)
class Address:
    """A PostgreSQL, and the folder of its programs here; "" where PATH has them. They must not be older than it."""

    host: str
    port: int = 5432
    password: str = field(default="", repr=False)
    tls: str = "disable"
    authorities: str = ""
    programs: str = ""

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """What libpq reads."""
        kept = {name: value for name, value in environ.items() if not name.startswith("PG")}
        said = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGSSLMODE": self.tls,
            "PGSSLROOTCERT": self.authorities,
            "PGPASSWORD": self.password,
            "PGCONNECT_TIMEOUT": "10",
            "LC_ALL": "C.UTF-8",
        }
        return kept | {name: value for name, value in said.items() if value}

    def command(self, words: Sequence[str], environ: Mapping[str, str]) -> Command:
        """One of PostgreSQL's programs, of this machine."""
        program = f"{self.programs}/{words[0]}" if self.programs else words[0]
        return Command((program, *words[1:]), self.environ(environ))


@dataclass(frozen=True)
class Direct:
    """Who runs the services says how they are held and stopped: nobody here knows."""

    name: str
    installed: Callable[[], Installed]
    addresses: Mapping[str, Address]
    """By service of a database."""
    environ: Mapping[str, str] = field(repr=False)
    hold: Callable[[bool], None] = lambda _held: None
    """Called with True before, with False after."""
    run: Callable[[bool], None] = lambda _runs: None

    def found(self) -> Installed:
        """As Place."""
        return self.installed()

    def inside(self, service: str, words: Sequence[str]) -> Command:
        """As Place."""
        if service in self.addresses:
            return self.addresses[service].command(words, self.environ)
        return Command(tuple(words), self.environ)

    def freeze(self) -> None:
        """As Place."""
        self.hold(True)

    def thaw(self) -> None:
        """As Place."""
        self.hold(False)

    def stop(self) -> None:
        """As Place."""
        self.run(False)

    def start(self) -> None:
        """As Place."""
        self.run(True)
