"""What a conversion is asked with, when nothing was said."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from freehold.adapt.conversion import Conversion


def test_nothing_is_trusted_and_nothing_is_guessed_unasked(tmp_path: Path) -> None:
    """Code is not run, the kind is found, the seed is fixed, and what was asked does not change on the way."""
    asked = Conversion(tmp_path / "model.pt", "model", tmp_path)
    assert asked.trust_code is False
    assert asked.code == asked.signature == ""
    assert (asked.kind, asked.opset, asked.seed, asked.input_shapes) == ("auto", None, 0, ())
    with pytest.raises(FrozenInstanceError):
        asked.trust_code = True
