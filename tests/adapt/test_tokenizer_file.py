"""The tokenizer of an artifact is the folder's, without what its last user had set."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from freehold.adapt.tokenizer_file import write_tokenizer
from freehold.errors import FreeholdError

TEXT = "Hello, 丁 World"


def test_padding_and_truncation_go(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """The shipped file pads and cuts to 16; what is written gives every token and no more."""
    source = tiny_bert_folder / "tokenizer.json"
    assert len(Tokenizer.from_file(str(source)).encode("a")) == 16
    tokenizer = write_tokenizer(source, tmp_path / "tokenizer.json", vocab_size=1000, lower_case=False)
    for each in (tokenizer, Tokenizer.from_file(str(tmp_path / "tokenizer.json"))):
        assert len(each.encode("a")) == 3
        assert len(each.encode("a " * 40)) == 42


def test_ids_stay_the_same(tiny_reranker_folder: Path, tmp_path: Path) -> None:
    """Everything but padding and truncation is the folder's own."""
    source = tiny_reranker_folder / "tokenizer.json"
    written = write_tokenizer(source, tmp_path / "tokenizer.json", vocab_size=1000, lower_case=False)
    assert written.encode(TEXT, TEXT).ids == Tokenizer.from_file(str(source)).encode(TEXT, TEXT).ids


def test_lower_case_is_done_before_anything_else(tiny_reranker_folder: Path, tmp_path: Path) -> None:
    """sentence-transformers' do_lower_case, for a tokenizer that tells case apart and has no normalizer of its own."""
    source = tiny_reranker_folder / "tokenizer.json"
    written = write_tokenizer(source, tmp_path / "tokenizer.json", vocab_size=1000, lower_case=True)
    plain = Tokenizer.from_file(str(source))
    assert written.encode(TEXT).ids == plain.encode(TEXT.lower()).ids != plain.encode(TEXT).ids


def test_lower_case_keeps_the_normalizer(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """It comes in front of it."""
    written = write_tokenizer(
        tiny_bert_folder / "tokenizer.json", tmp_path / "tokenizer.json", vocab_size=1000, lower_case=True
    )
    kinds = json.loads(written.to_str())["normalizer"]["normalizers"]
    assert [kind["type"] for kind in kinds] == ["Lowercase", "BertNormalizer"]


def test_more_ids_than_embeddings_are_refused(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """Such an id would make the graph look beyond its table in the middle of a request."""
    with pytest.raises(FreeholdError, match="vocab_size 300") as caught:
        write_tokenizer(tiny_bert_folder / "tokenizer.json", tmp_path / "t.json", vocab_size=300, lower_case=False)
    assert caught.value.code == "tokenizer_file_invalid"
    assert not (tmp_path / "t.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"model": {"type": "Nothing"}}'])
def test_what_is_no_tokenizer_is_refused(text: str, tmp_path: Path) -> None:
    """No JSON, no object, no model, an unknown model."""
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(FreeholdError) as caught:
        write_tokenizer(tmp_path / "tokenizer.json", tmp_path / "t.json", vocab_size=300, lower_case=False)
    assert caught.value.code == "tokenizer_file_invalid"
