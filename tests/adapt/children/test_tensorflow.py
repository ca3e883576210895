"""The child process for TensorFlow, where its environment is not what it should be."""

from pathlib import Path

import pytest

from freehold.adapt.isolation import run_child
from freehold.errors import FreeholdError


def test_a_python_without_tensorflow_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of these tests has no TensorFlow: the module and the Python are told, and the line that helps."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    with pytest.raises(FreeholdError) as caught:
        run_child("tensorflow", {"source": "none"}, reads=[], writes=tmp_path, trusted=False, say=lambda _: None)
    assert caught.value.code == "tensorflow_incomplete"
    assert caught.value.details["module"] in ("h5py", "keras", "tensorflow", "tf2onnx")
    assert "freehold environments create tensorflow" in caught.value.fix
