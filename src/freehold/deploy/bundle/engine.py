"""Images out of a Docker Engine and into one, streamed both ways: nothing is unpacked beside them.

Wire facts: the archive of `docker save` and `docker load`: `manifest.json` with Config, RepoTags and Layers, which
name other entries; a layer that several images share may be a link to its first entry. Engines since 25 name entries
by digest. `docker load` takes layers compressed as registries have them.
"""

import hashlib
import json
import posixpath
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import msgspec

from freehold.deploy.bundle.manifest import Image
from freehold.deploy.bundle.reading import Bundle
from freehold.deploy.bundle.stretch import BLOCK
from freehold.deploy.compose.docker import Docker
from freehold.errors import FreeholdError
from freehold.store import oci
from freehold.store.blobs import Blobs
from freehold.store.oci import Descriptor
from freehold.store.registry.image import CONFIG, LAYER
from freehold.store.registry.meter import Meter

ENGINE = "engine"
"""Where an image comes from that no registry gave, in the place of a repository."""
_DIGEST = "sha256:"
_COMPRESSED = {b"\x1f\x8b": f"{LAYER}+gzip", b"\x28\xb5\x2f\xfd": f"{LAYER}+zstd"}
"""Media types of layers by how they begin: engines that keep images as containerd does save them as they came."""


@dataclass(frozen=True)
class Local:
    """An image of an engine. `id` is what the engine knows it by, `size` what it says that it takes, in bytes."""

    id: str
    platform: str
    size: int
    digests: tuple[str, ...]


