"""The models of the provider, their credentials, and Dify's default models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ModelType = Literal["llm", "text-embedding", "rerank", "speech2text", "tts"]


@dataclass(frozen=True)
class Registered:
    """A model that the provider has in this workspace. `status` is Dify's: `active` is usable."""

    name: str
    type: str
    status: str


@dataclass(frozen=True)
class Credential:
    """How the provider reaches a model: `values` as Dify shows them, secrets with stars in them."""

    id: str | None
    name: str | None
    values: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Default:
    """A default model of the workspace, of whatever provider."""

    name: str
    provider: str


class Models:
    """The models of the provider `openai_api_compatible` in one workspace."""

    def listed(self) -> tuple[Registered, ...]:
        """All that were added, in Dify's order."""
        raise NotImplementedError

    def credential(self, name: str, kind: ModelType) -> Credential | None:
        """How the model is reached now; None where it has none."""
        raise NotImplementedError

    def validate(self, name: str, kind: ModelType, values: Mapping[str, str]) -> str | None:
        """Let Dify call the model with these credentials: None, or the plugin's words of what is wrong."""
        raise NotImplementedError

    def add(self, name: str, kind: ModelType, values: Mapping[str, str], label: str) -> None:
        """Add a model; Dify calls it first. `label` (30 characters) names the credential.

        Raises `dify_console_model_refused` with the plugin's words.
        """
        raise NotImplementedError

    def update(
        self, name: str, kind: ModelType, values: Mapping[str, str], label: str, credential_id: str | None
    ) -> None:
        """Change how a model is reached; Dify calls it first. Raises as `add`."""
        raise NotImplementedError

    def remove(self, name: str, kind: ModelType) -> None:
        """Take a model out with all its credentials. Whoever calls has made sure that nothing uses it."""
        raise NotImplementedError

    def default(self, kind: ModelType) -> Default | None:
        """The workspace's default model of a type."""
        raise NotImplementedError

    def set_defaults(self, names: Mapping[ModelType, str]) -> None:
        """Make models of the provider the workspace's defaults."""
        raise NotImplementedError
