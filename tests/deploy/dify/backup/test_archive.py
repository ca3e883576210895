"""The tar file in a backup: what is not as its manifest says is refused, whoever made it."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from contextlib import closing

import msgspec
import pytest

from freehold.deploy.dify.backup.archive import Archive, read
from freehold.deploy.dify.backup.manifest import Manifest, SavedDatabase, SavedFolder
from freehold.errors import FreeholdError

DUMP = b"PGDMP" * 1000
MANIFEST = Manifest(
    id="1",
    made_at="",
    freehold="0",
    dify="1.15.0",
    place="",
    live=False,
    databases={},
    folders={},
    environment={},
    outside={},
)


def folder() -> io.BytesIO:
    """A tar file of one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("./一")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"abc"))
    out.seek(0)
    return out


def made(change: Callable[[Manifest], Manifest] = lambda manifest: manifest, extra: str = "") -> io.BytesIO:
    """An archive, whose manifest says what `change` makes of the truth."""
    out = io.BytesIO()
    with Archive.into(out) as archive:
        size, sha256 = archive.add_dump("dify", io.BytesIO(DUMP))
        tree = archive.add_folder("app-storage", folder())
        archive.add("bound.json", b'{"SECRET_KEY": "x"}')
        settings = archive.add("environment/.env", b"A=1")
        truth = msgspec.structs.replace(
            MANIFEST,
            databases={"dify": SavedDatabase("dify", "15", size, sha256, {}, {})},
            folders={"app-storage": SavedFolder(1, 3, tree.sha256())},
            environment={".env": settings},
        )
        archive.add("manifest.json", change(truth).written())
        if extra:
            archive.add(extra, b"x")
    out.seek(0)
    return out


def test_what_was_written_is_read_and_goes_where_it_is_wanted() -> None:
    """Dumps as they are, folders as tar files, files shown in passing."""
    dump, files, seen = io.BytesIO(), io.BytesIO(), []
    keep = lambda stream: closing(_Kept(stream))  # noqa: E731 - two of them
    content = read(
        made(), {"dify": lambda: keep(dump), "app-storage": lambda: keep(files)}, lambda *one: seen.append(one)
    )
    assert dump.getvalue() == DUMP
    files.seek(0)
    with tarfile.open(fileobj=files) as tar:
        assert tar.getnames() == ["一"]
    assert seen == [("app-storage", "一", b"abc")]
    assert (content.environment, content.bound) == ({".env": b"A=1"}, {"SECRET_KEY": "x"})


class _Kept:
    """A stream that stays open."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.write = stream.write
        self.tell = stream.tell

    def __enter__(self) -> "_Kept":
        return self

    def close(self) -> None:
        """Not that of the stream."""


FALSE = hashlib.sha256(b"false").hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda one: msgspec.structs.replace(one, databases={}),
        lambda one: msgspec.structs.replace(one, databases={**one.databases, "gone": one.databases["dify"]}),
        lambda one: msgspec.structs.replace(one, folders={"app-storage": SavedFolder(1, 3, FALSE)}),
        lambda one: msgspec.structs.replace(one, environment={".env": FALSE}),
    ],
)
def test_what_differs_from_its_manifest_is_refused(change: Callable[[Manifest], Manifest]) -> None:
    """A piece too many, one too few, another content."""
    with pytest.raises(FreeholdError, match="is not what was saved"):
        read(made(change))


@pytest.mark.parametrize("extra", ["folders/app-storage/late", "other", "databases/x.dump.00000"])
def test_nothing_comes_after_the_manifest(extra: str) -> None:
    """Whatever it is."""
    with pytest.raises(FreeholdError, match="after its manifest"):
        read(made(extra=extra))


def test_without_a_manifest_it_is_not_whole() -> None:
    """It ended early, or holds what belongs to no backup."""
    for name, words in (
        ("bound.json", "before its manifest"),
        ("readme", "no backup"),
        ("databases/a.txt", "no backup"),
    ):
        out = io.BytesIO()
        with Archive.into(out) as archive:
            archive.add(name, b"{}")
        out.seek(0)
        with pytest.raises(FreeholdError, match=words):
            read(out)


@pytest.mark.parametrize("text", [b"[", b'{"a": "\x8d"}'])
@pytest.mark.parametrize("name", ["bound.json", "manifest.json"])
def test_what_it_says_of_itself_must_be_readable(name: str, text: bytes) -> None:
    """Whoever has the public key can make a file: no program may break at it."""
    out = io.BytesIO()
    with Archive.into(out) as archive:
        archive.add(name, text)
    out.seek(0)
    with pytest.raises(FreeholdError, match=name.partition(".")[0]):
        read(out)


def test_one_that_ends_anywhere_is_refused() -> None:
    """Within a file, a header, between two of them."""
    whole = made().getvalue()
    end = len(whole.rstrip(b"\0"))
    for length in range(0, end, 97):
        with pytest.raises(FreeholdError) as refused:
            read(io.BytesIO(whole[:length]))
        assert refused.value.code == "dify_backup_incomplete"
