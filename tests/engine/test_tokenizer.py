"""The model's own tokenizer, without the padding and truncation that its file shipped with."""

from pathlib import Path

import pytest

from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError


@pytest.fixture(scope="module")
def minilm(minilm_folder: Path) -> TextTokenizer:
    """MiniLM's file, which pads every text to 128 and cuts at 128 when it is loaded as it is."""
    return TextTokenizer(minilm_folder / "tokenizer.json", 256)


def test_shipped_padding_is_ignored(minilm: TextTokenizer) -> None:
    """A text of two words has four ids."""
    assert minilm.encode("hello world") == ([101, 7592, 2088, 102], [0, 0, 0, 0], False)


def test_shipped_truncation_is_ignored(minilm: TextTokenizer) -> None:
    """200 words fit into 256 tokens; 300 are cut to exactly 256, specials kept at both ends."""
    assert len(minilm.encode("word " * 200).ids) == 202
    cut = minilm.encode("word " * 300)
    assert (len(cut.ids), cut.ids[0], cut.ids[-1], cut.cut) == (256, 101, 102, True)


def test_pairs_have_types_and_lose_the_longer_side_first(minilm: TextTokenizer) -> None:
    """The short query survives a long text."""
    pair = minilm.encode_pair("what", "word " * 500)
    assert len(pair.ids) == 256
    assert pair.cut
    assert pair.ids[:3] == [101, 2054, 102]
    assert pair.type_ids[:4] == [0, 0, 0, 1]


def test_tokens_show_their_characters(minilm: TextTokenizer) -> None:
    """Offsets are in characters, specials are marked, and they can be left out."""
    tokens = minilm.tokens("hello world")
    assert [token.text for token in tokens] == ["[CLS]", "hello", "world", "[SEP]"]
    assert (tokens[2].start, tokens[2].stop, tokens[0].special) == (6, 11, True)
    assert len(minilm.tokens("hello world", add_special_tokens=False)) == 2


def test_ready_ids_are_cut_like_text(minilm: TextTokenizer) -> None:
    """The last id, a separator, is kept."""
    encoded = minilm.accept_ids([101, *([7592] * 400), 102])
    assert (len(encoded.ids), encoded.ids[-1], encoded.cut) == (256, 102, True)


@pytest.mark.parametrize(
    ("ids", "code"), [([], "input_empty"), ([30522], "token_out_of_range"), ([5, -1], "token_out_of_range")]
)
def test_impossible_ids_are_refused(minilm: TextTokenizer, ids: list[int], code: str) -> None:
    """Each names what is wrong."""
    with pytest.raises(FreeholdError, match=code):
        minilm.accept_ids(ids)


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"model": {"type": "Martian"}}'])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, text: str) -> None:
    """The path is in the message."""
    path = tmp_path / "tokenizer.json"
    path.write_text(text)
    with pytest.raises(FreeholdError, match="tokenizer_unreadable") as caught:
        TextTokenizer(path, 16)
    assert str(path) in caught.value.cause
