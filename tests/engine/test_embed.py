"""How an embedding engine reads its requests."""

from pathlib import Path

import pytest

from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.embed import TextReader
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError


def test_texts_and_ids_may_be_mixed(minilm_folder: Path) -> None:
    """One sequence each, in order; only texts count characters."""
    tokenizer = TextTokenizer(minilm_folder / "tokenizer.json", 256)
    request = EmbedRequest(["hello", [101, 102], ""])
    assert [sequence.ids for sequence in TextReader().encode(tokenizer, request)] == [
        [101, 7592, 102],
        [101, 102],
        [101, 102],
    ]
    assert TextReader().characters(request) == 5


def test_nothing_is_refused_and_so_is_another_kind_of_request(minilm_folder: Path) -> None:
    """An empty list is the client's mistake, a rerank request is ours."""
    tokenizer = TextTokenizer(minilm_folder / "tokenizer.json", 256)
    with pytest.raises(FreeholdError, match="input_empty"):
        TextReader().encode(tokenizer, EmbedRequest([]))
    with pytest.raises(TypeError, match="RerankRequest"):
        TextReader().characters(RerankRequest("a", ["b"]))
