"""One model of MLServer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.config.foreign.mlserver import SETTINGS, read_mlserver_model
from freehold.config.shapes import DeclaredTensor
from freehold.errors import FreeholdError

Lay = Callable[..., Path]


def written(folder: Path, settings: Any) -> Path:
    (folder / SETTINGS).write_text(settings if isinstance(settings, str) else json.dumps(settings))
    return folder


def test_a_model_is_read_with_what_it_declares(lay: Lay) -> None:
    """Name, the file of `parameters.uri`, inputs and outputs."""
    settings = {
        "name": "iris",
        "implementation": "mlserver_onnx.OnnxModel",
        "parameters": {"uri": "./net/iris.onnx", "version": "v1"},
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "INT64", "shape": [-1]}],
    }
    folder = written(lay("m", files=("net/iris.onnx",)), settings)
    model = read_mlserver_model(folder)
    assert (model.name, model.graph) == ("iris", folder / "net" / "iris.onnx")
    assert (model.inputs, model.outputs) == (
        (DeclaredTensor("x", "FP32", (-1, 4)),),
        (DeclaredTensor("y", "INT64", (-1,)),),
    )
    assert model.notes == ()


def test_name_and_file_have_defaults(lay: Lay) -> None:
    """The folder's name, and model.onnx beside the settings."""
    folder = written(lay("m", files=("model.onnx",)), {})
    assert (read_mlserver_model(folder).name, read_mlserver_model(folder).graph) == ("m", folder / "model.onnx")


def test_code_and_settings_without_effect_are_told_of(lay: Lay) -> None:
    """A runtime of one's own is not run, and batching is measured: two notes."""
    settings = {"implementation": "models.MyRuntime", "max_batch_size": 8, "parallel_workers": 2}
    notes = read_mlserver_model(written(lay("m", files=("model.onnx",)), settings)).notes
    assert [note.code for note in notes] == ["note_repository_code", "note_repository_settings"]
    assert notes[1].details["keys"] == "max_batch_size, parallel_workers"


@pytest.mark.parametrize(
    ("settings", "files", "code"),
    [
        (
            {"implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "m.joblib"}},
            (),
            "mlserver_not_onnx",
        ),
        ({"parameters": {"uri": "model.json"}}, ("model.json",), "mlserver_not_onnx"),
        ({"parameters": {"uri": "s3://bucket/model.onnx"}}, (), "mlserver_uri_remote"),
        ({"parameters": {"uri": "gone.onnx"}}, (), "mlserver_model_missing"),
        ({}, (), "mlserver_model_missing"),
        ("[1]", (), "repository_file_invalid"),
        ('{"name": "a",\n}', (), "repository_file_invalid"),
        ({"parameters": 3}, (), "repository_file_invalid"),
        ({"inputs": [{"name": "x"}]}, ("model.onnx",), "repository_file_invalid"),
        ({"inputs": "x"}, ("model.onnx",), "repository_file_invalid"),
    ],
)
def test_what_cannot_be_served_is_refused(lay: Lay, settings: Any, files: tuple[str, ...], code: str) -> None:
    """Other formats, other places and broken files have an error of their own."""
    with pytest.raises(FreeholdError) as caught:
        read_mlserver_model(written(lay("m", files=files), settings))
    assert caught.value.code == code


def test_a_pipeline_is_sent_to_the_model_itself(lay: Lay) -> None:
    """What MLServer would fetch is named in the fix."""
    settings = {
        "implementation": "mlserver_huggingface.HuggingFaceRuntime",
        "parameters": {"extra": {"task": "text-classification", "pretrained_model": "org/net"}},
    }
    with pytest.raises(FreeholdError) as caught:
        read_mlserver_model(written(lay("m", files=()), settings))
    assert caught.value.code == "mlserver_huggingface"
    assert "hf://org/net" in caught.value.fix
