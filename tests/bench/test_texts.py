"""The seeded texts have the lengths that the page says they have."""

from pathlib import Path
from statistics import mean, median

import pytest

from bench.texts import HAN, SPECIAL_TOKENS, chinese_chunks, english_texts


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    """A small vocab.txt with whole words, pieces and marks."""
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n!\n##ing\nhouse\nrunning\nab\ngarden\nélan\n", encoding="utf-8")
    return path


def test_short_texts_have_a_heavy_tail(vocabulary: Path) -> None:
    """Median 19, mean 30, 4 to 256 tokens, special ones included."""
    lengths = [len(text.split()) + SPECIAL_TOKENS for text in english_texts(vocabulary)]
    assert len(lengths) == 512
    assert 27 < mean(lengths) < 33
    assert 16 < median(lengths) < 22
    assert (min(lengths), max(lengths)) == (4, 256)


def test_a_word_of_a_short_text_is_one_entry_of_the_vocabulary(vocabulary: Path) -> None:
    """Pieces, marks, two-letter words and letters beyond ASCII are left out."""
    assert {word for text in english_texts(vocabulary, 50) for word in text.split()} == {"house", "running", "garden"}


def test_the_same_seed_gives_the_same_texts(vocabulary: Path) -> None:
    """Every server, and every run, gets the same bytes."""
    assert english_texts(vocabulary) == english_texts(vocabulary)
    assert chinese_chunks(3) == chinese_chunks(3)
    assert chinese_chunks(3) != chinese_chunks(3, seed=9)


def test_chunks_are_chinese_and_of_a_knowledge_bases_length() -> None:
    """300 to 500 characters, all of them Chinese but the punctuation."""
    for chunk in chinese_chunks(20):
        assert 300 <= len(chunk) <= 500
        assert all(ord(character) in HAN for character in chunk if character not in "，。")
