"""Manifests of several platforms, and the one of them that is meant. Wire facts: OCI image-spec 1.1, "Image Index"."""

from collections.abc import Sequence

import msgspec

from freehold.store.oci import UNREADABLE

ALL = "all"
"""In the place of a platform: every one."""
_VARIANTS = {"linux/arm64": ("", "v8")}  # what is meant where no variant is named


class Platform(msgspec.Struct, frozen=True):
    """As an index has it, and an image's configuration."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        """As `--platform` takes it: "linux/arm64/v8"."""
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def means(self, wanted: str) -> bool:
        """Whether it is the platform "os/architecture[/variant]", or a variant that needs no name."""
        plain = f"{self.os}/{self.architecture}"
        return wanted in (ALL, str(self)) or (plain == wanted and self.variant in _VARIANTS.get(wanted, ("",)))


class Member(msgspec.Struct, frozen=True):
    """One manifest of an index."""

    digest: str
    platform: Platform = Platform()


class Index(msgspec.Struct, frozen=True):
    """A manifest of several platforms."""

    manifests: tuple[Member, ...]


class _Sort(msgspec.Struct):
    manifests: msgspec.Raw = msgspec.Raw()


def is_index(raw: bytes) -> bool:
    """Whether a manifest is one of several platforms: it has `manifests`, whatever its media type says."""
    try:
        return bool(bytes(msgspec.json.decode(raw, type=_Sort).manifests))
    except UNREADABLE:
        return False


def chosen(members: Sequence[Member], wanted: str) -> Member | None:
    """The first of that platform. What is no image says "unknown", and is never meant."""
    return next((one for one in members if one.platform.means(wanted)), None)


def known(members: Sequence[Member]) -> str:
    """The platforms that there are, for a message."""
    return ", ".join(sorted({str(one.platform) for one in members} - {"unknown/unknown"})) or "-"
