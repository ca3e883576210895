"""What graphs compute for examples of each kind."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from freehold.adapt.quantize.examples import Example, random_examples
from freehold.adapt.quantize.parent import Parent
from freehold.adapt.quantize.tasks import FeedTask, task_of
from freehold.artifact import Artifact
from freehold.errors import FreeholdError

TEXTS = [Example({"query": "which", "text": "word " * count}) for count in (1, 15, 16, 15, 16, 2)]


def test_texts(embedder: Path) -> None:
    """One vector a text in their order, whatever the batches."""
    artifact = Artifact.open(embedder)
    task = task_of(artifact, TEXTS)
    assert isinstance(task, FeedTask)
    assert len(task.feeds) > 1
    rows = task.observe(artifact.graph).rows
    assert [row.shape for row in rows] == [(32,)] * 6
    alone = task_of(artifact, TEXTS[2:3]).observe(artifact.graph).rows[0]
    np.testing.assert_allclose(alone, rows[2], atol=1e-5)


def test_pairs(reranker: Path) -> None:
    """A reranker's example is query and text."""
    artifact = Artifact.open(reranker)
    rows = task_of(artifact, TEXTS).observe(artifact.graph).rows
    assert [row.shape for row in rows] == [(1,)] * 6


def test_tensors(mlp: Path) -> None:
    """Tensors run one example at a time."""
    parent = Parent.open(mlp)
    task = task_of(parent.artifact, random_examples(parent.manifest, 3, 0))
    assert [row.shape for row in task.observe(mlp).rows] == [(4, 10)] * 3


def test_answers(decoder: Path) -> None:
    """Given answers are replayed token by token: recorded ones, expected ones, and the second halves of texts."""
    artifact = Artifact.open(decoder)
    ids = np.arange(5)
    examples = [
        Example({"prompt_ids": ids, "answer_ids": ids[:3]}),
        Example({"text": "one two"}, " three"),
        Example({"text": "a text of its own"}),
        Example({"text": ""}),
    ]
    seen = task_of(artifact, examples).observe(artifact.graph)
    assert seen.tokens is not None
    assert seen.logprobs is not None
    assert len(seen.tokens) == len(seen.logprobs) > 6
    assert len(seen.exact) == 4


@pytest.mark.parametrize("name", ["embedder", "decoder"])
def test_stopwatch(request: pytest.FixtureRequest, name: str) -> None:
    """A pass takes processor time."""
    artifact = Artifact.open(request.getfixturevalue(name))
    with closing(task_of(artifact, TEXTS).stopwatch(artifact.graph)) as watch:
        assert watch.seconds() > 0


def test_no_tokenizer(embedder: Path, tmp_path: Path) -> None:
    """An artifact without its tokenizer is told."""
    artifact = Artifact(tmp_path, Artifact.open(embedder).manifest, "")
    with pytest.raises(FreeholdError) as raised:
        task_of(artifact, TEXTS)
    assert raised.value.code == "tokenizer_unreadable"
