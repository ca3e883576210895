"""Folders by tar and find."""

import os
from pathlib import Path

from freehold.deploy.dify.backup import folders
from freehold.deploy.dify.backup.place import Folder, Installed
from tests.deploy.dify.backup.direct import Direct


def test_a_file_systems_own_folder_is_nobodys_data(tmp_path: Path) -> None:
    """lost+found neither counts nor goes, nor does the key that a new Dify makes make it full; all else does."""
    place = Direct("x", lambda: Installed("1", (), ()), {}, dict(os.environ))
    folder = Folder("app-storage", "api", str(tmp_path))
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "lost+found/inode").write_text("x")
    (tmp_path / ".dify_secret_key").write_text("x")
    (tmp_path / "deep/er").mkdir(parents=True)
    assert folders.first_file(place, folder) == ""
    assert folders.tree_of(place, folder).files == 1
    (tmp_path / "deep/er/mine").symlink_to("x")
    assert folders.first_file(place, folder).endswith("deep/er/mine")
    folders.clear(place, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["lost+found"]
