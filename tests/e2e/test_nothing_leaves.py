"""What a company's data must not leave includes what libraries would tell of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KEPT = ".cache/Microsoft"  # where ONNX Runtime keeps the machine's id and the events that it uploads
ALONE = """
import numpy, onnxruntime, sys
session = onnxruntime.InferenceSession(sys.argv[1])
session.run(None, {"x": numpy.zeros((1, 16), numpy.float32)})
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_the_runtime_keeps_no_events(launch: Any, graphs: Any, tmp_path: Path, workers: int) -> None:
    """Neither in the server's process nor in those of its engines."""
    models = [{"id": "sixteen", "source": str(graphs["sixteen"]), "workers": workers}]
    unsaid = ("env", "-u", "CI", "-u", "ORT_DISABLE_TELEMETRY")  # of which the test's own process has one already
    node = launch({"models": models}, prefix=unsaid, HOME=str(tmp_path))
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 16], "data": [0.0] * 16}
    assert node.ask("/v2/models/sixteen/infer", inputs=[tensor]).status_code == 200
    node.leave()
    assert not (tmp_path / KEPT).exists()


def test_the_runtime_by_itself_would_keep_them(graphs: Any, tmp_path: Path) -> None:
    """So the test above looks where they would be."""
    environ = {"HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    subprocess.run([sys.executable, "-c", ALONE, str(graphs["sixteen"])], env=environ, check=True, timeout=60)
    assert (tmp_path / KEPT).exists()
