"""A package as what it is: a zip of files, `manifest.yaml` among them. Reading one trusts nothing of it."""

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import yaml

from freehold.errors import FreeholdError

MANIFEST = "manifest.yaml"
VERIFICATION = ".verification.dify.json"

MEBIBYTE = 1 << 20
MAX_FILE = 1024 * MEBIBYTE
"""Bytes of a package, and of all its files together, that are read at all."""
MAX_FILES = 20_000
MAX_TEXT = 1 * MEBIBYTE  # a manifest, a list of requirements

DAEMON_LIMIT = 50 * MEBIBYTE
"""The daemon's MAX_PLUGIN_PACKAGE_SIZE unless told otherwise. It counts files as they are unpacked."""

PYTHON = "3.12"
"""The daemon makes every plugin's environment with `uv venv --python 3.12`, whatever the manifest says."""

# As PluginNameRegex, AuthorRegex and the identifier's pattern in pkg/entities/plugin_entities.
_NAME = re.compile(r"[a-z0-9_-]{1,128}")
_AUTHOR = re.compile(r"[a-z0-9_-]{1,64}")
_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}(-\w{1,16})?", re.ASCII)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can tell
_FLAG_ENCRYPTED = 0x1
_MSDOS_FOLDER = 0x10
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what Go's archive/zip reads
_BROKEN = (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error)


@dataclass(frozen=True)
class Identity:
    """Whose plugin it is, its name and version."""

    author: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.author}/{self.name}:{self.version}" if self.author else f"{self.name}:{self.version}"


@dataclass(frozen=True)
class Package:
    """The files of a package by path, in their order, and the comment of the zip, where a signature is."""

    identity: Identity
    files: Mapping[str, bytes]
    comment: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of all files, as the daemon counts them."""
        return sum(map(len, self.files.values()))

    def text(self, path: str) -> str | None:
        """A file as text, None where there is none. Raises FreeholdError `plugin_unreadable`."""
        raw = self.files.get(path)
        if raw is None:
            return None
        if len(raw) > MAX_TEXT:
            raise FreeholdError("plugin_unreadable", path=path, reason=f"{len(raw)} bytes are too many")
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise FreeholdError("plugin_unreadable", path=path, reason="it is not UTF-8") from error

    def unsigned(self) -> "Package":
        """Without what a signature consists of."""
        files = {path: raw for path, raw in self.files.items() if path != VERIFICATION}
        return replace(self, files=files, comment=b"")

    def archive(self) -> bytes:
        """The zip: the same bytes from the same files, since nothing in it is compressed or dated."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
            for path, raw in self.files.items():
                entry = zipfile.ZipInfo(path, _EPOCH)
                entry.create_system = 3  # Unix
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(entry, raw)
            archive.comment = self.comment
        return buffer.getvalue()


def read(path: Path) -> Package:
    """The package in a file. Raises FreeholdError `plugin_unreadable`, `plugin_refused`, `plugin_manifest_invalid`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE:
            raise FreeholdError("plugin_refused", path=path, reason=f"{size} bytes are more than {MAX_FILE}")
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise FreeholdError("plugin_unreadable", path=path, reason=error.strerror or error) from error


def parse(raw: bytes, called: str) -> Package:
    """The package in these bytes; `called` is what errors name it. Raises as `read`."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _check(archive.infolist(), called)
            files = {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
            comment = archive.comment
    except _BROKEN as error:
        raise FreeholdError("plugin_unreadable", path=called, reason=f"no package: {error}") from error
    if MANIFEST not in files:
        raise FreeholdError("plugin_manifest_invalid", path=called, reason=f"there is no {MANIFEST}")
    bare = Package(Identity("", "", ""), files, comment)
    return replace(bare, identity=_identity(bare.text(MANIFEST) or "", called))


def _check(entries: list[zipfile.ZipInfo], called: str) -> None:
    """Before anything is unpacked: how much it is, and where it would go."""
    if len(entries) > MAX_FILES:
        raise FreeholdError("plugin_refused", path=called, reason=f"{len(entries)} files are more than {MAX_FILES}")
    declared = sum(entry.file_size for entry in entries)
    if declared > MAX_FILE:
        raise FreeholdError("plugin_refused", path=called, reason=f"it unpacks to {declared} bytes")
    seen: set[str] = set()
    for entry in entries:
        if reason := _wrong(entry, seen):
            raise FreeholdError("plugin_refused", path=called, reason=f"{entry.filename!r} {reason}")
        seen.add(entry.filename.removesuffix("/"))
    files = {entry.filename for entry in entries if not entry.is_dir()}
    for name in seen:
        if above := next((str(parent) for parent in PurePosixPath(name).parents if str(parent) in files), None):
            raise FreeholdError("plugin_refused", path=called, reason=f"{above!r} is a file and a folder")


def _wrong(entry: zipfile.ZipInfo, seen: set[str]) -> str | None:
    name = entry.filename.removesuffix("/")
    if "\\" in entry.orig_filename or "\0" in entry.orig_filename or entry.filename.startswith("/"):
        return "is no path inside the package"
    if not name or any(part in ("", ".", "..") for part in name.split("/")):
        return "is no path inside the package"
    if name in seen:
        return "is there twice"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if not entry.is_dir() and (kind == stat.S_IFDIR or entry.external_attr & _MSDOS_FOLDER):
        return "says that it is a folder: the daemon would leave it out of the signature"
    if entry.flag_bits & _FLAG_ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in _METHODS:
        return "is compressed in a way that the daemon does not read"
    return None


def _identity(text: str, called: str) -> Identity:
    def wrong(reason: str) -> FreeholdError:
        return FreeholdError("plugin_manifest_invalid", path=called, reason=reason)

    try:
        manifest = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise wrong(f"{MANIFEST} is no YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(manifest, dict):
        raise wrong(f"{MANIFEST} is no mapping")
    found = {key: manifest.get(key) for key in ("author", "name", "version", "type")}
    for key, value in found.items():
        if isinstance(value, list | dict):  # whose text may be endless: aliases within aliases
            raise wrong(f"`{key}` is no text")
    if found["type"] != "plugin":
        raise wrong(f"`type` is {found['type']!r}, not 'plugin'")
    author = "" if found["author"] is None else str(found["author"])
    identity = Identity(author, str(found["name"]), str(found["version"]))
    for key, value, form in (("name", identity.name, _NAME), ("version", identity.version, _VERSION)):
        if not form.fullmatch(value):
            raise wrong(f"`{key}` is {found[key]!r}")
    if identity.author and not _AUTHOR.fullmatch(identity.author):
        raise wrong(f"`author` is {found['author']!r}")
    language = _deep(manifest, "meta", "runner", "language")
    if language != "python":
        told = repr(language)[:80] if isinstance(language, str) else "no text"
        raise wrong(f"`meta.runner.language` is {told}, and only Python's packages have wheels")
    return identity


def _deep(tree: object, *keys: str) -> object:
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
