"""Seeded inputs."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.artifact import TensorSpec
from freehold.cli.samples import MEAN_TOKENS, text_requests, texts, zeros
from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.tensor import dimensions, sample_row
from freehold.engine.tokenizer import TextTokenizer

SPECS = (
    TensorSpec("x", "FP32", (-1, 3)),
    TensorSpec("ids", "INT64", (-1, -1)),
    TensorSpec("flag", "BOOL", ()),
    TensorSpec("text", "BYTES", (-1,)),
)


@pytest.fixture(scope="module")
def tokenizer(minilm_artifact: Path) -> TextTokenizer:
    """MiniLM's, which cuts at 256 here."""
    return TextTokenizer(minilm_artifact / "tokenizer.json", 256)


def test_lengths_have_a_heavy_tail(tokenizer: TextTokenizer) -> None:
    """About 30 tokens in the mean, half of them shorter than that, some many times longer."""
    lengths = [len(tokenizer.encode(text).ids) for text in islice(texts(tokenizer, 256), 2000)]
    assert 0.85 * MEAN_TOKENS < np.mean(lengths) < 1.15 * MEAN_TOKENS
    assert np.median(lengths) < 0.85 * MEAN_TOKENS
    assert max(lengths) > 5 * MEAN_TOKENS


@pytest.mark.parametrize("longest", [8, 16, 64, 256])
@pytest.mark.parametrize("kind", ["embed", "rerank"])
def test_no_request_is_cut(minilm_artifact: Path, kind: str, longest: int) -> None:
    """Whatever the model's limit is, texts and pairs stay within it."""
    tokenizer = TextTokenizer(minilm_artifact / "tokenizer.json", longest)
    for request in islice(text_requests(kind, tokenizer, longest), 200):
        if isinstance(request, RerankRequest):
            encoded = tokenizer.encode_pair(request.query, request.texts[0])
        else:
            assert isinstance(request, EmbedRequest)
            encoded = tokenizer.encode(str(request.texts[0]))
        assert not encoded.cut


def test_the_seed_decides(tokenizer: TextTokenizer) -> None:
    """Equal seeds give equal texts and arrays, others do not."""
    first = list(islice(texts(tokenizer, 64, seed=1), 20))
    assert first == list(islice(texts(tokenizer, 64, seed=1), 20))
    assert first != list(islice(texts(tokenizer, 64, seed=2), 20))
    assert np.array_equal(sample_row(SPECS, None, 1)["x"], sample_row(SPECS, None, 1)["x"])
    assert not np.array_equal(sample_row(SPECS, None, 1)["x"], sample_row(SPECS, None, 2)["x"])


def test_arrays_have_the_types_and_shapes_of_the_inputs() -> None:
    """One row; free dimensions are small, or as `input_shape` says."""
    for made, free in ((sample_row(SPECS, None), 8), (zeros(SPECS, None), 1)):
        assert {name: (array.dtype.kind, array.shape) for name, array in made.items()} == {
            "x": ("f", (1, 3)),
            "ids": ("i", (1, free)),
            "flag": ("b", ()),
            "text": ("O", (1,)),
        }
    assert sample_row(SPECS, (5, 7))["ids"].shape == (1, 7)
    assert set(np.unique(sample_row(SPECS, (1, 500))["ids"])) == {0, 1}
    assert not zeros(SPECS, None)["x"].any()
    assert zeros(SPECS, None)["text"].tolist() == [""]


@given(
    st.lists(st.sampled_from([-1, 1, 2, 5]), max_size=4), st.none() | st.lists(st.sampled_from([-1, 1, 9]), max_size=4)
)
def test_a_shape_keeps_what_is_fixed_and_has_no_free_dimension(dims: list[int], hint: list[int] | None) -> None:
    """For any input and any hint, fitting or not."""
    spec = TensorSpec("x", "FP32", tuple(dims))
    shape = dimensions(spec, tuple(hint) if hint is not None else None, 4)
    assert len(shape) == len(dims)
    assert all(size > 0 and (dim in (-1, size)) for dim, size in zip(dims, shape, strict=True))
