"""Each text, or each list of ids, is a sequence."""

from pathlib import Path

import pytest

from freehold.adapt import graphs
from freehold.artifact import Artifact
from freehold.engine.base import EmbedRequest, RerankRequest
from freehold.engine.embed import TextReader, open_embed
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError


@pytest.fixture(scope="module")
def artifact(tiny_bert_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The tiny BERT's."""
    return Artifact.open(graphs.build(tiny_bert_folder, tmp_path_factory.mktemp("embed")))


@pytest.fixture(scope="module")
def tokenizer(artifact: Artifact) -> TextTokenizer:
    """Cuts at 16 tokens."""
    return TextTokenizer(artifact.tokenizer, 16)


def test_texts_and_ids_become_sequences_in_order(tokenizer: TextTokenizer) -> None:
    """Texts get their special tokens and are cut; ids are taken as they are."""
    first, second, third = TextReader().encode(tokenizer, EmbedRequest(["word", [2, 40, 3], "word " * 99]))
    assert first.ids == tokenizer.encode("word").ids
    assert (second.ids, second.cut) == ([2, 40, 3], False)
    assert (len(third.ids), third.cut) == (16, True)


def test_characters_count_texts_only() -> None:
    """Ids need no tokenizing."""
    assert TextReader().characters(EmbedRequest(["abc", "", [1, 2, 3], "二"])) == 4


def test_no_texts_are_refused(tokenizer: TextTokenizer) -> None:
    """An empty list is a mistake of the client; its name is OpenAI's."""
    with pytest.raises(FreeholdError, match="input_empty") as caught:
        TextReader().encode(tokenizer, EmbedRequest([]))
    assert caught.value.details == {"name": "input"}


def test_another_kind_of_request_is_a_defect(tokenizer: TextTokenizer) -> None:
    """Servers know the kind of a model before they ask it."""
    with pytest.raises(TypeError, match="RerankRequest"):
        TextReader().encode(tokenizer, RerankRequest("q", ["t"]))
    with pytest.raises(TypeError, match="RerankRequest"):
        TextReader().characters(RerankRequest("q", ["t"]))


def test_the_engine_is_not_loaded_yet(artifact: Artifact) -> None:
    """Opening reads the manifest alone; limits are known."""
    engine = open_embed(artifact, EngineSettings(tune=False))
    assert not engine.ready()
    assert engine.max_tokens == artifact.manifest.limits.max_tokens == 64
    assert engine.capacity().unit == "tokens"
