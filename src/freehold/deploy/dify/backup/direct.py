"""A PostgreSQL that is no container: this machine reaches it itself, by its address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
