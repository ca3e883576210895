"""Secrets of a Dify: made once, kept whole, for their owner alone."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import PublicFormat

from freehold.deploy.topology.secrets import check_private, file_contents, kept, made, read, resolved
from freehold.errors import FreeholdError
from tests.deploy.topology.configured import VERSION, installed, package_key
from tests.pki import Authority


def test_secrets_are_strong_and_fit_where_they_go() -> None:
    """Letters and digits, each their own; Dify takes 30 letters of an initial password."""
    values = made(installed())
    assert set(values) == set(installed().secrets)
    assert len(set(values.values())) == len(values)
    assert all(len(text) >= 24 and text.isalnum() and text.isascii() for text in values.values())
    assert len(values["init_password"]) == 30
    assert any(letter.isdigit() for letter in values["console_password"])
    assert any(letter.isalpha() for letter in values["console_password"])
    assert made(installed()) != values


def test_they_are_kept(tmp_path: Path) -> None:
    """The same the next time; in a file and a folder that nobody else may read."""
    path = tmp_path / "dify" / "secrets.json"
    values = kept(path, installed())
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert kept(path, installed()) == values == read(path, VERSION)


def test_what_is_asked_for_later_is_added(tmp_path: Path) -> None:
    """Another store of vectors needs a key; nothing that was there changes."""
    path = tmp_path / "secrets.json"
    before = kept(path, installed())
    after = kept(path, installed(vectors={"kind": "weaviate"}))
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {"weaviate_key"}


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """The error says the command that closes it."""
    path = tmp_path / "secrets.json"
    kept(path, installed())
    path.chmod(0o640)
    with pytest.raises(FreeholdError) as refused:
        kept(path, installed())
    assert refused.value.code == "dify_secrets_open"
    assert "0640" in refused.value.cause


@pytest.mark.parametrize("text", ["", "{", "[]", '{"secret_key": 5}', "\xff"])
def test_a_broken_file_is_never_replaced(tmp_path: Path, text: str) -> None:
    """Others would not fit the data that is there."""
    path = tmp_path / "secrets.json"
    path.write_bytes(text.encode("latin-1"))
    path.chmod(0o600)
    with pytest.raises(FreeholdError) as refused:
        kept(path, installed())
    assert refused.value.code == "dify_secrets_broken"
    assert path.read_bytes() == text.encode("latin-1")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A file stands where the folder would be."""
    (tmp_path / "dify").write_text("")
    with pytest.raises(FreeholdError) as refused:
        kept(tmp_path / "dify" / "secrets.json", installed())
    assert refused.value.code == "dify_secrets_unwritable"


def test_a_default_that_everybody_knows_is_refused(tmp_path: Path) -> None:
    """In the file, and among the user's own; the value is not repeated."""
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({**made(installed()), "db_password": "difyai123456"}))
    path.chmod(0o600)
    with pytest.raises(FreeholdError, match="db_password") as refused:
        kept(path, installed())
    assert refused.value.code == "dify_public_default"
    assert "difyai" not in refused.value.cause
    own = installed(postgres={"host": "pg", "password": "${env:PG}"})
    with pytest.raises(FreeholdError, match="PG") as refused:
        resolved(own, {"PG": "difyai123456"})
    assert refused.value.code == "dify_public_default"
    assert resolved(own, {"PG": "better"}) == {"db_password": "better"}
    check_private({"here": "better"}, VERSION)


def test_files_of_the_user_are_read(tmp_path: Path) -> None:
    """An own authority after the system's; a certificate only with its own key."""
    authority = Authority(tmp_path)
    one, other = authority.issue("one"), authority.issue("other")
    tls = {"certificate": str(one.certificate), "key": str(one.key)}
    contents = file_contents(installed(ca=str(authority.file), tls=tls), {})
    by_name = {file.name: data for file, data in contents.items()}
    assert by_name["dify-tls-key"] == one.key.read_bytes().strip()
    assert by_name["dify-ca"].strip().endswith(authority.file.read_bytes().strip())
    with pytest.raises(FreeholdError) as refused:
        file_contents(installed(tls={**tls, "key": str(other.key)}), {})
    assert refused.value.code == "dify_tls_unusable"


def test_a_key_of_packages_that_the_daemon_would_not_read_is_refused(tmp_path: Path) -> None:
    """Before Dify starts: the daemon would end at its start, and say little."""
    key = package_key(tmp_path)
    contents = file_contents(installed(plugin_key=str(key)), {})
    by_name = {file.name: data for file, data in contents.items()}
    assert by_name["dify-plugin-key"] == key.read_bytes().strip()
    other = package_key(tmp_path, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(FreeholdError, match=r"PKCS #1") as refused:
        file_contents(installed(plugin_key=str(other)), {})
    assert refused.value.code == "plugin_key_unusable"
