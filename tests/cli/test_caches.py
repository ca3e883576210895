"""Caches beside the store: what gc removes of them."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from freehold.artifact import Artifact, MadeBy, Manifest, write_manifest
from freehold.cli.caches import Swept, sweep_caches
from freehold.store import Store

OLD_S = 40 * 86_400


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty one; its folders hold what is in use."""
    return Store(tmp_path / "store")


def graph(cache: Path, name: str) -> Path:
    """A written graph under a name of 64 hexadecimal digits."""
    folder = cache / "graphs" / (name * 64)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(name.encode())
    made_by = MadeBy("test", "1", f"sha256:{'0' * 64}")
    write_manifest(folder, Manifest(1, name, "tensor", "tensor", "fp32", (), (), made_by, {}))
    return folder


def prepacked(cache: Path, digest: str) -> Path:
    """Prepacked weights of a digest, as an engine leaves them."""
    family = cache / "prepacked" / digest.removeprefix("sha256:")[:32]
    (family / "key").mkdir(parents=True)
    (family / "key" / "model.onnx").write_bytes(b"weights")
    (family / ".lock").touch()
    return family


def age(path: Path) -> None:
    os.utime(path, (time.time() - OLD_S,) * 2)


def sweep(
    cache: Path, store: Store, *, kept: tuple[str, ...] = (), gone: tuple[str, ...] = (), plan: bool = False
) -> Swept:
    return sweep_caches(cache, store.folders, kept, gone=gone, plan=plan, unused_days=30)


def test_no_cache_is_no_error(tmp_path: Path, store: Store) -> None:
    """A machine that has served nothing yet."""
    assert sweep(tmp_path, store) == Swept((), 0, ())


def test_graphs_go_when_unused_for_long(tmp_path: Path, store: Store) -> None:
    """With their prepacked weights; young ones and those that a process has open stay, a plan removes nothing."""
    young, old, open_one = (graph(tmp_path, name) for name in "abc")
    families = [prepacked(tmp_path, Artifact.open(each).digest) for each in (young, old, open_one)]
    serving = Store(tmp_path / "store")
    assert serving.folders.keep(open_one)
    for path in (old, open_one, *families):
        age(path)
    planned = sweep(tmp_path, store, plan=True)
    assert old.exists()
    assert sweep(tmp_path, store) == planned
    assert planned.folders == (f"graphs/{old.name}", f"prepacked/{families[1].name}")
    assert planned.in_use == (f"graphs/{open_one.name}",)
    assert planned.bytes > 7
    assert [path.exists() for path in (young, old, open_one, *families)] == [True, False, True, True, False, True]
    serving.close()


def test_prepacked_weights_follow_their_artifact(tmp_path: Path, store: Store) -> None:
    """Those of artifacts that stay, stay; of artifacts that just went, go; of others, when they are old."""
    stays, went, young, old = (f"sha256:{digit * 64}" for digit in "1234")
    families = {digest: prepacked(tmp_path, digest) for digest in (stays, went, young, old)}
    for digest in (stays, old):
        age(families[digest])
    swept = sweep(tmp_path, store, kept=(stays,), gone=(went,))
    assert set(swept.folders) == {f"prepacked/{families[digest].name}" for digest in (went, old)}
    assert [family.exists() for family in families.values()] == [True, False, True, False]


def test_a_copy_that_is_being_written_stays(tmp_path: Path, store: Store) -> None:
    """Its writer holds the family's lock."""
    family = prepacked(tmp_path, f"sha256:{'5' * 64}")
    age(family)
    with (family / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert sweep(tmp_path, store).folders == ()
    assert sweep(tmp_path, store).folders == (f"prepacked/{family.name}",)


def test_leftovers_and_strangers(tmp_path: Path, store: Store) -> None:
    """Half-removed graphs go; what is damaged counts as no graph, and names that are not ours are left alone."""
    damaged = graph(tmp_path, "d")
    (damaged / "manifest.json").write_text("{")
    half, stranger = tmp_path / "graphs" / ".making-x", tmp_path / "graphs" / "digests"
    half.mkdir()
    stranger.mkdir()
    age(stranger)
    assert sweep(tmp_path, store) == Swept((), 0, ())
    assert (damaged.exists(), half.exists(), stranger.exists()) == (True, False, True)
