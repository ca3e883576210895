"""OpenAI's embeddings, read and written."""

import base64
import json
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.protocol import openai

VECTORS = np.array([[0.1, -2], [0, 3e-9]], np.float32)


def texts(value: object) -> list[Any]:
    return openai.parse_embeddings(json.dumps({"input": value}).encode()).texts()


@pytest.mark.parametrize(
    ("value", "read"),
    [("a", ["a"]), ("", [""]), (["a", "b"], ["a", "b"]), ([5, 6], [[5, 6]]), ([[5], [6, 7]], [[5], [6, 7]])],
)
def test_the_four_forms_of_input_are_one_list(value: object, read: list[Any]) -> None:
    """A text, texts, the ids of one text, the ids of several."""
    assert texts(value) == read


@pytest.mark.parametrize(
    ("value", "code"),
    [([], "list_empty"), ([[5], []], "list_empty"), (["a", 5], "input_mixed"), ([[5], 6], "input_mixed")],
)
def test_empty_and_mixed_input_is_refused(value: object, code: str) -> None:
    """Nothing to embed, or two kinds at once."""
    with pytest.raises(FreeholdError, match=code):
        texts(value)


def test_vectors_are_written_in_order_with_usage() -> None:
    """Floats by default; what is read back is the same float32."""
    answer = json.loads(openai.encode_embeddings("m", VECTORS, 7, None))
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert [(row["object"], row["index"]) for row in answer["data"]] == [("embedding", 0), ("embedding", 1)]
    assert np.array_equal(np.array([row["embedding"] for row in answer["data"]], np.float32), VECTORS)


def test_base64_is_little_endian_float32() -> None:
    """Four bytes a number, as OpenAI's clients unpack them; a wider or transposed array is converted."""
    for vectors in (VECTORS, VECTORS.astype(np.float64), np.asfortranarray(VECTORS)):
        answer = json.loads(openai.encode_embeddings("m", vectors, 7, "base64"))
        assert base64.b64decode(answer["data"][1]["embedding"]) == VECTORS[1].tobytes()


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_a_vector_that_is_not_finite_is_not_sent(encoding: str) -> None:
    """A defect of the model is an error, not a null that a client stores."""
    with pytest.raises(FreeholdError, match="answer_not_finite"):
        openai.encode_embeddings("m", np.array([[np.inf]], np.float32), 1, encoding)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
FIELDS = st.sampled_from(["input", "model", "encoding_format", "dimensions", "user"])


@given(st.dictionaries(FIELDS, JSON).map(json.dumps).map(str.encode) | st.binary())
def test_any_request_is_read_or_refused(body: bytes) -> None:
    """Nothing raises anything but a FreeholdError; what is read has at least one text."""
    with suppress(FreeholdError):
        assert openai.parse_embeddings(body).texts()
