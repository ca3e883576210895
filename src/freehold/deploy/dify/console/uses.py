"""Which apps and knowledge bases use a model."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Use:
    """One app or knowledge base that names `model` of `provider`."""

    model: str
    provider: str
    kind: Literal["app", "knowledge base"]
    id: str
    title: str


class Uses:
    """What of a workspace uses models."""

    def all(self) -> tuple[Use, ...]:
        """Every use of a model of the provider `openai_api_compatible`, by apps (drafts too) and knowledge bases."""
        raise NotImplementedError
