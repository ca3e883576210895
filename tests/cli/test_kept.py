"""What is kept of models that were loaded while a server ran."""

from pathlib import Path

import pytest

from freehold.cli.kept import Kept
from freehold.errors import FreeholdError


def test_a_model_is_kept_until_it_is_removed(tmp_path: Path) -> None:
    """By its id, one with a dot in it too; removing twice tells."""
    kept = Kept(tmp_path / "loaded")
    assert kept.names() == []
    kept.put("m.v2", {"source": "m:2", "pin": True})
    kept.put("a", {})
    assert kept.names() == ["a", "m.v2"]
    assert kept.find("m.v2") == {"source": "m:2", "pin": True}
    assert kept.find("m") is None
    assert (kept.remove("m.v2"), kept.remove("m.v2"), kept.names()) == (True, False, ["a"])


def test_files_lie_as_long_as_the_model_names_them(tmp_path: Path) -> None:
    """The same files make the same folder; those that were replaced are removed."""
    kept = Kept(tmp_path)
    first = kept.lay("m", {"1/model.onnx": b"one"})
    assert kept.lay("m", {"1/model.onnx": b"one"}) == first
    kept.put("m", {"source": str(first)})
    second = kept.lay("m", {"1/model.onnx": b"two"})
    assert (first / "1" / "model.onnx").read_bytes() == b"one"
    kept.put("m", {"source": str(second)})
    assert (first.exists(), second.exists()) == (False, True)
    kept.remove("m")
    assert list(tmp_path.iterdir()) == []


def test_files_that_no_model_needs_are_tidied_away(tmp_path: Path) -> None:
    """Those of a load that failed, or was cut short; what is kept stays."""
    kept = Kept(tmp_path)
    first = kept.lay("m", {"1/model.onnx": b"one"})
    kept.put("m", {"source": str(first)})
    second = kept.lay("m", {"1/model.onnx": b"two"})
    (second.parent / "half.coming").mkdir()
    kept.lay("n", {"1/model.onnx": b"three"})
    assert kept.with_files() == ["m", "n"]
    for model in kept.with_files():
        kept.tidy(model)
    assert [path.name for path in (tmp_path / "m.json.files").iterdir()] == [first.name]
    assert kept.with_files() == ["m"]


def test_files_that_cannot_be_written_leave_nothing(tmp_path: Path) -> None:
    """The error says where and why: here one name is a file and a folder."""
    with pytest.raises(FreeholdError) as caught:
        Kept(tmp_path).lay("m", {"1/model.onnx": b"", "1/model.onnx/data": b""})
    assert caught.value.code == "kept_unwritable"
    Kept(tmp_path).tidy("m")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x", "/x", "1/../../x", "", "1//x", ".hidden", "1/model.onnx/"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Nothing is written then."""
    with pytest.raises(FreeholdError) as caught:
        Kept(tmp_path).lay("m", {name: b""})
    assert caught.value.code == "model_file_misplaced"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["../../etc/passwd", "m\n"])
def test_what_is_no_id_is_no_file(tmp_path: Path, model: str) -> None:
    """A name from a request leads to no other file."""
    with pytest.raises(FreeholdError) as caught:
        Kept(tmp_path).find(model)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("text", ["{", "[]", "\ufffe"])
def test_a_broken_file_is_told_with_its_path(tmp_path: Path, text: str) -> None:
    """It is not taken for a model without settings."""
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(FreeholdError) as caught:
        Kept(tmp_path).find("m")
    assert (caught.value.code, caught.value.details["path"]) == ("kept_unreadable", tmp_path / "m.json")


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """As when FREEHOLD_HOME lies below a file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(FreeholdError) as caught:
        Kept(tmp_path / "file").put("m", {})
    assert caught.value.code == "kept_unwritable"
