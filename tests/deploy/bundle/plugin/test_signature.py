"""Signatures: made as the daemon's own tool makes them, and no changed byte passes."""

import base64
import hashlib
import io
import json
import stat
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.deploy.bundle.plugin.package import VERIFICATION, Package, parse
from freehold.deploy.bundle.plugin.signature import new_pair, read_private, sign, verify
from freehold.deploy.topology.trust import read_package_key
from freehold.errors import FreeholdError

from .packages import MANIFEST, plugin_files, zipped

TIME = 1_700_000_000


@pytest.fixture(scope="session")
def signed(pair: tuple[Path, Path]) -> Package:
    """The official plugin, signed."""
    return sign(parse(zipped(plugin_files()), "p"), read_private(pair[0]), TIME)


def refused(package: Package, key: Path) -> str:
    """The error that verifying ends in."""
    with pytest.raises(FreeholdError) as caught:
        verify(package, [read_package_key(key)])
    return caught.value.code


def test_openssl_finds_the_signature_right(signed: Package, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """The bytes that the daemon hashes, gathered from the zip, and OpenSSL's PKCS #1 v1.5 over them."""
    with zipfile.ZipFile(io.BytesIO(signed.archive())) as archive:
        assert archive.namelist()[-1] == VERIFICATION
        assert json.loads(archive.read(VERIFICATION)) == {"authorized_category": "langgenius"}
        comment = json.loads(archive.comment)
        digests = b"".join(hashlib.sha256(archive.read(name)).digest() for name in archive.namelist())
    assert comment["time"] == TIME
    (tmp_path / "data").write_bytes(digests + b"1700000000")
    (tmp_path / "signature").write_bytes(base64.b64decode(comment["signature"]))
    command = ["openssl", "dgst", "-sha256", "-verify", str(pair[1]), "-signature", "signature", "data"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Verified OK", done.stderr


def test_a_signed_package_verifies_after_it_was_written(signed: Package, pair: tuple[Path, Path]) -> None:
    """One of several keys is enough; the same package, key and time give the same bytes."""
    other = rsa.generate_private_key(65537, 2048).public_key()
    found = verify(parse(signed.archive(), "p"), [other, read_package_key(pair[1])])
    assert (found.time, found.category) == (TIME, "langgenius")
    assert sign(signed, read_private(pair[0]), TIME) == signed


def test_the_category_is_the_authors(pair: tuple[Path, Path]) -> None:
    """The daemon takes a package of `langgenius` only as such, and others as the community's."""
    files = plugin_files() | {"manifest.yaml": MANIFEST.replace("langgenius", "acme").encode()}
    package = sign(parse(zipped(files), "p"), read_private(pair[0]), TIME)
    assert verify(package, [read_package_key(pair[1])]).category == "community"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_tampered_package_verifies(signed: Package, pair: tuple[Path, Path], data: st.DataObject) -> None:
    """A byte of any file, a file more, a file less, another order, another time: all are refused."""
    files = dict(signed.files)
    how = data.draw(st.sampled_from(["change", "add", "remove", "order", "time"]))
    victim = data.draw(st.sampled_from(sorted(files)))
    changed = replace(signed, files=files)
    if how == "change":
        files[victim] += b" "
    elif how == "add":
        files["zz.py"] = b"import os"
    elif how == "remove":
        del files[victim]
    elif how == "order":
        changed = replace(signed, files=dict(reversed(files.items())))
    else:
        changed = replace(signed, comment=signed.comment.replace(b"1700000000", b"1700000001"))
    assert refused(changed, pair[1]) == "plugin_signature_wrong"


def test_no_signature_and_nonsense_in_its_place(signed: Package, pair: tuple[Path, Path]) -> None:
    """A package as it comes from its author's build, and a comment that is no signature."""
    assert refused(signed.unsigned(), pair[1]) == "plugin_unsigned"
    assert refused(replace(signed, comment=b'{"signature": "???", "time": 1}'), pair[1]) == "plugin_unsigned"


def test_one_of_langgenius_that_says_community_is_told(
    signed: Package, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signature holds, and the daemon would refuse it all the same."""
    monkeypatch.setattr("freehold.deploy.bundle.plugin.signature.OFFICIAL", "nobody")
    wrong = sign(signed, read_private(pair[0]), TIME)
    monkeypatch.undo()
    assert refused(wrong, pair[1]) == "plugin_signature_wrong"


def test_a_pair_is_as_the_daemon_reads_it(pair: tuple[Path, Path]) -> None:
    """RSA of 4096 bits in PKCS #1, one line end behind the block; the private one is for its owner alone."""
    assert stat.S_IMODE(pair[0].stat().st_mode) == 0o600
    assert pair[0].read_bytes().startswith(b"-----BEGIN RSA PRIVATE KEY-----\n")
    public = pair[1].read_bytes()
    assert public.startswith(b"-----BEGIN RSA PUBLIC KEY-----\n")
    assert public.endswith(b"-----END RSA PUBLIC KEY-----\n")
    assert read_package_key(pair[1]).key_size == 4096
    with pytest.raises(FreeholdError) as caught:
        new_pair(pair[0].with_suffix(""))
    assert caught.value.code == "signing_key_exists"


def test_keys_that_the_daemon_would_not_read(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """The other PEM of public keys, a blank line behind it, a private key, an elliptic one, none."""
    public = read_package_key(pair[1])
    files = {
        "spki": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "longer": pair[1].read_bytes() + b"\n",
        "private": pair[0].read_bytes(),
        "empty": b"",
    }
    for name, raw in files.items():
        (tmp_path / name).write_bytes(raw)
        with pytest.raises(FreeholdError) as caught:
            read_package_key(tmp_path / name)
        assert caught.value.code == "plugin_key_unusable"
    elliptic = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "ec").write_bytes(elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    for path in (tmp_path / "ec", pair[1], tmp_path / "none"):
        with pytest.raises(FreeholdError) as caught:
            read_private(path)
        assert caught.value.code == "plugin_key_unusable"
