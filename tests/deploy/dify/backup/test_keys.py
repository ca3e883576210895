"""Keys of backups: made once, for their owner, opened by the standard's passphrases."""

import base64
from pathlib import Path

import pytest
from pyrage import x25519

from freehold.deploy.dify.backup.keys import identities, make_key, read_recipients, recipients
from freehold.errors import FreeholdError

SEALED = """
YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBPM3RyRk9wY09mbk56aXYyZXhWaXB3IDIKSzBJQ1Bha0pwUmdzSW82R0l0YlVFWnpLdU9iQXFC
ODBhUHVLMWFQL2ZOMAotLS0gVWhqTTYzekhOWSt2aTZlc1pkZ0JQTzlwNHRtRFNMTGRyc2dpV29kWlJjRQqD+oQtGd0G+T0k2mg10Xw9Upt1SDvdBBCH
vnPJEshPaN5HBQ1/ZjZRVSrEEGK8AvCkNizBIlt4Nb/w5/gXlCDVe0BmsXUiLdAV/9+WwbL1eI1mjC4zOOko7ZWbmg124DVoQYvnaZb7jZ32RSP8MkkH
LKuPo+3ZBaEJTWB9+/yb7wLJSZjugJi56e1xdOtvA5K6dU9kq3kIXh1Nw25Nw8ehGtxXG3dIht7/HtZoOAR9HmXgCKQlwSRS
"""
"""A private key as `age --passphrase` seals it, by "open sesame", with little work so that tests are fast."""
PUBLIC = "age127px9649kxl8a2q2gemetr2tj6xs0n0un93gnf6qf3vpswyv8fysjpzqe8"


def code_of(error: "pytest.ExceptionInfo[FreeholdError]") -> str:
    """The code of what was raised."""
    return error.value.code


def test_a_key_is_its_owners_and_never_written_over(tmp_path: Path) -> None:
    """Mode 600, readable again, and a second one of that name is refused."""
    public = make_key(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert [str(one.to_public()) for one in identities(tmp_path / "key")] == [public]
    with pytest.raises(FreeholdError) as refused:
        make_key(tmp_path / "key")
    assert code_of(refused) == "dify_backup_key_there"
    with pytest.raises(FreeholdError) as unwritable:
        make_key(tmp_path / "none" / "key")
    assert code_of(unwritable) == "dify_backup_unwritable"


def test_a_key_can_be_sealed_by_a_passphrase(tmp_path: Path) -> None:
    """What is written is age's own format with scrypt, and the key is not to be seen in it."""
    make_key(tmp_path / "key", "open sesame")
    data = (tmp_path / "key").read_bytes()
    assert b"-> scrypt " in data
    assert b"AGE-SECRET-KEY" not in data


def test_a_sealed_key_opens_by_its_passphrase_alone(tmp_path: Path) -> None:
    """None, and a wrong one, are told apart."""
    (tmp_path / "key").write_bytes(base64.b64decode(SEALED))
    assert [str(one.to_public()) for one in identities(tmp_path / "key", "open sesame")] == [PUBLIC]
    with pytest.raises(FreeholdError) as wanted:
        identities(tmp_path / "key")
    assert code_of(wanted) == "dify_backup_passphrase_wanted"
    with pytest.raises(FreeholdError) as wrong:
        identities(tmp_path / "key", "open barley")
    assert code_of(wrong) == "dify_backup_passphrase_wrong"


@pytest.mark.parametrize("text", ["", "AGE-SECRET-KEY-1QQQ\n", "age1xyz\n"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    """Empty, cut off, or the public one."""
    (tmp_path / "key").write_text(text)
    with pytest.raises(FreeholdError) as refused:
        identities(tmp_path / "key")
    assert code_of(refused) == "dify_backup_key_unreadable"


def test_public_keys_come_from_words_and_files(tmp_path: Path) -> None:
    """Remarks are left out; what is none is named; none at all is refused."""
    public = str(x25519.Identity.generate().to_public())
    (tmp_path / "keys").write_text(f"# the vault's\n\n{public}\n")
    assert [str(one) for one in recipients(read_recipients(tmp_path / "keys"))] == [public]
    with pytest.raises(FreeholdError) as invalid:
        recipients(["age1nonsense"])
    assert code_of(invalid) == "dify_backup_key_invalid"
    with pytest.raises(FreeholdError) as none:
        recipients([])
    assert code_of(none) == "dify_backup_key_wanted"
    with pytest.raises(FreeholdError) as absent:
        read_recipients(tmp_path / "absent")
    assert code_of(absent) == "dify_backup_key_unreadable"
