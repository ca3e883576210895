"""PyTorch's exporters, in this process: which dimensions stay free, and what a refusal is about."""

from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
import pytest
import torch

from freehold.adapt.children.pytorch_graph import Exported, export, titled
from freehold.adapt.children.pytorch_source import Loaded
from freehold.adapt.children.report import ChildError

# What torch says of its own older ways; a child's words go to its log.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def exported(folder: Path, model: Any, *shapes: tuple[int, ...], form: str = "pickle", **changes: Any) -> Exported:
    """`model` exported with samples of these shapes, called x, y, z."""
    job = {"format": form, "writes": str(folder), "opset": None, "free": None, **changes}
    names = ["x", "y", "z"][: len(shapes)]
    if isinstance(model, torch.nn.Module):
        model.eval()
    parameters = () if type(model).__name__ == "Several" else tuple(names)
    loaded = Loaded(model, model, parameters, len(names))
    return export(job, loaded, names, [torch.randn(shape) for shape in shapes], ["output"])


def test_dimensions_have_names_that_can_be_read() -> None:
    """The batch is one for all; ids have a sequence, images a height; what is no one's usual name has the input's."""
    ids, image, other = torch.ones(2, 7, dtype=torch.int64), torch.ones(2, 3, 8, 8), torch.ones(5, 4)
    axes = titled(["ids", "image", "other"], [ids, image, other], None)
    assert axes["ids"] == {0: "batch", 1: "seq"}
    assert axes["image"] == {0: "batch", 1: "image_1", 2: "height", 3: "width"}
    assert axes["other"] == {0: "other_batch", 1: "other_1"}
    assert titled(["image"], [image], ["batch"]) == {"image": {0: "batch"}}


def test_any_number_of_inputs_is_exported(tmp_path: Path, torch_models: ModuleType) -> None:
    """A forward of `*inputs` shares its batch."""
    made = exported(tmp_path, torch_models.Several(), (2, 4), (2, 4))
    assert [row["shape"][0] for row in made.inputs] == ["batch", "batch"]


def test_a_batch_that_the_model_fixes_is_told(tmp_path: Path, torch_models: ModuleType) -> None:
    """The graph has it as a number, and a note says so."""
    made = exported(tmp_path, torch_models.Fixed(), (2, 4))
    assert made.inputs[0]["shape"] == [2, 4]
    assert made.notes == ["the batch is fixed by the model"]


def test_the_opset_is_the_one_asked_for(tmp_path: Path, torch_models: ModuleType) -> None:
    """In the file and in the result."""
    assert exported(tmp_path, torch_models.Line(), (2, 4), opset=18).opset == 18
    assert onnx.load(tmp_path / "model.onnx").opset_import[0].version == 18


def test_large_weights_lie_beside_the_graph(tmp_path: Path) -> None:
    """Where processes share their pages."""
    exported(tmp_path, torch.nn.Linear(2100, 2100, bias=False), (2, 2100))
    assert (tmp_path / "model.onnx.data").stat().st_size >= 4 * 2100 * 2100


def test_a_script_takes_the_older_exporter(tmp_path: Path, torch_models: ModuleType) -> None:
    """With the same names for what it lets be free."""
    made = exported(tmp_path, torch.jit.script(torch_models.Net().eval()), (2, 3, 8, 8), form="script")
    assert made.exporter == "torch.onnx script"
    assert made.inputs[0]["shape"] == ["batch", 3, "height", "width"]


def test_a_way_that_depends_on_values_is_told_with_its_line(tmp_path: Path, torch_models: ModuleType) -> None:
    """Of the exporter's pages of text, the one line that is the user's."""
    with pytest.raises(ChildError, match="export_data_dependent") as raised:
        exported(tmp_path, torch_models.Branches(), (2, 4))
    assert "if x.sum() > 0:" in str(raised.value.details["where"])
    assert "pytorch_models.py" in str(raised.value.details["where"])


def test_an_operator_without_counterpart_is_named(tmp_path: Path, torch_models: ModuleType) -> None:
    """By the name that PyTorch gives it."""
    with pytest.raises(ChildError, match="export_operator_missing") as raised:
        exported(tmp_path, torch_models.Eigen(), (4, 4))
    assert "eigh" in str(raised.value.details["operators"])
