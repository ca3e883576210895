"""Arrays of a stranger are read or refused, and nothing else happens."""

import contextlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.array_file import UnsoundArraysError, read_arrays

X = np.arange(6, dtype=np.float32)


def header(shape: str, kind: str = "<f4") -> bytes:
    """The beginning of an .npy file of version 1.0, padded to 128 bytes."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.ljust(117) + b"\n"


def packed(path: Path, content: bytes, how: int = zipfile.ZIP_STORED) -> Path:
    """An archive with `content` as the array `x`."""
    with zipfile.ZipFile(path / "arrays.npz", "w", how) as archive:
        archive.writestr("x.npy", content)
    return path / "arrays.npz"


def test_arrays_come_by_their_names(tmp_path: Path) -> None:
    """As NumPy wrote them."""
    np.savez(tmp_path / "arrays.npz", **{"0.in.x": X})
    arrays = read_arrays(tmp_path / "arrays.npz", 1 << 20)
    np.testing.assert_array_equal(arrays["0.in.x"], X)


@pytest.mark.parametrize(
    "content",
    [
        header("(100000000000000,)"),  # more than there is memory
        header("(99999999999999999999999999,)"),
        header("(-1,)"),
        header("(1,)", "|O"),
        header("(1,)", "zzz"),
        header("(3,)"),
        b"no array at all",
        b"",
    ],
)
def test_what_is_no_array_is_one_error(tmp_path: Path, content: bytes) -> None:
    """Shapes that nothing could hold, objects, unknown types, fewer bytes than told, other content."""
    with pytest.raises(UnsoundArraysError, match=r"arrays\.npz"):
        read_arrays(packed(tmp_path, content), 1 << 20)


def test_more_than_is_wanted_is_not_unpacked(tmp_path: Path) -> None:
    """By the sizes in its directory."""
    with pytest.raises(UnsoundArraysError, match="unpacks to 3 MB"):
        read_arrays(packed(tmp_path, bytes(3 << 20), zipfile.ZIP_DEFLATED), 1 << 20)


@pytest.mark.filterwarnings("ignore")  # NumPy warns of headers that read like those of Python 2
@settings(max_examples=200, deadline=None)
@given(places=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_any_damage_is_refused_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, int]]
) -> None:
    """Headers, methods, flags and compressed bytes of every sort."""
    raw = io.BytesIO()
    np.savez_compressed(raw, x=X)
    damaged = bytearray(raw.getvalue())
    for place, value in places:
        damaged[place % len(damaged)] = value
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    path.write_bytes(damaged)
    with contextlib.suppress(UnsoundArraysError):
        read_arrays(path, 1 << 20)
