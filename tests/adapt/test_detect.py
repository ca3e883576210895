"""What a file is, by what is in it."""

import contextlib
import json
import pickle
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.detect import Format, detect
from freehold.errors import FreeholdError


class Planted:
    """Opening a pickle of this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


def archive(path: Path, *names: str, content: bytes = b"") -> Path:
    """A zip file with entries of these names."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, content)
    return path


def safetensors(path: Path) -> Path:
    """A file of no tensors."""
    header = json.dumps({}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return path


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("m/data.pkl", "m/version", "m/data/0"), Format.PICKLE),
        (("m/data.pkl", "m/constants.pkl", "m/code/net.py"), Format.SCRIPT),
        (("m/archive_format", "m/models/model.json", "m/data/weights/w.pt"), Format.PROGRAM),
        (("serialized_exported_program.json", "version"), Format.PROGRAM),
        (("config.json", "metadata.json", "model.weights.h5"), Format.KERAS),
    ],
)
def test_archives_are_told_apart_by_what_they_hold(tmp_path: Path, names: tuple[str, ...], expected: Format) -> None:
    """PyTorch and Keras both keep models as zip files; the name of the file says nothing."""
    assert detect(archive(tmp_path / "model.bin", *names)).format is expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("m.h5", b"\x89HDF\r\n\x1a\n" + bytes(8), Format.KERAS_H5),
        ("m.pth", pickle.dumps({"w": 1}, protocol=2), Format.PICKLE),
        ("m", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02", Format.PICKLE),
        ("m.onnx", b"\x08\x08\x12\x07pytorch", Format.ONNX),
        ("m", b"\x08\x08\x12\x07pytorch", Format.ONNX),
    ],
)
def test_files_are_known_by_their_first_bytes(tmp_path: Path, name: str, content: bytes, expected: Format) -> None:
    """Magic numbers come before suffixes."""
    (tmp_path / name).write_bytes(content)
    assert detect(tmp_path / name).format is expected


def test_safetensors_are_known_by_their_header(tmp_path: Path) -> None:
    """Weights alone, whatever the file is called."""
    assert detect(safetensors(tmp_path / "weights")).format is Format.SAFETENSORS


def test_folders_are_known_by_the_file_that_describes_them(tmp_path: Path) -> None:
    """A SavedModel, a Hugging Face folder, or the one model that lies in it."""
    for name, expected in (("saved_model.pb", Format.SAVED_MODEL), ("config.json", Format.HUGGING_FACE)):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).write_text("{}")
        assert detect(folder).format is expected
    alone = tmp_path / "alone"
    alone.mkdir()
    safetensors(alone / "model.safetensors")
    assert detect(alone).path == alone / "model.safetensors"


def test_nothing_is_unpickled_to_find_out(tmp_path: Path) -> None:
    """A planted payload does nothing, in either of PyTorch's formats."""
    marker = tmp_path / "marker"
    payload = pickle.dumps(Planted(marker))
    (tmp_path / "old.pt").write_bytes(payload)
    archive(tmp_path / "new.pt", "m/data.pkl", content=payload)
    assert detect(tmp_path / "old.pt").format is detect(tmp_path / "new.pt").format is Format.PICKLE
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "content", "code", "shown"),
    [
        ("m.gguf", b"GGUF\x03\x00", "convert_format_foreign", "GGUF"),
        ("m.tflite", b"\x1c\x00\x00\x00TFL3", "convert_format_foreign", "TensorFlow Lite"),
        ("m.engine", b"\x01\x02\x03\x04", "convert_format_foreign", "TensorRT"),
        ("m.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "convert_pointer", "Git LFS"),
        ("m.pt", b"<!DOCTYPE html><html>", "convert_pointer", "HTML"),
        ("m.pt", b"", "convert_format_unknown", "an empty file"),
        ("m.pt", b"hello", "convert_format_unknown", "hello"),
        ("m.pt", b"PK\x03\x04cut", "convert_archive_damaged", "zip"),
    ],
)
def test_what_is_no_model_is_told_by_what_it_is(
    tmp_path: Path, name: str, content: bytes, code: str, shown: str
) -> None:
    """A pointer, a page of an error, a cut download, another format: each says what was found."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FreeholdError, match=shown) as raised:
        detect(tmp_path / name)
    assert raised.value.code == code


def test_a_zip_file_of_something_else_is_unknown(tmp_path: Path) -> None:
    """Its first names are shown."""
    with pytest.raises(FreeholdError, match=r"word/document\.xml"):
        detect(archive(tmp_path / "m.pt", "word/document.xml"))
    with pytest.raises(FreeholdError, match="TorchServe"):
        detect(archive(tmp_path / "m.mar", "MAR-INF/MANIFEST.json"))


def test_a_folder_of_several_models_or_none_is_unclear(tmp_path: Path) -> None:
    """The file itself is to be named."""
    with pytest.raises(FreeholdError, match="convert_folder_unclear"):
        detect(tmp_path)
    safetensors(tmp_path / "a.safetensors")
    safetensors(tmp_path / "b.safetensors")
    with pytest.raises(FreeholdError, match="2 models"):
        detect(tmp_path)


def test_what_is_not_there_or_done_already_is_an_error(tmp_path: Path) -> None:
    """A missing path, and an artifact."""
    with pytest.raises(FreeholdError, match="convert_source_missing"):
        detect(tmp_path / "missing.pt")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(FreeholdError, match="convert_already"):
        detect(tmp_path)


@settings(max_examples=60)
@given(content=st.binary(max_size=64), suffix=st.sampled_from(["", ".pt", ".onnx", ".bin", ".h5"]))
def test_any_bytes_are_a_format_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    """No content makes it fail otherwise."""
    path = tmp_path_factory.mktemp("any") / f"m{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(FreeholdError):
        assert detect(path).path == path
