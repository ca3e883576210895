"""A verified bundle put to use: its images into a registry or an engine, its artifacts into the store, the rest into a
folder, with the lock file of its images beside the configuration."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import httpx2
import msgspec

from freehold.artifact.artifact import sha256_of
from freehold.config import Deploy
from freehold.deploy.bundle.engine import Engine
from freehold.deploy.bundle.lock import write_lock
from freehold.deploy.bundle.manifest import CONFIGURATION, MODELS, PLUGINS, WHEELS, Image
from freehold.deploy.bundle.platforms import chosen, known
from freehold.deploy.bundle.reading import Bundle
from freehold.deploy.bundle.stretch import Stretch
from freehold.deploy.kubernetes.digests import parts
from freehold.deploy.services.images import LOCAL, located, split
from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.registry.client import Patience, Repository
from freehold.store.registry.credentials import find_credentials
from freehold.store.registry.meter import Meter, Say
from freehold.store.registry.push import bring
from freehold.store.registry.threads import side_by_side


@dataclass(frozen=True)
class ToRegistry:
    """Images go below `registry` ("host[:port][/path]"), as a configuration names them that says `deploy.registry`."""

    registry: str
    client: httpx2.Client
    environ: Mapping[str, str]
    plain_http: bool | None = None
    patience: Patience | None = None

    def bring(self, bundle: Bundle, say: Say) -> Mapping[str, str]:
        """Push what the registry lacks; the lock of the images, by the names that they have there.

        Their manifests keep their bytes, so their digests. What was pushed once is mounted elsewhere. A push that was
        cut goes on with the next call. Raises FreeholdError as the client, and `bundle_registry_invalid`.
        """
        if not split(f"{self.registry}/image")[0]:
            raise FreeholdError("bundle_registry_invalid", registry=self.registry)
        meter = Meter(f"push to {self.registry}", say)
        lock: dict[str, str] = {}
        pushed: dict[str, str] = {}  # by digest, a repository that has it now
        for image in bundle.manifest.images:
            name = located(image.name.partition("@")[0], Deploy(registry=self.registry), {})
            host, path, tag = parts(name)
            credentials = find_credentials(host, self.environ)
            repository = Repository(f"{host}/{path}", self.client, credentials, self.plain_http, self.patience)
            contents = [part.digest for part in bundle.contents(image.digest)]
            neighbours = {digest: pushed[digest] for digest in contents if digest in pushed}
            side_by_side(partial(_send, bundle, repository, neighbours, meter), contents, meter)
            pushed |= dict.fromkeys(contents, repository.name)
            for member in bundle.members(image.digest):
                _put(bundle, repository, member.digest, member.digest)
            _put(bundle, repository, image.digest, image.digest)
            if "@" not in image.name:
                _put(bundle, repository, image.digest, tag)
            lock[_locked(image.name, name)] = image.digest
        return lock


@dataclass(frozen=True)
class ToEngine:
    """Images go into a Docker Engine, under the names that renderings with `settings` have for them."""

    engine: Engine
    settings: Deploy

    def bring(self, bundle: Bundle, say: Say) -> Mapping[str, str]:
        """Load what the engine lacks; the lock of the images, by the ids that they have there: an engine forgets the
        digests of what it was not given by a registry.

        Raises FreeholdError `bundle_platform_other`, `bundle_engine_failed`.
        """
        here = self.engine.platform()
        images = [self._of_platform(bundle, image, here) for image in bundle.manifest.images]
        lock: dict[str, str] = {}
        for image in images:
            name = located(image.name, self.settings, {})
            tag = _tagged(name)
            say(f"docker load: {name}")
            there = self.engine.local(tag)
            id_ = there.id if there is not None and there.id == image.id else ""
            meter = Meter(f"docker load: {name}", say)
            meter.expect(sum(part.size for part in bundle.contents(image.digest)))
            lock[name] = f"{LOCAL}{id_ or self.engine.load(bundle, image, tag, meter)}"
        return lock

    def _of_platform(self, bundle: Bundle, image: Image, here: str) -> Image:
        """`image`, or the one of this engine's platform of those that it stands for."""
        members = bundle.members(image.digest)
        if not members:
            platform = bundle.platform(image.digest)
            if platform.os and not platform.means(here):
                raise FreeholdError("bundle_platform_other", image=image.name, found=platform, here=here)
            return image
        member = chosen(members, here)
        if member is None:
            raise FreeholdError("bundle_platform_other", image=image.name, found=known(members), here=here)
        config = bundle.image(member.digest).config.digest
        return msgspec.structs.replace(image, digest=member.digest, id=config)


