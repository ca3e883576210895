"""Entries of folders: the same sum for the same files, and no name that leads out."""

import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.dify.backup.tree import Tree, entries
from freehold.errors import FreeholdError


def tar(*members: tuple[str, bytes | str, bytes]) -> io.BytesIO:
    """A tar file: name, content or a link's target, type."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as file:
        for name, content, kind in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if isinstance(content, bytes):
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
            else:
                member.linkname = content
                file.addfile(member)
    out.seek(0)
    return out


def tree(file: io.BytesIO) -> Tree:
    """What it comes to."""
    made = Tree()
    for member, content in entries(file):
        if content is not None:
            content.rest()
        made.add(member, content)
    return made


NAMES = st.text(st.characters(blacklist_characters="/\0\n", blacklist_categories=("Cs",)), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=40), min_size=1, max_size=5))
def test_the_order_does_not_count_and_all_else_does(files: dict[str, bytes]) -> None:
    """Names in any script, in any order; one byte more is another sum."""
    members = [(f"./{name}", data, tarfile.REGTYPE) for name, data in files.items()]
    found = tree(tar(*members))
    assert (found.files, found.bytes) == (len(files), sum(map(len, files.values())))
    assert tree(tar(*reversed(members))).sha256() == found.sha256()
    name, data, kind = members[0]
    assert tree(tar((name, data + b"x", kind), *members[1:])).sha256() != found.sha256()


def test_a_hard_link_counts_as_the_file_it_is() -> None:
    """Whichever of two names comes first."""
    one = tar(("a", b"data", tarfile.REGTYPE), ("b", "a", tarfile.LNKTYPE))
    two = tar(("b", b"data", tarfile.REGTYPE), ("a", "b", tarfile.LNKTYPE))
    assert tree(one).sha256() == tree(two).sha256()
    with pytest.raises(FreeholdError, match="is not there"):
        tree(tar(("b", "a", tarfile.LNKTYPE)))


@pytest.mark.parametrize(
    "members",
    [
        [("../out", b"x", tarfile.REGTYPE)],
        [("/etc/passwd", b"x", tarfile.REGTYPE)],
        [("link", "/etc", tarfile.SYMTYPE), ("link/passwd", b"x", tarfile.REGTYPE)],
        [("a", "../../etc/passwd", tarfile.LNKTYPE)],
    ],
)
def test_names_that_lead_out_are_refused(members: list[tuple[str, bytes | str, bytes]]) -> None:
    """Upwards, absolute, through a link, by a hard link."""
    with pytest.raises(FreeholdError) as refused:
        tree(tar(*members))
    assert refused.value.code == "dify_backup_incomplete"


def test_devices_are_no_data() -> None:
    """Left out, as is the folder itself."""
    found = tree(tar(("./", "", tarfile.DIRTYPE), ("pipe", "", tarfile.FIFOTYPE)))
    assert (found.files, found.sha256()) == (0, Tree().sha256())
