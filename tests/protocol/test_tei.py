"""TEI's shapes, read and written."""

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.errors import FreeholdError
from freehold.protocol import tei


def test_inputs_are_a_text_or_texts() -> None:
    """Both for embed and for tokenize; none at all is refused."""
    assert tei.parse_embed(b'{"inputs": "a"}').texts() == ["a"]
    assert tei.parse_tokenize(b'{"inputs": ["a", ""]}').texts() == ["a", ""]
    for read in (tei.parse_embed, tei.parse_tokenize):
        with pytest.raises(FreeholdError, match="list_empty"):
            read(b'{"inputs": []}').texts()


def test_what_is_absent_has_teis_defaults() -> None:
    """Normalised, sigmoid scores, specials; truncation is ours: cut unless it is forbidden outright."""
    embed = tei.parse_embed(b'{"inputs": "a"}')
    assert (embed.normalize, embed.truncate, embed.prompt_name) == (True, None, None)
    rerank = tei.parse_rerank(b'{"query": "q", "texts": ["a"]}')
    assert (rerank.raw_scores, rerank.return_text, rerank.truncate) == (False, False, None)
    assert tei.parse_tokenize(b'{"inputs": "a"}').add_special_tokens


def test_rerank_needs_texts() -> None:
    """An empty list is refused when it is read."""
    with pytest.raises(FreeholdError, match="list_empty"):
        tei.parse_rerank(b'{"query": "q", "texts": []}')


@pytest.mark.parametrize(
    ("body", "tei_s"),
    [
        (b'{"query": "q", "texts": []}', True),
        (b'{"query": "q", "documents": []}', False),
        (b'{"texts": [], "documents": []}', False),
        (b"{}", False),
    ],
)
def test_the_body_tells_whose_rerank_it_is(body: bytes, tei_s: bool) -> None:
    """`texts` is TEI's word, `documents` Jina's; without either it is Jina's call, which says what is missing."""
    assert tei.is_rerank(body) is tei_s


def test_ranks_fall_by_score_and_carry_texts_when_asked() -> None:
    """A bare list, best first."""
    scores = np.array([0.1, 0.7])
    request = tei.parse_rerank(b'{"query": "q", "texts": ["a", "b"]}')
    assert json.loads(tei.encode_rerank(request, scores)) == [{"index": 1, "score": 0.7}, {"index": 0, "score": 0.1}]
    request = tei.parse_rerank(b'{"query": "q", "texts": ["a", "b"], "return_text": true}')
    assert json.loads(tei.encode_rerank(request, scores))[0] == {"index": 1, "score": 0.7, "text": "b"}


def test_vectors_are_a_bare_list_of_lists() -> None:
    """The same float32 is read back; NaN is not sent."""
    vectors = np.array([[0.1, 0.2]], np.float32)
    assert np.array_equal(np.array(json.loads(tei.encode_embed(vectors)), np.float32), vectors)
    with pytest.raises(FreeholdError, match="answer_not_finite"):
        tei.encode_embed(np.array([[np.nan]], np.float32))


def test_prompts_are_put_before_texts_by_name() -> None:
    """No name, no prefix; an unknown one lists those there are."""
    prompts = {"query": "Q: "}
    assert tei.prompted(["a"], None, prompts) == ["a"]
    assert tei.prompted(["a", "b"], "query", prompts) == ["Q: a", "Q: b"]
    with pytest.raises(FreeholdError, match=r"no prompt 'x'; it has \['query'\]"):
        tei.prompted(["a"], "x", prompts)


def test_tokens_and_info_are_written_as_tei_writes_them() -> None:
    """Tokens are one list a text; of the model's type one member is present."""
    tokens = [[tei.Token(2, "[CLS]", True, None, None), tei.Token(9, "a", False, 0, 1)]]
    assert json.loads(tei.encode_tokens(tokens))[0][1] == {
        "id": 9,
        "text": "a",
        "special": False,
        "start": 0,
        "stop": 1,
    }
    model_type = tei.ModelType(embedding=tei.Embedder("cls"))
    info = tei.Info("m", "sha256:0", "float32", model_type, 512, 32, 512, None, 512, 1, True, "0", {})
    assert json.loads(tei.encode_info(info))["model_type"] == {"embedding": {"pooling": "cls"}}


@given(st.sampled_from([tei.parse_embed, tei.parse_rerank, tei.parse_tokenize, tei.is_rerank]), st.binary())
def test_any_bytes_are_read_or_refused(read: object, body: bytes) -> None:
    """Nothing raises anything but a FreeholdError."""
    assert callable(read)
    with suppress(FreeholdError):
        read(body)
