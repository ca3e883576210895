"""A folder of another server's models as a configuration."""

from collections.abc import Callable
from pathlib import Path

from freehold.config import load, read
from freehold.config.foreign.repository import read_repository

Lay = Callable[..., Path]

CONFIG = 'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: 16 }'


def test_each_model_of_a_repository_becomes_a_model(lay: Lay, tmp_path: Path) -> None:
    """Triton's and MLServer's may lie side by side; what is neither is passed over."""
    lay("repo/a", CONFIG)
    lay("repo/b", files=("3/model.onnx",))
    (lay("repo/c", files=("c.onnx",)) / "model-settings.json").write_text('{"parameters": {"uri": "c.onnx"}}')
    lay("repo/notes", files=("readme.txt",))
    config = load("repo", {}, tmp_path)
    assert [(model.id, Path(model.source).relative_to(tmp_path / "repo").as_posix()) for model in config.models] == [
        ("a", "a/1/model.onnx"),
        ("b", "b/3/model.onnx"),
        ("c", "c/c.onnx"),
    ]
    assert config.models[0].input_shape == (-1, 16)
    (declared,) = config.models[0].inputs
    assert (declared.name, declared.datatype, declared.shape) == ("x", "FP32", (-1, 16))
    assert config.models[1].inputs == ()


def test_one_models_folder_is_a_repository_of_one(lay: Lay, tmp_path: Path) -> None:
    """So a single model of a repository can be served."""
    lay("repo/a", CONFIG)
    assert [model.id for model in load("repo/a", {}, tmp_path).models] == ["a"]


def test_model_path_may_name_a_repository(lay: Lay, tmp_path: Path) -> None:
    """As an argument may."""
    lay("repo/a", CONFIG)
    assert [model.id for model in load(None, {"MODEL_PATH": "repo"}, tmp_path).models] == ["a"]


def test_all_problems_of_a_repository_are_told(lay: Lay, tmp_path: Path) -> None:
    """Each model that cannot be served is named, beside those that could; notes come with the rest."""
    lay("repo/a", 'backend: "python"')
    lay("repo/b", 'platform: "tensorrt_plan"')
    lay("repo/c", CONFIG)
    codes = [problem.code for problem in read("repo", {}, tmp_path).problems]
    assert codes == ["triton_backend_python", "triton_backend_tensorrt"]
    lay("fine/c", CONFIG + " model_warmup {}")
    assert [note.code for note in read("fine", {}, tmp_path).notes] == ["note_repository_settings"]


def test_an_id_that_clients_could_not_ask_for_is_told_with_its_file(lay: Lay, tmp_path: Path) -> None:
    """The rules of a configuration hold for a repository, too."""
    lay("repo/a", 'name: "a b"')
    (problem,) = read("repo", {}, tmp_path).problems
    assert problem.code == "config_id_invalid"
    assert "config.pbtxt" in str(problem.details["where"])


def test_our_own_models_are_no_repositories(lay: Lay, tmp_path: Path) -> None:
    """A folder that is a model here stays one, whatever lies beside it; a folder of neither is none."""
    lay("own", files=("model.onnx", "1/model.onnx"))
    lay("empty", files=())
    assert read_repository(tmp_path / "own") is None
    assert read_repository(tmp_path / "empty") is None
    assert read_repository(tmp_path / "gone") is None
    assert load("own", {}, tmp_path).models[0].source == str(tmp_path / "own")