def load_artifacts(bundle: Bundle, store: Store, say: Say) -> tuple[str, ...]:
    """Put every artifact into the store, with what is said about it; how commands are told of them.

    Raises FreeholdError `bundle_tampered`, and as `Store.admit`.
    """
    loaded = []
    for artifact in bundle.manifest.artifacts:
        say(f"artifact {artifact.name}:{artifact.tag}")
        with store.writing():
            for digest in (artifact.oci_digest, *artifact.referrers):
                for part in bundle.contents(digest):
                    if not store.blobs.has(part.digest, part.size):
                        with store.blobs.writing(part.size) as file:
                            for block in _verified(bundle, bundle.blob(part.digest)):
                                file.write(block)
                            store.blobs.keep(file, part.digest)
            stored = store.admit(bundle.document(artifact.oci_digest), artifact.name, artifact.tag)
            for digest in artifact.referrers:
                store.admit_referrer(bundle.document(digest))
        loaded.append(stored.ref)
    return tuple(loaded)


def lay_out(bundle: Bundle, folder: Path, models: Path) -> tuple[Path, ...]:
    """Write what is neither image nor artifact: configuration, wheels, plugins and models of paths below `folder`,
    models that were fetched below `models`, where their sources are looked for. A configuration that is there is the
    user's and stays; any other file that is there must be the same.

    Raises FreeholdError `bundle_file_taken` before anything is written, `bundle_unwritable`.
    """
    targets = {_target(name, folder, models): file for name, file in bundle.files.items() if _is_laid(name)}
    kept = folder / CONFIGURATION
    with _errors(folder):
        for path, file in targets.items():
            if path.exists() and path != kept and not _is(path, file):
                raise FreeholdError("bundle_file_taken", path=path)
        for path, file in targets.items():
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                _copy(bundle, file, path)
    return tuple(targets)


def lock_images(bundle: Bundle, folder: Path, lock: Mapping[str, str]) -> Path:
    """Write the lock file beside the configuration; where. Raises `bundle_unwritable`."""
    with _errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return write_lock(folder, bundle.digest, lock)


def _send(bundle: Bundle, repository: Repository, neighbours: Mapping[str, str], meter: Meter, digest: str) -> None:
    bring(bundle.blob(digest), repository, meter, neighbours.get(digest))


def _put(bundle: Bundle, repository: Repository, digest: str, reference: str) -> None:
    repository.put_manifest(reference, bundle.document(digest), bundle.media_type(digest))


def _tagged(name: str) -> str:
    """What an engine calls it: one that the configuration names by digest alone gets a tag of that digest."""
    plain, _, digest = name.partition("@")
    return plain if not digest or ":" in plain.rpartition("/")[2] else f"{plain}:{digest[7:19]}"


def _locked(name: str, there: str) -> str:
    """The name that a rendering looks up: with the digest that the configuration itself names, if it does."""
    _, at, digest = name.partition("@")
    return f"{there}{at}{digest}"


def _is_laid(name: str) -> bool:
    return name == CONFIGURATION or name.startswith((WHEELS, PLUGINS, MODELS))


def _target(name: str, folder: Path, models: Path) -> Path:
    """Where a file of the bundle goes. Names were checked: none leads out of the folder."""
    path = PurePosixPath(name)
    if name.startswith(MODELS) and path.parts[1] != "path":
        return models.joinpath(*path.parts[1:])
    return folder.joinpath(*path.parts)


def _copy(bundle: Bundle, file: Stretch, path: Path) -> None:
    """Whole, or not at all. Raises OSError, and as `_verified`."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as written:
            for block in _verified(bundle, file):
                written.write(block)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _is(path: Path, file: Stretch) -> bool:
    return path.is_file() and f"sha256:{sha256_of(path)}" == file.digest


def _verified(bundle: Bundle, file: Stretch) -> Iterator[bytes]:
    """Its blocks; the last only comes where all were as they should be. Raises `bundle_tampered`."""
    held = b""
    summed = hashlib.sha256()
    for block in file.blocks():
        summed.update(block)
        yield held
        held = block
    if f"sha256:{summed.hexdigest()}" != file.digest:
        raise FreeholdError(
            "bundle_tampered", place=bundle.place, entry=file.digest, wanted=file.digest[:19], found="other bytes"
        )
    yield held


@contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FreeholdError("bundle_unwritable", path=folder, reason=error.strerror or str(error)) from None
