"""How a cross-encoder reads its requests."""

from pathlib import Path

import pytest

from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.rerank import PairReader
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError


def test_every_text_is_paired_with_the_query(minilm_folder: Path) -> None:
    """One sequence a text, types 0 for the query and 1 for the text; the query's characters count each time."""
    tokenizer = TextTokenizer(minilm_folder / "tokenizer.json", 256)
    request = RerankRequest("hello", ["world", ""])
    first, second = PairReader().encode(tokenizer, request)
    assert (first.ids, first.type_ids) == ([101, 7592, 102, 2088, 102], [0, 0, 0, 1, 1])
    assert second.ids == [101, 7592, 102, 102]
    assert PairReader().characters(request) == 5 + 5 + 5


def test_nothing_is_refused_and_so_is_another_kind_of_request(minilm_folder: Path) -> None:
    """No documents are the client's mistake, an embedding request is ours."""
    tokenizer = TextTokenizer(minilm_folder / "tokenizer.json", 256)
    with pytest.raises(FreeholdError, match="input_empty"):
        PairReader().encode(tokenizer, RerankRequest("a", []))
    with pytest.raises(TypeError, match="EmbedRequest"):
        PairReader().characters(EmbedRequest(["a"]))
