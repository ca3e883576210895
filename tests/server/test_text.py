"""What the endpoints of text models share, where HTTP tests do not reach."""

import numpy as np
import pytest

from freehold.config import Limits
from freehold.engine.base import Answer
from freehold.errors import FreeholdError
from freehold.http import MemoryBudget
from freehold.http.admission import Admission
from freehold.server.models import Models, Served
from freehold.server.text import CALLS, chosen, truncation


def test_every_kind_has_a_call_to_point_to() -> None:
    """A client that names a model of the wrong kind is told the right path, whatever the kind."""
    assert set(CALLS) == {"tensor", "embed", "rerank", "classify", "generate"}


def test_only_cut_texts_make_a_header() -> None:
    """No header when nothing was cut."""
    outputs = {"y": np.zeros((1, 2), np.float32)}
    assert truncation(Answer(outputs)) == ()
    assert truncation(Answer(outputs, truncated=2)) == ((b"x-freehold-truncated", b"2"),)


def test_a_model_that_is_loading_is_said_to_be_loading() -> None:
    """Before any engine is open, neither a name nor a kind can be answered; both say so."""

    def never() -> None:
        raise AssertionError("not loaded in this test")

    loading = Served("m", never, lambda engine: Admission(Limits(), engine.capacity, MemoryBudget(1)))
    models = Models([loading])
    for name in ("m", None, ""):
        with pytest.raises(FreeholdError, match="model_loading"):
            chosen(models, name, "embed")


def test_a_version_that_is_named_is_the_one_that_answers() -> None:
    """Not the default in its place: one that is loading says so although another one could answer."""

    def never() -> None:
        raise AssertionError("not loaded in this test")

    one, two = (
        Served("m", never, lambda engine: Admission(Limits(), engine.capacity, MemoryBudget(1)), version=version)
        for version in ("1", "2")
    )
    two.fail(FreeholdError("engine_lost", model="m"))
    models = Models([one, two])
    with pytest.raises(FreeholdError, match="model_loading"):
        chosen(models, "m", "generate", version="1")
    with pytest.raises(FreeholdError, match="model_failed"):
        chosen(models, "m", "generate", version="2")
