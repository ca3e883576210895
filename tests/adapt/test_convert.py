"""From a source to a proven artifact, or to an error with nothing kept."""

import importlib
import resource
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import DOORS, convert
from freehold.adapt.detect import Format
from freehold.artifact import Artifact
from freehold.errors import FreeholdError


@pytest.fixture
def asked(tmp_path: Path) -> Conversion:
    """The conversion of [batch, 4] -> [batch, 64]."""
    weight = numpy_helper.from_array(np.ones((4, 64), np.float32), "w")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 64])]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", inputs, outputs, [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    (tmp_path / "work").mkdir()
    return Conversion(tmp_path / "m.onnx", "m", tmp_path / "work")


def test_every_format_has_a_door() -> None:
    """Whose module is there, with the function that a Door is."""
    assert set(DOORS) == set(Format)
    for place in set(DOORS.values()):
        assert callable(importlib.import_module(place).write)


def test_an_artifact_is_pinned_replayed_and_described(asked: Conversion) -> None:
    """Its files are those of its manifest; dimensions without a name are shown as such."""
    heard: list[str] = []
    made = convert(asked, heard.append)
    opened = Artifact.open(made.artifact.path)
    opened.check_files()
    assert opened.digest == made.artifact.digest
    assert made.dimensions == {"x": ("?", 4), "y": ("?", 64)}
    assert made.proof.replayed == made.proof.cases == 2
    assert heard[-1] == "replaying what was recorded"


def test_a_folder_with_one_model_in_it_is_that_model(asked: Conversion, tmp_path: Path) -> None:
    """As a download often lies."""
    (tmp_path / "folder").mkdir()
    asked.source.rename(tmp_path / "folder" / "m.onnx")
    made = convert(replace(asked, source=tmp_path / "folder"), print)
    assert made.detected.path == tmp_path / "folder" / "m.onnx"


def test_a_failed_proof_names_the_case(asked: Conversion, tmp_path: Path) -> None:
    """Recorded answers that this graph does not give."""
    x = np.ones((1, 4), np.float32)
    np.savez(
        tmp_path / "a.npz", **{"a.in.x": x, "a.out.y": x @ np.ones((4, 64)), "b.in.x": x, "b.out.y": np.ones((1, 64))}
    )
    made = convert(replace(asked, recorded=tmp_path / "a.npz"), print)
    assert made.proof.status == "failed"
    assert made.proof.failure is not None
    assert made.proof.failure.details["case"] == 1
    assert [row.differ for row in made.parity] == [1]
    assert made.trace is None  # there is no raw framework behind a graph


def test_a_full_disk_is_told(asked: Conversion) -> None:
    """Whatever was being written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, before[1]))
    try:
        with pytest.raises(FreeholdError, match="convert_disk_full"):
            convert(asked, print)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_work_folder_that_cannot_be_written_is_told(asked: Conversion) -> None:
    """A file in its place."""
    (asked.work / "artifact").touch()
    with pytest.raises(FreeholdError, match="convert_unwritable"):
        convert(asked, print)
    assert [path.name for path in asked.work.iterdir()] == ["artifact"]
