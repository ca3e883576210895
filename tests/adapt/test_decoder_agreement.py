"""A quantised artifact knows how many recorded tokens it still chooses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt.decoder_agreement import note_agreement
from freehold.adapt.graphs import build
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, load_goldens, save_golden
from freehold.artifact.artifact import sha256_of
from freehold.errors import FreeholdError

Make = Callable[..., Any]
OLD = {"agreement": Tensor.of(np.array([7], np.float32)), "perplexity_ratio": Tensor.of(np.array([7], np.float32))}


def save(folder: Path, *cases: Case) -> None:
    """Make these the goldens of a model folder."""
    weights = f"sha256:{sha256_of(folder / 'model.safetensors')}"
    save_golden(folder / "goldens" / "ours.json", Golden(RecordedBy("transformers", "5", weights), cases))


def case(answer: list[int], logprobs: list[float] | None = None, **outputs: Tensor) -> Case:
    """A recorded answer."""
    outputs = {"token_ids": Tensor.of(np.array(answer)), **outputs}
    if logprobs is not None:
        outputs["logprobs"] = Tensor.of(np.array(logprobs, np.float32))
    return Case({"prompt_ids": Tensor.of(np.array([1, 2, 3]))}, outputs)


def measured(artifact: Path) -> list[dict[str, float]]:
    """What each case of an artifact says of its precision."""
    (golden,) = load_goldens(artifact / "goldens")
    return [{name: float(one.outputs[name].array()[0]) for name in OLD if name in one.outputs} for one in golden.cases]


@pytest.fixture
def folder(tiny_decoder: Make) -> Path:
    """A tiny decoder to change."""
    made: Path = tiny_decoder()
    return made


@pytest.mark.parametrize("precision", ["int8", "int4", "w8a8", "fast"])
def test_what_is_written_says_how_well_it_agrees(precision: str, folder: Path, tmp_path: Path, slot_run: Make) -> None:
    """Its own words it would all say, and of other ones fewer; the manifest pins the goldens as they are then."""
    bare = build(folder, tmp_path / "bare", precision=precision)
    (own,) = slot_run(bare, capacity=64).greedy([[1, 2, 3]], 12)
    other = [*own[:9], *((token + 1) % 320 for token in own[9:])]
    sure = [-5.0] * 12
    save(folder, case(own), case(other, sure, **OLD))
    artifact = build(folder, tmp_path / "cache", precision=precision)
    Artifact.open(artifact).check_files()
    first, second = measured(artifact)
    assert set(first) == {"agreement"}
    assert first["agreement"] >= 11 / 12  # a near tie may fall the other way
    assert second["agreement"] <= 9 / 12
    assert 0 < second["perplexity_ratio"] != 7


def test_float32_is_measured_by_margins_alone(folder: Path, tmp_path: Path) -> None:
    """It must agree; what cases say is as it was recorded."""
    save(folder, case([5, 6]))
    assert measured(build(folder, tmp_path)) == [{}]


def test_what_does_not_fit_the_time_says_nothing(folder: Path, tmp_path: Path) -> None:
    """At least one case is scored; what another precision wrote into the others is dropped."""
    save(folder, case([5, 6], **OLD), case([7, 8], **OLD))
    artifact = build(folder, tmp_path, precision="int4")
    note_agreement(Artifact.open(artifact), budget_s=-1)
    first, second = measured(artifact)
    assert "agreement" in first
    assert second == {}


def test_a_golden_of_another_kind_is_refused_when_it_is_measured(folder: Path, tmp_path: Path) -> None:
    """As a start would refuse it, and no half of an artifact stays."""
    save(folder, Case({"text": "a"}, {}))
    with pytest.raises(FreeholdError, match="golden_invalid"):
        build(folder, tmp_path, precision="int8")
    assert list(tmp_path.glob("*/manifest.json")) == []
