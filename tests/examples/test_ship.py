"""The artifact that is made of a trained folder: proven by transformers, with the agreement of its quantized form."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from examples.normalizer import learning, ship, tokens, train
from examples.normalizer.data import conversations
from freehold.artifact import Artifact, load_goldens

CASES = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learnt nothing."""
    path = tmp_path_factory.mktemp("ship") / "normalizer"
    drawn = conversations("ship")
    tokenizer: Tokenizer = tokens.train(learning.written(next(drawn)) for _ in range(500))
    train.save(learning.new_model(1), tokenizer, path)
    return path


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_it_is_shipped_with_its_proof(folder: Path, tmp_path: Path, precision: str) -> None:
    """The goldens are transformers' own; only a quantized form says how well it agrees; nothing else is left."""
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("of an artifact before")
    least = ship.ship(folder, target, precision, "goldens", CASES)
    artifact = Artifact.open(target)
    artifact.check_files()
    assert artifact.manifest.kind == "generate"
    assert artifact.manifest.license == "apache-2.0"
    assert not (target / "old").exists()
    (golden,) = load_goldens(artifact.goldens)
    assert golden.recorded_by.framework == "transformers"
    assert golden.recorded_by.source == artifact.manifest.made_by.source
    assert len(golden.cases) == CASES
    shares = [case.outputs["agreement"].array()[0] for case in golden.cases if "agreement" in case.outputs]
    assert len(shares) == (CASES if precision == "int8" else 0)
    assert min(shares, default=1.0) == pytest.approx(least)
    assert least > 0.5
