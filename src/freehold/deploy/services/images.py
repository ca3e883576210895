"""Every image name of every rendering passes through here: mirror registry, digests."""

from collections.abc import Mapping

from freehold.config import Deploy

LOCAL = "id:"
"""Before what only this machine's Docker Engine knows an image by, in the place of a digest."""


def located(image: str, settings: Deploy, digests: Mapping[str, str]) -> str:
    """Where `image` is pulled from: below `settings.registry` where one is set, by digest where one is known.

    `digests` maps the name that this returns without it to `sha256:<hex>`; or to `LOCAL` and an id, which then is the
    whole name, since an engine has no digest for an image that was loaded from a file. A registry's own host is
    replaced and its path kept, as mirrors do: `ghcr.io/org/app:1` becomes `REGISTRY/org/app:1`, `redis:7`
    `REGISTRY/library/redis:7`. One that is in the registry stays as it is.
    """
    host, path = split(image)
    registry = (settings.registry or "").rstrip("/")
    if not registry or image.startswith(f"{registry}/"):
        name = image
    else:
        name = f"{registry}/{path if '/' in path or host else f'library/{path}'}"
    digest = digests.get(name)
    if digest and digest.startswith(LOCAL):
        return digest.removeprefix(LOCAL)
    return f"{name.partition('@')[0]}@{digest}" if digest else name


def split(image: str) -> tuple[str, str]:
    """The registry that a name begins with, "" for Docker Hub, and the rest: a first part is a host if it looks so."""
    first, slash, rest = image.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    return (first, rest) if is_host else ("", image)
