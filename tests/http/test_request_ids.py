"""Request ids: the client's own where they are fit, else new ones."""

import pytest

from freehold.http.request_ids import RequestIds


@pytest.mark.parametrize("offered", [b"a", b"mine-1", b"with a space", b"~" * 128])
def test_what_is_fit_is_kept(offered: bytes) -> None:
    """Up to 128 characters that can be read, spaces within."""
    assert RequestIds().name(offered) == offered.decode()


@pytest.mark.parametrize("offered", [None, b"", b" a", b"a ", b"a\nb", b"\xe9", b"a" * 129])
def test_all_else_is_named_anew(offered: bytes | None) -> None:
    """Each time otherwise, and otherwise in each process."""
    ids = RequestIds()
    names = {ids.name(offered), ids.name(offered), RequestIds().name(offered)}
    assert len(names) == 3
    assert all(name.isascii() and name.isprintable() and name for name in names)
