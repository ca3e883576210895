"""Bundles as they were brought: whole and signed, or refused with the entry that is wrong."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.bundle.reading import Bundle
from freehold.errors import FreeholdError
from freehold.store.oci import digest_of
from freehold.store.signing import public_key, sign

from .made import KEY, Site

PUBLIC = public_key(KEY.public_key())


@pytest.fixture
def folder(site: Site) -> Path:
    """A signed bundle, as a folder, with an image and an artifact."""
    site.push("team/read", "1", "one", "two")
    return site.create(site.wanted("team/read:1"), "bundle").place


def refused(act: Callable[[], object]) -> FreeholdError:
    """What it raises."""
    with pytest.raises(FreeholdError) as caught:
        act()
    return caught.value


def opened_and_read(place: Path) -> None:
    """All that `freehold bundle verify --unsigned` does."""
    Bundle.open(place).verify(lambda _: None)


def signed_and_read(place: Path) -> None:
    """All that `freehold bundle verify --key` does."""
    bundle = Bundle.open(place)
    bundle.signed_by(PUBLIC)
    bundle.verify(lambda _: None)


def a_blob(folder: Path) -> Path:
    """The layer of an image."""
    return max((folder / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)


def test_a_changed_byte_is_found_wherever_it_is(folder: Path) -> None:
    """Of every file in turn; the error names it."""
    for path in [path for path in folder.rglob("*") if path.is_file() and "manifest" not in path.name]:
        before = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(bytes([before[0] ^ 1]) + before[1:])
        error = refused(lambda: opened_and_read(folder))
        assert (error.code, error.details["entry"]) == ("bundle_tampered", path.relative_to(folder).as_posix())
        path.write_bytes(before)
    opened_and_read(folder)


def test_a_changed_byte_of_a_tar_is_found_wherever_it_is(site: Site) -> None:
    """In headers, in the filling behind content, at the end; or it is the hint at a key, or at the end of a checksum,
    and changes nothing. What is added is found too."""
    place = site.create(site.wanted()).place
    whole, digest = place.read_bytes(), Bundle.open(place).digest

    @settings(max_examples=40, deadline=None)
    @given(at=st.integers(0, len(whole) - 1), bit=st.integers(0, 7))
    def changed(at: int, bit: int) -> None:
        place.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        with suppress(FreeholdError):
            signed_and_read(place)
            assert Bundle.open(place).digest == digest

    changed()
    filling = whole.index(b"\0" * 8, whole.index(b"models: [{id"))  # behind the configuration
    for other in (whole + b"\0" * 512, whole + b"more", whole[:filling] + b"x" + whole[filling + 1 :]):
        place.write_bytes(other)
        assert refused(lambda: Bundle.open(place)).code == "bundle_invalid"
    place.write_bytes(whole)
    signed_and_read(place)


def test_a_file_that_is_missing_shorter_or_too_many(folder: Path) -> None:
    """Each before any content is read."""
    blob = a_blob(folder)
    raw = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(raw[:-1])
    assert refused(lambda: Bundle.open(folder)).code == "bundle_tampered"
    blob.unlink()
    error = refused(lambda: Bundle.open(folder))
    assert (error.code, error.details["entry"]) == ("bundle_incomplete", f"blobs/sha256/{blob.name}")
    blob.write_bytes(raw)
    (folder / "wheels").mkdir()
    (folder / "wheels" / "more.whl").write_text("")
    error = refused(lambda: Bundle.open(folder))
    assert (error.code, error.details["entry"]) == ("bundle_extra", "wheels/more.whl")


def test_a_link_in_a_folder_is_refused(folder: Path) -> None:
    """Also one to the very file that belongs there."""
    blob = a_blob(folder)
    shutil.move(blob, folder.parent / "elsewhere")
    blob.symlink_to(folder.parent / "elsewhere")
    assert refused(lambda: Bundle.open(folder)).code == "bundle_invalid"


def test_a_manifest_that_was_changed_with_its_files_is_not_signed(folder: Path) -> None:
    """Digests are right then; the signature is of another manifest, and one of another key counts for nothing."""
    bundle = Bundle.open(folder)
    assert bundle.signed_by(PUBLIC).key.fingerprint == PUBLIC.fingerprint
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert refused(lambda: bundle.signed_by(public_key(stranger.public_key()))).code == "bundle_key_wrong"
    document = json.loads((folder / "manifest.json").read_bytes())
    document["freehold"] = "6.6.6"
    (folder / "manifest.json").write_text(json.dumps(document))
    opened_and_read(folder)
    assert refused(lambda: Bundle.open(folder).signed_by(PUBLIC)).code == "bundle_signature_other"
    digest = digest_of((folder / "manifest.json").read_bytes())
    forged = msgspec.structs.replace(sign("b", digest, digest, stranger), key=PUBLIC.fingerprint)
    (folder / "manifest.sig").write_bytes(msgspec.json.encode(forged))
    assert refused(lambda: Bundle.open(folder).signed_by(PUBLIC)).code == "bundle_key_wrong"
    (folder / "manifest.sig").write_text("letters")
    assert refused(lambda: Bundle.open(folder)).code == "bundle_invalid"
    (folder / "manifest.sig").unlink()
    assert refused(lambda: Bundle.open(folder).signed_by(PUBLIC)).code == "bundle_unsigned"


def test_an_image_whose_layer_the_manifest_forgets_is_incomplete(folder: Path) -> None:
    """Every file is right, and yet it is not all: the manifest of the image says so."""
    blob = a_blob(folder)
    document = json.loads((folder / "manifest.json").read_bytes())
    del document["files"][f"blobs/sha256/{blob.name}"]
    (folder / "manifest.json").write_text(json.dumps(document))
    blob.unlink()
    error = refused(lambda: opened_and_read(folder))
    assert (error.code, error.details["entry"]) == ("bundle_incomplete", f"blobs/sha256/{blob.name}")


def test_what_is_no_bundle_at_all(tmp_path: Path) -> None:
    """Nothing, an empty folder, letters."""
    assert refused(lambda: Bundle.open(tmp_path / "none")).code == "bundle_unreadable"
    assert refused(lambda: Bundle.open(tmp_path)).code == "bundle_incomplete"
    (tmp_path / "letter").write_text("Dear Sir or Madam" * 100)
    assert refused(lambda: Bundle.open(tmp_path / "letter")).code == "bundle_invalid"
