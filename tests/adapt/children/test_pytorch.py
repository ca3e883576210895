"""The work of the PyTorch child, done here in this process: samples, answers, cases, and what it writes."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from freehold.adapt.children.pytorch import drawn, sample_of, variants, work
from freehold.adapt.children.pytorch_source import Loaded
from freehold.adapt.children.report import ChildError

# What torch says of its own older ways; a child's words go to its log.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


def asked(folder: Path, model: torch.nn.Module, *shapes: str, **changes: Any) -> dict[str, Any]:
    """The job for a pickled `model`; a shape is "NAME=1,2:TYPE", of which only the sizes must be there."""
    torch.save(model, folder / "model.pt")
    named = [shape.rpartition("=") for shape in shapes]
    typed = [rest.partition(":") for _, _, rest in named]
    (folder / "writes").mkdir()
    return {
        "path": str(folder / "model.pt"),
        "format": "pickle",
        "code": "",
        "input_shapes": [[int(size) for size in sizes.split(",")] for sizes, _, _ in typed],
        "input_names": [name for name, _, _ in named],
        "input_types": [datatype for _, _, datatype in typed],
        "opset": None,
        "seed": 0,
        "free": None,
        "trusted": True,
        "writes": str(folder / "writes"),
        **changes,
    }


def replayed(folder: Path, result: dict[str, Any]) -> float:
    """The largest difference between recorded and computed outputs of every case."""
    session = onnxruntime.InferenceSession(folder / "writes" / "model.onnx")
    worst = 0.0
    with np.load(folder / "writes" / "cases.npz") as arrays:
        for number, case in enumerate(result["cases"]):
            feeds = {name: arrays[f"{number}.in.{name}"] for name in case["inputs"]}
            answers = session.run(case["outputs"], feeds)
            for name, seen in zip(case["outputs"], answers, strict=True):
                worst = max(worst, float(np.abs(arrays[f"{number}.out.{name}"] - seen).max()))
    return worst


def test_an_image_model_is_free_where_it_can_be(tmp_path: Path, torch_models: ModuleType) -> None:
    """The batch and the size of the image are free and named, the channels are not; every case agrees."""
    result = work(asked(tmp_path, torch_models.Net(), "1,3,8,10"))
    assert result["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["batch", 3, "height", "width"]}]
    assert result["outputs"] == [{"name": "output", "datatype": "FP32", "shape": ["batch", 5]}]
    assert [case["label"] for case in result["cases"]] == ["batch 2", "batch 1", "batch 3", "short", "long"]
    assert result["opset"] == 20
    assert replayed(tmp_path, result) < 1e-5
    assert str(tmp_path).encode() not in (tmp_path / "writes" / "model.onnx").read_bytes()


def test_a_text_model_gets_ids_and_masks_that_it_can_read(tmp_path: Path, torch_models: ModuleType) -> None:
    """Ids below its vocabulary, padded masks; a length beyond its positions is not recorded."""
    result = work(asked(tmp_path, torch_models.Reader(), "1,12:int64", "1,12:int64"))
    assert [row["shape"] for row in result["inputs"]] == [["batch", "seq"], ["batch", "seq"]]
    assert [row["name"] for row in result["outputs"]] == ["states", "pooled"]
    assert [case["label"] for case in result["cases"]] == ["batch 2", "batch 1", "batch 3", "short"]
    with np.load(tmp_path / "writes" / "cases.npz") as arrays:
        assert arrays["0.in.ids"].max() > 1
        assert (arrays["0.in.mask"][:, 0] == 1).all()
    assert replayed(tmp_path, result) < 1e-5


def test_a_program_brings_its_shapes_and_needs_none(tmp_path: Path, torch_models: ModuleType) -> None:
    """What it was exported with is what stays free."""
    batch = torch.export.Dim("batch")
    program = torch.export.export(torch_models.Line(), (torch.randn(2, 4),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "line.pt2")
    job = asked(tmp_path, torch_models.Line(), path=str(tmp_path / "line.pt2"), format="program")
    result = work(job)
    assert [row["shape"] for row in result["inputs"]] == [["batch", 4]]
    assert [case["label"] for case in result["cases"]] == ["batch 2", "batch 1", "batch 3"]
    assert replayed(tmp_path, result) < 1e-5


def test_inputs_are_found_by_name(tmp_path: Path, torch_models: ModuleType) -> None:
    """In any order; a name that the model does not have becomes the graph's."""
    reader = torch_models.Reader()
    loaded = Loaded(reader, reader, ("ids", "mask"), 2)
    (tmp_path / "a").mkdir()
    job = asked(tmp_path / "a", reader, "mask=1,3:bool", "ids=1,3:int64")
    assert sample_of(job, loaded).names == ("ids", "mask")
    (tmp_path / "b").mkdir()
    job = asked(tmp_path / "b", reader, "input_ids=1,3:int64", "attention_mask=1,3:int64")
    assert sample_of(job, loaded).names == ("input_ids", "attention_mask")


@pytest.mark.parametrize(
    ("model", "shapes", "code"),
    [
        ("Net", [], "input_shape_needed"),
        ("Reader", ["1,4:int64"], "input_shape_count"),
        ("Line", ["1,4", "1,4"], "input_shape_count"),
        ("Reader", ["id=1,4:int64", "mask=1,4:int64"], "input_name_unknown"),
        ("Line", ["1,5"], "input_shape_refused"),
        ("Reader", ["1,4", "1,4"], "input_shape_refused"),
        ("Line", ["1,4:int7"], "input_type_unknown"),
        ("Noisy", ["1,4"], "model_not_deterministic"),
        ("Complex", ["1,4"], "datatype_unsupported"),
        ("Counting", ["1,4"], "outputs_unsupported"),
    ],
)
def test_what_cannot_be_recorded_is_told(
    tmp_path: Path, torch_models: ModuleType, model: str, shapes: list[str], code: str
) -> None:
    """Shapes that are missing, too many or wrong, unknown names and types, chance, and answers that are no tensors."""
    with pytest.raises(ChildError, match=code):
        work(asked(tmp_path, getattr(torch_models, model)(), *shapes))


def test_a_wrong_shape_names_what_the_model_was_given(tmp_path: Path, torch_models: ModuleType) -> None:
    """And says what PyTorch said."""
    with pytest.raises(ChildError) as raised:
        work(asked(tmp_path, torch_models.Line(), "1,5"))
    assert raised.value.details["shapes"] == "x [2, 5] float32"
    assert "mat1 and mat2" in str(raised.value.details["error"])


def test_drawn_values_are_the_same_for_a_seed() -> None:
    """Of every type, and with ids below the limit."""
    for dtype in (torch.float32, torch.float16, torch.int64, torch.uint8, torch.bool):
        one, other = (drawn("x", [3, 4], dtype, 9, seed=5) for _ in range(2))
        assert one.dtype == dtype
        assert torch.equal(one, other)
    assert int(drawn("ids", [50, 50], torch.int64, 9, 0).max()) == 8
    assert drawn("attention_mask", [4, 8], torch.int64, 9, 0).sort(dim=1, descending=True)[0].sum(dim=1).min() >= 5


def test_cases_cover_batches_and_lengths() -> None:
    """Where nothing is free there is one case."""
    assert [label for label, _ in variants({"batch": 2, "seq": 8})] == [
        "batch 2",
        "batch 1",
        "batch 3",
        "short",
        "long",
    ]
    assert variants({"batch": 2, "seq": 8})[-1][1] == {"batch": 2, "seq": 12}
    assert variants({}) == [("as given", {})]