class _Archived(msgspec.Struct, rename="pascal"):
    config: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Engine:
    """The Docker Engine that `docker` reaches. Every method raises what Docker says, as `Docker` does."""

    docker: Docker

    def platform(self) -> str:
        """ "linux/amd64", say."""
        return self.docker.run("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").strip()

    def local(self, name: str) -> Local | None:
        """The image that a name or id means here."""
        done = self.docker.tried("image", "inspect", name)
        if done.returncode != 0:
            return None
        (found,) = json.loads(done.stdout)
        platform = f"{found['Os']}/{found['Architecture']}"
        return Local(found["Id"], platform, found["Size"], tuple(found["RepoDigests"] or ()))

    def save(self, name: str, blobs: Blobs, meter: Meter) -> tuple[Image, bytes]:
        """Bring an image into `blobs`, and give it with a manifest made here of the layers as they are saved.

        The same image gives the same manifest. Raises `bundle_engine_failed`.
        """
        with self._piped("save", name) as process:
            assert process.stdout is not None, "it is a pipe"
            contents = dict(_contents(process.stdout, blobs, meter))
        try:
            listed = blobs.read(contents["manifest.json"].digest)
            (archived,) = msgspec.json.decode(listed, type=tuple[_Archived])
            config = msgspec.structs.replace(contents[archived.config], media_type=CONFIG)
            layers = [contents[layer] for layer in archived.layers]
        except (KeyError, msgspec.MsgspecError) as error:
            reason = f"its archive is not understood: {error}"
            raise FreeholdError("bundle_engine_failed", command=f"docker save {name}", reason=reason) from None
        document = {
            "schemaVersion": 2,
            "mediaType": oci.IMAGE_MANIFEST,
            "config": msgspec.to_builtins(config),
            "layers": msgspec.to_builtins(layers),
        }
        raw = msgspec.json.encode(document)
        return Image(name, oci.digest_of(raw), oci.IMAGE_MANIFEST, ENGINE, config.digest), raw

    def load(self, bundle: Bundle, image: Image, tag: str, meter: Meter) -> str:
        """Bring an image of one platform into the engine, under the name `tag`; its id there.

        Raises `bundle_engine_failed`.
        """
        manifest = bundle.image(image.digest)
        names = {part.digest: f"{part.digest.removeprefix(_DIGEST)}.tar" for part in manifest.layers}
        listed = {
            "Config": f"{manifest.config.digest.removeprefix(_DIGEST)}.json",
            "RepoTags": [tag],
            "Layers": [names[part.digest] for part in manifest.layers],
        }
        entries = {manifest.config.digest: listed["Config"], **names}
        with self._piped("load", "--quiet", into=True) as process:
            assert process.stdin is not None, "it is a pipe"
            with tarfile.open(fileobj=process.stdin, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                for digest, name in entries.items():
                    blob = bundle.blob(digest)
                    info = tarfile.TarInfo(str(name))
                    info.size = blob.size
                    archive.addfile(info, _Read(blob.blocks(), meter))
                raw = json.dumps([listed]).encode()
                info = tarfile.TarInfo("manifest.json")
                info.size = len(raw)
                archive.addfile(info, _Read(iter([raw]), meter))
        loaded = self.local(tag)
        if loaded is None:
            reason = f"{image.name} is not there after it"
            raise FreeholdError("bundle_engine_failed", command="docker load", reason=reason)
        return loaded.id

    @contextmanager
    def _piped(self, *words: str, into: bool = False) -> "Iterator[subprocess.Popen[bytes]]":
        """A command whose input or output is a stream. It has ended well when the block ends."""
        command, pipe, nothing = ("docker", *words), subprocess.PIPE, subprocess.DEVNULL
        with subprocess.Popen(  # noqa: S603 - argument lists of our own
            command,
            env=dict(self.docker.environ),
            stdin=pipe if into else nothing,
            stdout=nothing if into else pipe,
            stderr=pipe,
        ) as process:
            assert process.stderr is not None, "it is a pipe"
            failure: Exception | None = None
            try:
                yield process
            except (tarfile.TarError, BrokenPipeError) as error:  # what it says of that is better
                failure = error
            except BaseException:
                process.kill()
                raise
            if process.stdin is not None:
                _close(process.stdin)
            said = process.stderr.read().decode(errors="replace").strip()
            if process.wait() != 0 or failure is not None:
                reason = said.splitlines()[-1] if said else str(failure)
                raise FreeholdError("bundle_engine_failed", command=" ".join(command), reason=reason[:300])


@dataclass
class _Read:
    """Blocks as a file that is read once."""

    blocks: Iterator[bytes]
    meter: Meter
    rest: bytes = b""

    def read(self, size: int = BLOCK, /) -> bytes:
        """At most `size` bytes; none at the end."""
        while len(self.rest) < size and (block := next(self.blocks, b"")):
            self.rest += block
        taken, self.rest = self.rest[:size], self.rest[size:]
        self.meter.move(len(taken))
        return taken


def _contents(stream: IO[bytes], blobs: Blobs, meter: Meter) -> Iterator[tuple[str, Descriptor]]:
    """Every file of an archive by its name, which is now among `blobs`; names that are links mean the same content."""
    found: dict[str, Descriptor] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            if entry.issym() or entry.islnk():
                base = posixpath.dirname(entry.name) if entry.issym() else ""
                links[entry.name] = posixpath.normpath(posixpath.join(base, entry.linkname))
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is not None:
                found[entry.name] = _kept(file, entry.size, blobs, meter)
    yield from found.items()
    yield from ((name, found[target]) for name, target in links.items() if target in found)


def _kept(file: IO[bytes], size: int, blobs: Blobs, meter: Meter) -> Descriptor:
    """Content that is now among `blobs`, with its type if it is a layer."""
    summed = hashlib.sha256()
    with blobs.writing(size) as aside:
        media_type = LAYER
        while block := file.read(BLOCK):
            if not aside.tell():
                media_type = next((kind for start, kind in _COMPRESSED.items() if block.startswith(start)), LAYER)
            summed.update(block)
            aside.write(block)
            meter.move(len(block))
        digest = f"{_DIGEST}{summed.hexdigest()}"
        blobs.keep(aside, digest)
    return Descriptor(media_type=media_type, digest=digest, size=size)


def _close(stream: Any) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return  # it has ended, and says why
