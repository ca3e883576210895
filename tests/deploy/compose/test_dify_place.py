"""The secrets of a Dify on this machine: all of them or none, and for whom."""

from pathlib import Path

import pytest

from freehold.deploy.compose.dify_place import write_dify
from freehold.errors import FreeholdError
from tests.deploy.topology.configured import installed
from tests.pki import Authority


def test_every_secret_lies_where_its_service_looks(tmp_path: Path) -> None:
    """Variables for their owner alone; files of containers in a folder that only its owner passes."""
    authority = Authority(tmp_path / "ca")
    paths = write_dify(tmp_path, installed(ca=str(authority.file)), {})
    assert paths[0] == "dify/secrets.json"
    assert {"dify/api.env", "dify/redis.env", "secrets/dify-ca"} <= set(paths)
    for path in paths:
        assert (tmp_path / path).stat().st_mode & 0o777 == (0o644 if path.startswith("secrets/") else 0o600)
    assert (tmp_path / "dify").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """Databases know the secrets that were made first."""
    paths = write_dify(tmp_path, installed(), {})
    before = {path: (tmp_path / path).read_bytes() for path in paths}
    assert write_dify(tmp_path, installed(), {}) == paths
    assert {path: (tmp_path / path).read_bytes() for path in paths} == before


@pytest.mark.parametrize(("environ", "code"), [({}, "secret_missing"), ({"PG": "it's"}, "dify_secret_unfit")])
def test_nothing_is_written_where_one_is_missing(tmp_path: Path, environ: dict[str, str], code: str) -> None:
    """Or cannot be carried."""
    with pytest.raises(FreeholdError) as refused:
        write_dify(tmp_path, installed(postgres={"host": "pg.corp", "password": "${env:PG}"}), environ)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "dify").write_text("")
    with pytest.raises(FreeholdError) as refused:
        write_dify(tmp_path, installed(), {})
    assert refused.value.code == "compose_folder_unwritable"
