"""Where a service finds the files of its models: folders of the machine, the store, or what a pod brings itself."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from freehold.config import ModelConfig, Source
from freehold.config.deploying import Deploy
from freehold.deploy.services.units import Facts, Mount, Pull

HOME = "/app/data"
"""FREEHOLD_HOME in our images."""
FETCHED = "models"
"""The folder below it where `freehold fetch` puts repositories, as ORG/NAME."""


def mounts(models: Sequence[ModelConfig], settings: Deploy, home: str) -> tuple[Mount, ...]:
    """What of the machine, whose FREEHOLD_HOME is `home`, a service of `models` reads; each mount once.

    A path is the same outside and inside. On a cluster only paths are mounted, from the claim.
    """
    return tuple(dict.fromkeys(mount for model in models for mount in _mounts(model.parsed_source, settings, home)))


def pulls(models: Sequence[ModelConfig], facts: Sequence[Facts], settings: Deploy) -> tuple[Pull, ...]:
    """What a pod brings into its own store, by digest where that is known."""
    if settings.target != "kubernetes" or settings.pull_from is None:
        return ()
    return tuple(
        Pull(f"oci://{settings.pull_from}/{source.name}{_version(source, known)}", source.name)
        for source, known in zip((model.parsed_source for model in models), facts, strict=True)
        if source.kind == "store"
    )


def inside(source: Source, facts: Facts) -> Source:
    """`source` as a server of ours in the service names it: an artifact by its digest, wherever its tag moves."""
    return Source("store", source.name, digest=facts.digest) if source.kind == "store" and facts.digest else source


def folder_inside(source: Source) -> Source:
    """`source` as any other server names it: a repository that was fetched is a folder."""
    return Source("path", f"{HOME}/{FETCHED}/{source.name}") if source.kind in ("hf", "ms") else source


def state(name: str, settings: Deploy) -> tuple[Mount, ...]:
    """Where a service of ours keeps what it need not make again; all its versions have the same. A pod has its own.

    Below a folder of the deployment's own: what may be passed by others, or by another deployment, is `data` itself.
    """
    if settings.target == "kubernetes":
        return ()
    return (Mount(f"{settings.data}/{settings.name}/{name}", HOME, read_only=False),)


def _mounts(source: Source, settings: Deploy, home: str) -> Iterator[Mount]:
    if source.kind == "path":
        folder = _folder(source.name)
        yield Mount(folder, folder)
    elif settings.target != "kubernetes":
        place = "store" if source.kind == "store" else f"{FETCHED}/{source.name}"
        yield Mount(f"{home}/{place}", f"{HOME}/{place}")


def _folder(path: str) -> str:
    """Of a file its folder, where more of the model lies; of a snapshot in a cache of Hugging Face the repository,
    since its files are links to blobs there."""
    place = PurePosixPath(path)
    if place.parent.name == "snapshots" and place.parents[1].name.startswith("models--"):
        return str(place.parents[1])
    return str(place.parent if place.suffix == ".onnx" else place)


def _version(source: Source, facts: Facts) -> str:
    if facts.oci_digest:
        return f"@{facts.oci_digest}"
    return f":{source.version}" if source.version else ""
