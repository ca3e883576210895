"""What a repository says of one model."""

from pathlib import Path

from freehold.config.foreign.declared import ForeignModel


def test_a_model_needs_a_name_a_graph_and_a_place() -> None:
    """All that may be left undeclared is empty."""
    model = ForeignModel("m", Path("m.onnx"), "config.pbtxt")
    assert (model.inputs, model.outputs, model.notes) == ((), (), ())
