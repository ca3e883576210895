"""torch's exporter as the children use it."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from freehold.adapt.children.report import ChildError
from freehold.adapt.children.torch_export import export


class Scaled(torch.nn.Module):
    """x [batch, steps, 4] to the mean of its products over the steps: [batch, 64]."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(4, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.linear(x).mean(dim=1)
        return answer


class Moody(torch.nn.Module):
    """Its way depends on its data, which a graph cannot follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if x.sum() > 0 else x - 1


def test_a_graph_has_names_and_no_traces(tmp_path: Path) -> None:
    """Readable dimensions, weights beside the graph, the opset that was asked for, and no path of the machine."""
    torch.manual_seed(0)
    model = Scaled().eval()
    sample = {"x": torch.randn(2, 3, 4)}
    axes = {"x": {0: "batch", 1: "steps"}}
    found = export(model, sample, ("y",), axes, 18, tmp_path / "model.onnx")
    assert found["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["batch", "steps", 4]}]
    assert found["outputs"] == [{"name": "y", "datatype": "FP32", "shape": ["batch", 64]}]
    assert found["opset"] == 18
    assert found["versions"]["torch"] == torch.__version__
    assert (tmp_path / "model.onnx.data").stat().st_size >= 4 * 64 * 4
    assert b".py" not in (tmp_path / "model.onnx").read_bytes()
    onnx.checker.check_model(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    x = torch.randn(1, 7, 4)
    with torch.no_grad():
        np.testing.assert_allclose(session.run(None, {"x": x.numpy()})[0], model(x).numpy(), atol=1e-6)


def test_a_way_that_depends_on_data_is_told_in_a_line(tmp_path: Path) -> None:
    """Of the exporter's page of text the cause; nothing is written."""
    with pytest.raises(ChildError) as caught:
        export(Moody(), {"x": torch.randn(2, 3)}, ("y",), {"x": {0: "batch"}}, None, tmp_path / "model.onnx")
    assert caught.value.code == "export_data_dependent"
    assert "if x.sum() > 0" in str(caught.value.details["where"])
    assert list(tmp_path.iterdir()) == []
