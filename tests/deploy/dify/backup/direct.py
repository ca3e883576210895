"""A Dify whose data the tests reach themselves: PostgreSQL by its address, folders by their paths."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from freehold.deploy.dify.backup.direct import Address
from freehold.deploy.dify.backup.place import Installed
from freehold.deploy.dify.backup.programs import Command


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
