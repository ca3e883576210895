"""Encrypted streams: what was changed or cut off is never taken for the whole."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyrage import x25519

from freehold.deploy.dify.backup.sealed import opened, sealing
from freehold.errors import FreeholdError

KEY = x25519.Identity.generate()


def sealed(path: Path, data: bytes) -> None:
    """`data`, encrypted, in `path`."""
    with path.open("wb") as file, sealing(file, [KEY.to_public()], path) as stream:
        stream.write(data)


def read(path: Path) -> bytes:
    """All of it."""
    with opened(path, [KEY]) as stream:
        return stream.read()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.integers(0, 200_400), cut=st.booleans())
def test_a_changed_or_cut_file_is_told(tmp_path: Path, where: int, cut: bool) -> None:
    """One bit anywhere, or the end missing from anywhere."""
    path = tmp_path / "file"
    sealed(path, bytes(200_000))
    data = bytearray(path.read_bytes())
    where = min(where, len(data) - 1)
    if cut:
        del data[where:]
    else:
        data[where] ^= 1
    path.write_bytes(data)
    with pytest.raises(FreeholdError) as refused:
        read(path)
    assert refused.value.code in ("dify_backup_damaged", "dify_backup_key_wrong")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Nothing, little and more than a pipe holds; a reader may leave early."""
    for size in (0, 1, 300_000):
        sealed(tmp_path / "file", bytes(size))
        assert read(tmp_path / "file") == bytes(size)
    with pytest.raises(ZeroDivisionError), opened(tmp_path / "file", [KEY]) as stream:
        stream.read(1 // 0)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its name."""
    with pytest.raises(FreeholdError) as refused:
        read(tmp_path / "none")
    assert refused.value.code == "dify_backup_unreadable"
