"""Recorded calls in JSON."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from freehold.artifact import Case, Golden, RecordedBy, Tensor, load_goldens, save_golden
from freehold.artifact.golden import NUMPY_TYPES
from freehold.errors import FreeholdError


@given(
    st.sampled_from(sorted(NUMPY_TYPES)).flatmap(
        lambda name: st_numpy.arrays(NUMPY_TYPES[name], st_numpy.array_shapes(min_dims=0, min_side=0, max_side=4))
    )
)
def test_a_tensor_survives_the_round_trip(array: np.ndarray) -> None:
    """Every fixed-size type, any shape, scalars and empty ones included, bit for bit."""
    back = Tensor.of(array).array()
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def golden(framework: str) -> Golden:
    case = Case({"text": "hello"}, {"embeddings": Tensor.of(np.arange(3, dtype=np.float32))})
    return Golden(RecordedBy(framework, "1", "sha256:00"), (case,))


def test_goldens_are_saved_and_read_back_in_name_order(tmp_path: Path) -> None:
    """The folder is made, and an absent folder has none."""
    assert load_goldens(tmp_path / "goldens") == []
    for name in ("b", "a"):
        save_golden(tmp_path / "goldens" / f"{name}.json", golden(name))
    assert [one.recorded_by.framework for one in load_goldens(tmp_path / "goldens")] == ["a", "b"]


@pytest.mark.parametrize(
    ("framework", "raw"), [("transformers", True), ("torch", True), ("freehold", False), ("onnxruntime", False)]
)
def test_only_another_framework_is_raw(framework: str, raw: bool) -> None:
    """What our own runtimes recorded proves no conversion."""
    assert golden(framework).raw is raw


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b'{"recorded_by": {"framework": "t", "version": "1", "source": "s"}, "cases": [{"inputs": {}, "outputs":'
        b' {"y": {"datatype": "FP32", "shape": [2], "data": "AAAA"}}}]}',
        b'{"recorded_by": {"framework": "t", "version": "1", "source": "s"}, "cases": [{"inputs": {}, "outputs":'
        b' {"y": {"datatype": "FP99", "shape": [], "data": ""}}}]}',
    ],
)
def test_a_broken_golden_names_its_file(tmp_path: Path, text: bytes) -> None:
    """Bytes that do not fill the shape and unknown datatypes are found when reading, not when replaying."""
    (tmp_path / "bad.json").write_bytes(text)
    with pytest.raises(FreeholdError, match="golden_invalid") as caught:
        load_goldens(tmp_path)
    assert "bad.json" in caught.value.cause
