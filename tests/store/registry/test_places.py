"""Where artifacts were pushed to and pulled from."""

from collections.abc import Callable
from pathlib import Path

from freehold.store import Store
from freehold.store.registry.places import FILE, Place, Places


def test_the_last_place_of_a_name(tmp_path: Path) -> None:
    """The newest counts; a name that never was anywhere has none."""
    places = Places(tmp_path)
    for repository in ("a.example/m", "b.example/m", "a.example/m"):
        places.note(Place(repository, "m", "sha256:1"))
    assert places.last("m") == "a.example/m"
    assert places.last("other") is None


def test_neighbours_are_of_the_same_registry(store: Store, make_artifact: Callable[..., Path]) -> None:
    """Blobs are looked for in other repositories of that registry, by the manifests that the store still has."""
    stored = store.add(make_artifact(), "m")
    places = Places(store.root)
    places.note(Place("a.example/team/m", "m", stored.oci_digest))
    places.note(Place("a.example/gone", "m", f"sha256:{'0' * 64}"))
    weights = f"sha256:{stored.manifest.files['model.onnx'].sha256}"
    assert places.neighbours("a.example/other", store.blobs)[weights] == "team/m"
    assert places.neighbours("a.example/team/m", store.blobs) == {}
    assert places.neighbours("b.example/other", store.blobs) == {}


def test_a_broken_or_missing_file_only_costs_work(tmp_path: Path) -> None:
    """Nothing rests on it."""
    for raw in (b"{", b'[{"repository": "\xff", "name": "m", "oci_digest": ""}]', b"[" * 100_000):
        (tmp_path / FILE).write_bytes(raw)
        assert Places(tmp_path).last("m") is None
    Places(tmp_path / "nowhere").note(Place("a.example/m", "m", "sha256:1"))
    assert Places(tmp_path / "nowhere").last("m") is None
