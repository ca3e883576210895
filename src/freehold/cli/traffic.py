"""What moves the routes of a node while it runs: its configuration read again, rollouts, shadows."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from freehold.cli.state import State
from freehold.config import Config, load
from freehold.config.load import file_of
from freehold.errors import FreeholdError
from freehold.gateway.reload import Reload
from freehold.gateway.rollouts.conductor import Conductor
from freehold.gateway.rollouts.ledger import Ledger
from freehold.gateway.rollouts.replay import asked_by
from freehold.gateway.rollouts.spaces import Sight
from freehold.gateway.running import Gateway
from freehold.gateway.shadows.shadow import Shadowing
from freehold.http import MemoryBudget
from freehold.server.models import Followed
from freehold.telemetry import Telemetry


@dataclass(frozen=True)
class Origin:
    """Where a configuration is read from, again and again. `file` is None where it is no file."""

    file: Path | None
    load: Callable[[], Config]


def origin_of(source: str | None, environ: Mapping[str, str], cwd: Path, port: int | None = None) -> Origin:
    """The origin of what `load` makes of the same arguments."""
    return Origin(file_of(source, environ, cwd), partial(load, source, dict(environ), cwd, port))


class Followers(Protocol):
    """What follows the configuration beside the gateway."""

    def prepare(self, config: Config) -> Config:
        """The whole of what the gateway is to serve by. Raises FreeholdError where `config` cannot be followed."""
        ...

    def follow(self, config: Config) -> None:
        """`config` is in force."""
        ...

    def note(self, digest: str) -> None:
        """What is in force is the file of that sha256."""
        ...


class Traffic:
    """Around one gateway: it lives as long as that. Where names are not looked at there are neither rollouts nor
    shadows, and of a file that changes it is only told whether it can be in force."""

    def __init__(
        self,
        config: Config,
        origin: Origin,
        gateway: Gateway,
        state: State,
        memory: MemoryBudget,
        telemetry: Telemetry,
        followers: Followers | None = None,
    ) -> None:
        self.gateway = gateway
        self._reload: Reload | None = None
        self._conductor: Conductor | None = None
        self._config = config
        self._followers = followers
        self._adopt: Callable[[Config], None] = gateway.adopt
        if gateway.is_in_front:
            ask = gateway.front.ask
            self._conductor = Conductor(
                Ledger(state.home), config, gateway.adopt, self.sight, asked_by(ask, memory), telemetry
            )
            self._shadowing = Shadowing(ask, state.writable / "shadow", telemetry)
            gateway.front.note = self._conductor.tally.note
            gateway.front.shadows = self._shadowing
            self._adopt = self._conductor.take
        if origin.file is not None:
            self._reload = Reload(origin.file, origin.load, config, self._take, telemetry, taken=self._note)

    def again(self) -> None:
        """What is served beside the configuration is not what it was."""
        self._adopt(self._prepared(self._config))

    def troubles(self) -> list[FreeholdError]:
        """What a person should know: a file that is not in force, models that get no weight, rollouts stuck."""
        of_file = [] if self._reload is None else [self._reload.trouble, self._reload.note]
        of_routes = [] if self._conductor is None else self._conductor.troubles()
        return [*(error for error in of_file if error is not None), *of_routes]

    def followed(self) -> Followed:
        """What is known of the configuration file."""
        return Followed() if self._reload is None else Followed(self._reload.digest, self._reload.read)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """The gateway's, and of all that moves its routes."""
        async with AsyncExitStack() as lives:
            await lives.enter_async_context(self.gateway.life())
            if self._conductor is not None:
                await lives.enter_async_context(self._shadowing.life())
                await lives.enter_async_context(self._conductor.life())
            if self._reload is not None:
                await lives.enter_async_context(self._reload.life())
            yield

    def sight(self, model: str) -> Sight | None:
        """What is known of a model; None of one that the configuration does not have."""
        config, one = self.gateway.configured.get(model), self.gateway.front.models.get(model)
        if config is None or one is None:
            return None
        ready = one.state == "ready" and not one.tripped
        error = None if ready else one.error or FreeholdError("model_loading", model=model)
        return Sight(config, error, one.abilities)

    def _take(self, config: Config) -> None:
        """Put a configuration in force, or raise and leave all as it was."""
        self._adopt(self._prepared(config))
        self._config = config
        if self._followers is not None:
            self._followers.follow(config)

    def _note(self, digest: str) -> None:
        if self._followers is not None:
            self._followers.note(digest)

    def _prepared(self, config: Config) -> Config:
        return config if self._followers is None else self._followers.prepare(config)
