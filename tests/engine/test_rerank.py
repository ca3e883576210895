"""Each pair of the query and a text is a sequence."""

from pathlib import Path

import pytest

from freehold.adapt import graphs
from freehold.artifact import Artifact, PairText
from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.rerank import PairReader, open_rerank
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError


@pytest.fixture(scope="module")
def artifact(tiny_reranker_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The tiny cross-encoder's."""
    return Artifact.open(graphs.build(tiny_reranker_folder, tmp_path_factory.mktemp("rerank")))


@pytest.fixture(scope="module")
def tokenizer(artifact: Artifact) -> TextTokenizer:
    """Cuts at 16 tokens."""
    return TextTokenizer(artifact.tokenizer, 16)


def test_pairs_come_in_the_order_of_the_texts(tokenizer: TextTokenizer) -> None:
    """Query first in each; long pairs are cut and say so."""
    pairs = PairReader().encode(tokenizer, RerankRequest("word", ["a", "b", "held " * 50]))
    assert [pair.ids for pair in pairs[:2]] == [tokenizer.encode_pair("word", text).ids for text in "ab"]
    assert [pair.cut for pair in pairs] == [False, False, True]
    assert len(pairs[2].ids) == 16


def test_a_model_may_lay_pairs_out_as_one_text(tokenizer: TextTokenizer) -> None:
    """What stands around query and text is part of it; braces in either are their own."""
    reader = PairReader(PairText("query: ", " text: "))
    (pair, cut) = reader.encode(tokenizer, RerankRequest("{text}", ["{query}", "held " * 50]))
    assert pair == tokenizer.encode("query: {text} text: {query}")
    assert (cut.cut, len(cut.ids)) == (True, 16)


def test_the_query_counts_once_a_text() -> None:
    """It is tokenized with each."""
    assert PairReader().characters(RerankRequest("word", ["abc", "", "二"])) == 3 * 4 + 4


def test_no_texts_are_refused(tokenizer: TextTokenizer) -> None:
    """There is nothing to order; the name is that of the rerank APIs."""
    with pytest.raises(FreeholdError, match="input_empty") as caught:
        PairReader().encode(tokenizer, RerankRequest("word", []))
    assert caught.value.details == {"name": "documents"}


def test_blank_queries_and_texts_are_scored(tokenizer: TextTokenizer) -> None:
    """Dify sends both."""
    (pair,) = PairReader().encode(tokenizer, RerankRequest("", [" "]))
    assert pair.ids == tokenizer.encode_pair("", " ").ids


def test_another_kind_of_request_is_a_defect(tokenizer: TextTokenizer) -> None:
    """Servers know the kind of a model before they ask it."""
    with pytest.raises(TypeError, match="EmbedRequest"):
        PairReader().encode(tokenizer, EmbedRequest(["t"]))


def test_the_engine_is_not_loaded_yet(artifact: Artifact) -> None:
    """Opening reads the manifest alone; its limits are those of the artifact."""
    engine = open_rerank(artifact, EngineSettings(tune=False))
    assert not engine.ready()
    assert engine.max_tokens == artifact.manifest.limits.max_tokens
