"""One model of a Triton repository."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config.foreign.triton import is_triton_model, read_triton_model
from freehold.config.shapes import DeclaredTensor
from freehold.errors import FreeholdError

Lay = Callable[..., Path]

CONFIG = """
name: "densenet"
platform: "onnxruntime_onnx"
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: [ 3, -1 ] }
output [ { name: "y" data_type: TYPE_STRING dims: [ 4 ] } ]
"""


def refusal(folder: Path) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        read_triton_model(folder)
    return caught.value


def test_a_configured_model_is_read_with_its_batch_in_front(lay: Lay) -> None:
    """`max_batch_size` above 0 adds a free dimension to every declared tensor."""
    folder = lay("other", CONFIG)
    model = read_triton_model(folder)
    assert (model.name, model.graph) == ("densenet", folder / "1" / "model.onnx")
    assert model.inputs == (DeclaredTensor("x", "FP32", (-1, 3, -1)),)
    assert model.outputs == (DeclaredTensor("y", "BYTES", (-1, 4)),)
    assert model.notes == ()


def test_without_a_batch_the_dimensions_are_the_graphs(lay: Lay) -> None:
    """`max_batch_size: 0`, or none, leaves `dims` as they are."""
    model = read_triton_model(lay("m", 'input { name: "x" data_type: TYPE_INT64 dims: [ 2 ] }'))
    assert model.inputs == (DeclaredTensor("x", "INT64", (2,)),)


def test_a_folder_without_a_configuration_is_a_model(lay: Lay) -> None:
    """The newest version is served, by number and not by letters; names of other forms do not count."""
    folder = lay("m", files=("2/model.onnx", "10/model.onnx", "03/model.onnx", "draft/model.onnx"))
    assert is_triton_model(folder)
    model = read_triton_model(folder)
    assert (model.name, model.graph.parent.name) == ("m", "10")


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("", "3"),
        ("version_policy: { latest { num_versions: 2 }}", "2 3"),
        ("version_policy: { all { }}", "1 2 3"),
        ("version_policy: { specific { versions: [1, 2, 7] }}", "1 2"),
    ],
)
def test_the_policy_chooses_the_versions(lay: Lay, policy: str, versions: str) -> None:
    """All that it allows are served, and the newest is the model where none is named."""
    folder = lay("m", policy, tuple(f"{n}/model.onnx" for n in (1, 2, 3)))
    model = read_triton_model(folder)
    assert dict(model.versions) == {number: folder / number / "model.onnx" for number in versions.split()}
    assert model.graph.parent.name == versions[-1]
    assert model.notes == ()


def test_another_file_name_is_honoured(lay: Lay) -> None:
    """`default_model_filename` names the graph."""
    folder = lay("m", 'backend: "onnxruntime" default_model_filename: "net.onnx"', ("1/net.onnx",))
    assert read_triton_model(folder).graph.name == "net.onnx"


def test_settings_without_counterpart_are_told_of(lay: Lay) -> None:
    """Batching by Triton's numbers, instances and warm-ups have no effect, and one note says so."""
    config = "instance_group [ { count: 2 } ] dynamic_batching { preferred_batch_size: [4] } model_warmup {}"
    (note,) = read_triton_model(lay("m", config)).notes
    assert note.code == "note_repository_settings"
    assert note.details["keys"] == "dynamic_batching, instance_group, model_warmup"


@pytest.mark.parametrize(
    ("config", "files", "code"),
    [
        ('platform: "tensorrt_plan"', ("1/model.plan",), "triton_backend_tensorrt"),
        (None, ("1/model.plan",), "triton_backend_tensorrt"),
        ('platform: "pytorch_libtorch"', ("1/model.pt",), "triton_backend_pytorch"),
        ('backend: "pytorch"', ("1/model.pt",), "triton_backend_pytorch"),
        ('platform: "tensorflow_savedmodel"', (), "triton_backend_tensorflow"),
        ('backend: "python"', ("1/model.py",), "triton_backend_python"),
        ('platform: "ensemble" ensemble_scheduling { step [] }', (), "triton_backend_ensemble"),
        ('backend: "vllm"', (), "triton_backend_other"),
        ('platform: "onnxruntime_onnx"', (), "triton_version_missing"),
        ("version_policy: { specific { versions: 4 }}", ("1/model.onnx",), "triton_version_missing"),
        ("sequence_batching { }", ("1/model.onnx",), "triton_stateful"),
        (
            'input { name: "x" data_type: TYPE_FP32 dims: 1 reshape { shape: [] } }',
            ("1/model.onnx",),
            "triton_reshape",
        ),
        ('input { name: "x" dims: 1 }', ("1/model.onnx",), "repository_file_invalid"),
        ('input { name: "x" data_type: TYPE_FP32 dims: 0 }', ("1/model.onnx",), "repository_file_invalid"),
        ('max_batch_size: "8"', ("1/model.onnx",), "repository_file_invalid"),
        ("name: {", ("1/model.onnx",), "repository_file_invalid"),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_fix(
    lay: Lay, config: str | None, files: tuple[str, ...], code: str
) -> None:
    """Every other backend, missing versions and broken files have an error of their own."""
    error = refusal(lay("m", config, files))
    assert error.code == code
    assert error.fix


def test_other_folders_are_no_triton_models(lay: Lay) -> None:
    """A folder of files, or of numbered folders with something else, is left alone."""
    assert not is_triton_model(lay("m", files=("model.safetensors",)))
    assert not is_triton_model(lay("n", files=("1/data.csv",)))
