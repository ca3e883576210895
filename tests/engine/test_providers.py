"""The one table of runtimes."""

import importlib
from pathlib import Path

import pytest

from freehold.engine.providers import RUNTIMES, SessionOptions, installed, open_session, runtime_version
from freehold.errors import FreeholdError


@pytest.mark.parametrize("device", sorted(RUNTIMES))
def test_every_row_names_a_module_with_an_opener(device: str) -> None:
    """The table is true of the code, and here every package is installed."""
    assert callable(importlib.import_module(RUNTIMES[device].module).open_graph)
    assert installed(device)
    package, version = runtime_version(device)
    assert package == RUNTIMES[device].package
    assert version[0].isdigit()


def test_a_runtime_that_is_not_installed_names_what_to_install(
    mlp_graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device that was asked for, and the pip name of what brings it."""
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "openvino" else find_spec(name))
    assert not installed("openvino")
    with pytest.raises(FreeholdError, match="runtime_missing") as caught:
        open_session(mlp_graph, SessionOptions("openvino"), "mlp")
    assert "freehold[openvino]" in caught.value.fix


def test_a_precision_that_a_runtime_has_not_is_an_error(mlp_graph: Path) -> None:
    """bf16 on ONNX Runtime is refused rather than computed in fp32."""
    with pytest.raises(FreeholdError, match="precision_unavailable") as caught:
        open_session(mlp_graph, SessionOptions("cpu", "bf16"), "mlp")
    assert "fp32" in caught.value.cause


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    """Before any runtime is asked."""
    with pytest.raises(FreeholdError, match="graph_missing"):
        open_session(tmp_path / "absent.onnx", SessionOptions(), "absent")
