"""What is to be put into a bundle, from the configuration and this machine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from freehold.config import Config
from freehold.config.labels import label
from freehold.deploy.bundle.finding import Found
from freehold.deploy.bundle.manifest import MODELS, Artifact, ModelFolder
from freehold.store import Store, Stored
from freehold.store.collect import read_image
from freehold.store.oci import Descriptor


@dataclass(frozen=True)
class StoredContent:
    """An artifact and all that is said about it: blobs, and the manifests among them, which `blobs` has too."""

    artifact: Artifact
    blobs: tuple[Descriptor, ...]


@dataclass(frozen=True)
class Wanted:
    """All of a bundle. `platform` as `Manifest` has it; `models`: what lies where on this machine; `plugins`: packages;
    `wheels` brings what installs Freehold into a folder, None for a bundle without."""

    platform: str
    configuration: str
    images: tuple[Found, ...] = ()
    artifacts: tuple[StoredContent, ...] = ()
    models: tuple[tuple[ModelFolder, Path], ...] = ()
    plugins: tuple[Path, ...] = ()
    wheels: Callable[[Path], None] | None = None


def artifacts_of(config: Config, store: Store) -> tuple[StoredContent, ...]:
    """The artifacts that models of `config` name, each once. Raises as `Store.find`."""
    sources = (model.parsed_source for model in config.models if model.hosting != "upstream")
    found = [store.find(source) for source in sources if source.kind == "store"]
    return tuple(_content(store, one) for one in {one.ref: one for one in found}.values())


def models_of(config: Config, locate: Callable[[str], Path]) -> tuple[tuple[ModelFolder, Path], ...]:
    """Folders and files that models of `config` name; `locate` says where a source lies here.

    A repository that was fetched keeps its place below `models/`, a path becomes `models/path/ID`.
    """
    found: dict[str, tuple[ModelFolder, Path]] = {}
    for model in config.models:
        source = model.parsed_source
        if model.hosting == "upstream" or source.kind not in ("hf", "ms", "path"):
            continue
        folder = f"path/{label(model.id)}" if source.kind == "path" else source.name
        found.setdefault(model.source, (ModelFolder(model.id, model.source, f"{MODELS}{folder}"), locate(model.source)))
    return tuple(found.values())


def files_below(place: Path) -> Iterator[tuple[str, Path]]:
    """Every file of a model by its name in the bundle's folder of it: a file alone is itself. Links are followed."""
    if place.is_file():
        yield place.name, place
        return
    for path in sorted(place.rglob("*")):
        if path.is_file():
            yield path.relative_to(place).as_posix(), path


def _content(store: Store, stored: Stored) -> StoredContent:
    referrers = tuple(_said_about(store, stored.oci_digest))
    parts: dict[str, Descriptor] = {}
    for digest in (stored.oci_digest, *referrers):
        image = read_image(store.blobs, digest)
        size = store.blobs.path(digest).stat().st_size
        manifest = Descriptor(media_type=image.media_type, digest=digest, size=size)
        parts |= {part.digest: part for part in (manifest, image.config, *image.layers)}
    tag = stored.tag or stored.digest.removeprefix("sha256:")[:12]
    return StoredContent(Artifact(stored.name, tag, stored.oci_digest, referrers), tuple(parts.values()))


def _said_about(store: Store, subject: str) -> Iterator[str]:
    for one in store.referrers(subject):
        yield one.digest
        yield from _said_about(store, one.digest)
