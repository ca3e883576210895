"""An upgrade of the Dify that was deployed with Docker Compose, by its own files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freehold.deploy.compose.docker import Docker
from freehold.deploy.compose.layout import FILE
from freehold.deploy.dify.backup.place import Place
from freehold.errors import FreeholdError

MIGRATION, API = "migration", "api"


@dataclass
class ComposeStage:
    """The project `project`, started in `folder`. `write` lays the files of a version there, pulling nothing;
    `services` are the names of that version's; `ask` is the smoke test, after the last of them is healthy."""

    docker: Docker
    project: str
    folder: Path
    data: Callable[[str], Place]
    """The data of a version, by its number."""
    write: Callable[[str], Sequence[str]]
    ask: Callable[[], None]
    version: str
    """The one in place."""

    @property
    def place(self) -> Place:
        """As Stage."""
        return self.data(self.version)

    def put(self, version: str) -> None:
        """As Stage."""
        self.write(version)
        self.version = version

    def migrate(self) -> None:
        """As Stage: the job of the file, which waits for the databases that it names."""
        self._done("the migration", "run", "--rm", "-T", MIGRATION)

    def run(self, words: Sequence[str]) -> None:
        """As Stage."""
        self._done(" ".join(words), "run", "--rm", "-T", "--no-deps", "--entrypoint", words[0], API, *words[1:])

    def start(self) -> None:
        """As Stage."""
        self._done("starting", "up", "--detach", *self.write(self.version))

    def try_out(self) -> None:
        """As Stage."""
        self.ask()

    def _done(self, what: str, *words: str) -> None:
        file = str(self.folder / FILE)
        try:
            self.docker.compose("--project-name", self.project, "--file", file, *words)
        except FreeholdError as error:
            raise FreeholdError("dify_upgrade_failed", what=what, words=error) from None
