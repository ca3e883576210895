"""Plugins: is the provider there, and does it work; installing a package."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Installed:
    """A plugin of this workspace. `identifier` is NAME:VERSION@CHECKSUM; `installation` is what uninstalling takes."""

    plugin: str
    version: str
    identifier: str
    installation: str


class Plugins:
    """The plugins of a workspace."""

    def installed(self, plugin: str = "langgenius/openai_api_compatible") -> Installed | None:
        """The plugin, if the workspace has it."""
        raise NotImplementedError

    def install(self, package: bytes, *, wait_s: float = 1800.0, attempts: int = 2) -> Installed:
        """Upload a .difypkg and install it, shown step by step; what is there already is left as it is."""
        raise NotImplementedError
