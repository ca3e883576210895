"""Jina's and Cohere's rerank, read and written."""

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.protocol.rerank import RerankRequest, encode_rerank, parse_rerank

SCORES = np.array([0.2, 0.9, 0.5])


def parse(**fields: object) -> RerankRequest:
    return parse_rerank(json.dumps({"query": "q", "documents": ["a", {"text": "b"}, "c"], **fields}).encode())


def written(request: RerankRequest) -> dict:
    return json.loads(encode_rerank(request, request.texts(), "m", "id-1", SCORES, 12))


def test_documents_are_texts_or_objects_with_text() -> None:
    """Both forms mix."""
    assert parse().texts() == ["a", "b", "c"]
    with pytest.raises(FreeholdError, match="list_empty"):
        parse(documents=[]).texts()


def test_results_fall_by_score_and_carry_both_clients_fields() -> None:
    """Jina reads `usage`, Cohere `id` and `meta`; documents only when asked for."""
    answer = written(parse())
    assert [(row["index"], row["relevance_score"]) for row in answer["results"]] == [(1, 0.9), (2, 0.5), (0, 0.2)]
    assert (answer["id"], answer["model"]) == ("id-1", "m")
    assert answer["usage"] == {"prompt_tokens": 12, "total_tokens": 12}
    assert answer["meta"] == {"billed_units": {"search_units": 1}}
    assert all("document" not in row for row in answer["results"])


def test_top_n_and_documents_are_honoured() -> None:
    """The best two with their texts; null is no bound."""
    answer = written(parse(top_n=2, return_documents=True))
    assert [row["document"]["text"] for row in answer["results"]] == ["b", "c"]
    assert len(written(parse(top_n=None))["results"]) == 3
    assert len(written(parse(top_n=99))["results"]) == 3


@given(st.dictionaries(st.sampled_from(["query", "documents", "top_n", "model"]), st.text() | st.lists(st.text())))
def test_any_request_is_read_or_refused(fields: dict[str, object]) -> None:
    """Nothing raises anything but a FreeholdError."""
    with suppress(FreeholdError):
        assert parse_rerank(json.dumps(fields).encode()).texts()
