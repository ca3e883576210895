"""Manifests as bytes."""

import pytest

from freehold.deploy.dify.backup.manifest import Manifest
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.test_archive import MANIFEST


def test_a_manifest_survives() -> None:
    """Written and read."""
    assert Manifest.read(MANIFEST.written()) == MANIFEST


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b'{"format": 9}', "dify_backup_newer"),
        (b'{"format": 1}', "dify_backup_incomplete"),
        (b"x", "dify_backup_incomplete"),
    ],
)
def test_what_is_none_is_told(data: bytes, code: str) -> None:
    """One of a newer Freehold, one without fields, no JSON."""
    with pytest.raises(FreeholdError) as refused:
        Manifest.read(data)
    assert refused.value.code == code
