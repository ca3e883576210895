"""The one file of a bundle: a plain tar of regular files in POSIX headers, written and read here alone.

Whoever reads a tar of others trusts nothing: only what this module writes is taken, so links, devices, folders and
extended headers are refused, as are two entries of one name. Nothing is extracted: entries become stretches of the
file. Wire facts: POSIX.1-1988 ustar, and GNU's binary sizes where eight GiB are not enough.
"""

import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from freehold.artifact.artifact import sync_folder
from freehold.deploy.bundle.manifest import unsafe
from freehold.deploy.bundle.stretch import BLOCK, Stretch
from freehold.errors import FreeholdError
from freehold.store.registry.meter import Meter

_ROW = tarfile.BLOCKSIZE
_LARGEST_OCTAL = 8**11
_MOST_ENTRIES = 1_000_000


def entries(path: Path) -> Mapping[str, Stretch]:
    """Every entry by its name, from the headers alone.

    Raises FreeholdError `bundle_truncated` for a file that ends before its last entry does, `bundle_invalid` for an
    entry that no bundle has, and OSError.
    """
    found: dict[str, Stretch] = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        at = 0
        while True:
            header = os.pread(file.fileno(), _ROW, at)
            if header == bytes(_ROW):
                _require_end(os.pread(file.fileno(), 2 * _ROW + 1, at), path, next(reversed(found), "-"))
                return found
            if len(header) < _ROW:
                raise FreeholdError("bundle_truncated", place=path, entry=next(reversed(found), "-"), size=size)
            name, length = _entry(header, path, at)
            if reason := unsafe(name) or ("there are two of it" if name in found else ""):
                raise FreeholdError("bundle_invalid", place=path, entry=name[:200], reason=reason)
            if at + _ROW + length > size:
                raise FreeholdError("bundle_truncated", place=path, entry=name, size=size)
            if len(found) == _MOST_ENTRIES:
                raise FreeholdError("bundle_invalid", place=path, entry=name, reason="there are too many entries")
            found[name] = Stretch(path, at + _ROW, length)
            at += _ROW + length
            filling = os.pread(file.fileno(), -length % _ROW, at)
            if filling.strip(b"\0"):
                raise FreeholdError("bundle_invalid", place=path, entry=name, reason="there is more than it behind it")
            at += -length % _ROW


def pack(folder: Path, names: Sequence[str], target: Path, meter: Meter) -> None:
    """Write files of `folder` to the tar `target`, in this order; it appears whole or not at all. Until then it lies in
    `folder`, on the same disk.

    The same files make the same bytes. Raises OSError, and FreeholdError `bundle_name_unfit`.
    """
    aside = folder / f".{target.name}.part"
    try:
        with aside.open("wb") as tar:
            for name in names:
                with (folder / name).open("rb") as file:
                    length = os.fstat(file.fileno()).st_size
                    tar.write(_header(name, length))
                    while block := file.read(BLOCK):
                        tar.write(block)
                        meter.move(len(block))
                    tar.write(bytes(-length % _ROW))
            tar.write(bytes(2 * _ROW))
            tar.flush()
            os.fsync(tar.fileno())
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def _require_end(rest: bytes, path: Path, last: str) -> None:
    """Two empty rows and nothing else: what is behind them other programs may read, and nobody signed."""
    if rest.strip(b"\0") or len(rest) > 2 * _ROW:
        raise FreeholdError("bundle_invalid", place=path, entry=last, reason="the file goes on behind it")
    if len(rest) < 2 * _ROW:
        raise FreeholdError("bundle_truncated", place=path, entry=last, size=path.stat().st_size)


def _header(name: str, length: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = length, 0o644
    try:
        header = info.tobuf(tarfile.USTAR_FORMAT if length < _LARGEST_OCTAL else tarfile.GNU_FORMAT)
    except ValueError:
        header = b""
    if len(header) != _ROW:
        raise FreeholdError("bundle_name_unfit", entry=name, reason="it is too long for a tar")
    return header


def _entry(header: bytes, path: Path, at: int) -> tuple[str, int]:
    """Name and size in bytes of an entry. Its own length is checked by nobody yet."""
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")  # this block, and none that it may announce
    except (tarfile.HeaderError, ValueError) as error:
        reason = f"what stands at byte {at} is no header of a tar ({error})"
        raise FreeholdError("bundle_invalid", place=path, entry="-", reason=reason) from None
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        sort = {tarfile.SYMTYPE: "a link", tarfile.LNKTYPE: "a link", tarfile.DIRTYPE: "a folder"}
        reason = f"it is {sort.get(info.type, 'of an unknown sort')}, and a bundle has only files"
        raise FreeholdError("bundle_invalid", place=path, entry=info.name[:200] or "-", reason=reason)
    if info.size < 0:
        raise FreeholdError("bundle_invalid", place=path, entry=info.name[:200], reason="its size is below zero")
    return info.name, info.size
