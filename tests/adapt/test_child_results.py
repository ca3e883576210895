"""What a child left is read with suspicion."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt import child_results
from freehold.adapt.child_results import golden_of, result_of, specs_of, take_graph
from freehold.adapt.children.report import RecordedCase, described, save_cases
from freehold.errors import FreeholdError

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def left(folder: Path, **changes: Any) -> dict[str, Any]:
    """A result as a child writes it, with its cases in `folder`."""
    cases = [RecordedCase("batch 2", {"x": X}, {"y": X + 1}), RecordedCase("zh", {}, {"y": X[0]}, {"text": "你好"})]
    return {
        "ok": True,
        "framework": "torch",
        "version": "2.13.0",
        "versions": {"torch": "2.13.0"},
        "exporter": "dynamo",
        "opset": 20,
        "inputs": [described("x", X, ["batch", 3])],
        "outputs": [described("y", X, ["batch", 3])],
        "cases": save_cases(str(folder), cases),
        **changes,
    }


def test_a_golden_is_made_of_recorded_cases(tmp_path: Path) -> None:
    """Arrays and texts, each under its label, with the framework and the source."""
    golden = golden_of(tmp_path, left(tmp_path), "sha256:1")
    assert golden.raw
    assert golden.recorded_by.source == "sha256:1"
    assert [case.label for case in golden.cases] == ["batch 2", "zh"]
    assert golden.cases[1].inputs == {"text": "你好"}
    np.testing.assert_array_equal(golden.cases[0].outputs["y"].array(), X + 1)


def test_named_dimensions_are_free_ones(tmp_path: Path) -> None:
    """A manifest has -1 for them; versions, exporter and opset are told too."""
    inputs, outputs = specs_of(left(tmp_path))
    assert inputs[0].shape == outputs[0].shape == (-1, 3)
    assert result_of(left(tmp_path)).made_with == {"torch": "2.13.0", "exporter": "dynamo", "opset": "20"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cases": []}, "no case"),
        ({"framework": 3}, "framework"),
        ({"notes": 5}, "notes"),
        ({"cases": [{"label": "a", "inputs": ["x"], "outputs": ["z"]}]}, "no array"),
        ({"cases": [{"label": "a", "inputs": ["x"], "outputs": ["y"]}]}, "belongs to no case"),
        ({"cases": [{"label": "a", "inputs": [], "outputs": ["y"]}]}, "no inputs or no outputs"),
    ],
)
def test_cases_that_do_not_agree_with_their_arrays_are_refused(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    """Missing, left over, or of nothing."""
    with pytest.raises(FreeholdError, match=reason) as raised:
        golden_of(tmp_path, left(tmp_path, **changes), "sha256:1")
    assert raised.value.code == "isolated_result_invalid"


@pytest.mark.parametrize("rows", [[], [{"name": "x", "datatype": "COMPLEX", "shape": [1]}], [{"name": "x"}]])
def test_inputs_that_are_none_are_refused(tmp_path: Path, rows: list[Any]) -> None:
    """No inputs, unknown types, rows without a shape."""
    with pytest.raises(FreeholdError, match="isolated_result_invalid"):
        specs_of(left(tmp_path, inputs=rows))


def test_arrays_of_other_types_and_pickles_are_refused(tmp_path: Path) -> None:
    """A pickle in the file is not loaded, a complex array is no tensor, and a cut file is none."""
    result = left(tmp_path)
    for array in (np.array([object()]), X.astype(np.complex64)):
        np.savez(tmp_path / "cases.npz", **{"0.in.x": array, "0.out.y": X, "1.out.y": X})
        with pytest.raises(FreeholdError, match="isolated_result_invalid"):
            golden_of(tmp_path, result, "sha256:1")
    (tmp_path / "cases.npz").write_bytes(b"PK\x03\x04cut")
    with pytest.raises(FreeholdError, match="cannot be read"):
        golden_of(tmp_path, result, "sha256:1")


def test_a_file_that_would_unpack_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the sizes in its directory, before any of it is unpacked."""
    result = left(tmp_path)
    with (
        zipfile.ZipFile(tmp_path / "cases.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("0.in.x.npy", "w") as file,
    ):
        file.write(bytes(3 << 20))
    monkeypatch.setattr(child_results, "LARGEST_CASES", 1 << 20)
    with pytest.raises(FreeholdError, match="unpacks to 3 MB"):
        golden_of(tmp_path, result, "sha256:1")


def test_a_graph_is_taken_with_its_weights_and_nothing_else(tmp_path: Path) -> None:
    """What a child calls like a graph's file besides stays behind."""
    writes, folder = tmp_path / "writes", tmp_path / "artifact"
    writes.mkdir()
    folder.mkdir()
    for name in ("model.onnx", "model.onnx.data", "model.onnx.so"):
        (writes / name).write_bytes(name.encode())
    assert take_graph(writes, folder).read_bytes() == b"model.onnx"
    assert sorted(path.name for path in folder.iterdir()) == ["model.onnx", "model.onnx.data"]
