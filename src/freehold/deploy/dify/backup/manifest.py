"""What a backup says of itself: the last file in it, so that one which ends too early has none."""

from collections.abc import Mapping

import msgspec

from freehold.errors import FreeholdError

NAME = "manifest.json"
FORMAT = 1


class SavedDatabase(msgspec.Struct, frozen=True):
    """A database as `pg_dump --format=custom` wrote it."""

    name: str
    server: str
    """PostgreSQL's version."""
    bytes: int
    sha256: str
    rows: Mapping[str, int]
    """By table; not all of them."""
    extensions: Mapping[str, str]
    """By name their versions, those that the server has by itself left out."""


class SavedFolder(msgspec.Struct, frozen=True):
    """The files of a folder."""

    files: int
    bytes: int
    sha256: str
    """Over the sorted lines of `FolderDigest`: names, what they are, contents."""


class Manifest(msgspec.Struct, frozen=True):
    """One backup. `id` is of this one alone."""

    id: str
    made_at: str
    """ISO 8601, UTC."""
    freehold: str
    dify: str
    place: str
    live: bool
    """Services wrote meanwhile: its parts may not agree with one another."""
    databases: Mapping[str, SavedDatabase]
    folders: Mapping[str, SavedFolder]
    environment: Mapping[str, str]
    """By name the sha256 of the installation's files of settings and secrets."""
    outside: Mapping[str, str]
    """What is not in it, and where that lies."""
    format: int = FORMAT

    @classmethod
    def read(cls, data: bytes) -> "Manifest":
        """Raises `dify_backup_incomplete`, `dify_backup_newer`."""
        try:
            number = msgspec.json.decode(data, type=_Format).format
            if number != FORMAT:
                raise FreeholdError("dify_backup_newer", format=number, known=FORMAT)
            return msgspec.json.decode(data, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise FreeholdError("dify_backup_incomplete", reason=f"its manifest: {error}") from None

    def written(self) -> bytes:
        """As bytes."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


class _Format(msgspec.Struct):
    format: int
