"""Whether a backup fits an installation, looked at before anything is changed."""

import msgspec
import pytest

from freehold.deploy.dify.backup.archive import Content
from freehold.deploy.dify.backup.fitting import differences, fit
from freehold.deploy.dify.backup.manifest import Manifest, SavedDatabase
from freehold.errors import FreeholdError
from tests.deploy.dify.backup.test_archive import MANIFEST
from tests.deploy.dify.backup.world import SECRET, World


def backup_of(server: str = "15.1", extensions: tuple[str, ...] = (), **said: object) -> Manifest:
    """A manifest of two databases and no folders."""
    saved = SavedDatabase("d", server, 0, "", {}, dict.fromkeys(extensions, "1"))
    return msgspec.structs.replace(MANIFEST, databases={"dify": saved, "dify_plugin": saved}, **said)


class Read(Content):
    """Content whose manifest is taken as it is."""

    def checked(self) -> Manifest:
        """As Content."""
        assert self.manifest is not None
        return self.manifest


@pytest.mark.parametrize(
    ("manifest", "bound", "code"),
    [
        (backup_of(), SECRET, ""),
        (backup_of(), "another", "dify_backup_bound"),
        (backup_of("99.1"), SECRET, "dify_backup_server_older"),
        (backup_of(extensions=("vector",)), SECRET, "dify_backup_extension_missing"),
        (backup_of(dify="1.16.0"), SECRET, "dify_backup_dify_older"),
        (MANIFEST, SECRET, "dify_backup_pieces_differ"),
    ],
)
def test_what_does_not_fit_is_told(untouched: World, manifest: Manifest, bound: str, code: str) -> None:
    """Another secret key, an older PostgreSQL or Dify, pgvector that is not there, other pieces."""
    place, installed = untouched.place, untouched.found()
    installed = installed.__class__(installed.version, installed.databases, (), bound=installed.bound)
    content = Read(bound={"SECRET_KEY": bound}, manifest=manifest)
    if not code:
        fit(place, installed, content)
        return
    with pytest.raises(FreeholdError) as refused:
        fit(place, installed, content)
    assert refused.value.code == code


def test_what_differs_and_still_fits_is_noted(untouched: World) -> None:
    """A newer Dify and a newer PostgreSQL than it was made of, what is not in it, and that it was made live."""
    manifest = backup_of("13.2", dify="1.14.0", live=True, outside={"vectors": "weaviate"})
    codes = {note.code for note in differences(untouched.place, untouched.found(), manifest)}
    assert codes == {
        "dify_backup_without",
        "dify_backup_live",
        "dify_backup_dify_newer",
        "dify_backup_server_newer",
    }
