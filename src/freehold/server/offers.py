"""What a node is offered when it loads a model by its name, and where that comes from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from freehold.errors import FreeholdError
from freehold.server.served import Served


@dataclass(frozen=True)
class Override:
    """What who loads a model says of it: `settings`, keys of a model in freehold.yaml, go before what is known of it;
    `files`, by paths like `1/model.onnx`, are the model."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


class Offer(NamedTuple):
    """The versions of a model, none of them opened. `keep` sees to it that the next start loads them too, `discard`
    that nothing is left of what came with the request. Both block."""

    versions: Sequence[Served]
    keep: Callable[[], None] = lambda: None
    discard: Callable[[], None] = lambda: None


class Repository(Protocol):
    """Where models come from that are loaded by their name. All of it blocks, and is called from several threads."""

    def offer(self, model: str, override: Override) -> Offer:
        """The model of that name. Raises FreeholdError `model_not_found`, `model_follows_file` and others."""

    def forget(self, model: str) -> None:
        """The next start does not load it."""


class Empty:
    """The repository of a node that loads nothing but what it began with."""

    def offer(self, model: str, override: Override) -> Offer:
        """Raises `model_not_found`."""
        raise FreeholdError("model_not_found", model=model[:200], served="none")

    def forget(self, model: str) -> None:
        """There is nothing to forget."""
