"""A golden for an artifact of the store: it stays as it is, and a new one beside it carries the golden."""

import shutil
import tempfile
from pathlib import Path

import msgspec

from freehold import __version__
from freehold.artifact import Golden, MadeBy, save_golden
from freehold.artifact.artifact import file_entry, link_or_copy, rewrite_manifest
from freehold.errors import FreeholdError
from freehold.store import Store, Stored
from freehold.store.folders import ASIDE


def add_with_golden(store: Store, stored: Stored, file: str, golden: Golden) -> Stored:
    """A new artifact with the same files and `goldens/<file>`, added under the same name; its parent is `stored`.

    Raises what `Store.path_of` and `Store.add` raise.
    """
    manifest, source = stored.manifest, store.path_of(stored)
    made_by = MadeBy("freehold golden record", __version__, manifest.made_by.source)
    with store.writing(), tempfile.TemporaryDirectory(dir=store.folders.root, prefix=ASIDE) as work:
        folder = Path(work) / stored.name
        shutil.copytree(source, folder, copy_function=link_or_copy)
        path = folder / "goldens" / file
        save_golden(path, golden)  # by renaming: the files of the store are not written to
        files = dict(sorted({**manifest.files, f"goldens/{file}": file_entry(path)}.items()))
        changes = {"parent": stored.digest, "made_by": made_by, "files": files}
        rewrite_manifest(folder, msgspec.structs.replace(manifest, **changes))
        return store.add(folder, stored.name)


def refuse_stored(target: Path, store: Store) -> None:
    """Raises `store_in_stored_folder` for a file in an artifact of the store, named by its path."""
    root = store.folders.root.absolute()
    if not target.absolute().is_relative_to(root):
        return
    hexes = target.absolute().relative_to(root).parts[:1]
    ref = next((one.ref for one in store.list() if one.digest.removeprefix("sha256:") in hexes), "NAME:TAG")
    raise FreeholdError("store_in_stored_folder", path=target, ref=ref)
