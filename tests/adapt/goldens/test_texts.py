"""The texts of goldens."""

from freehold.adapt.goldens.texts import LABELLED, TEXTS


def test_texts_are_of_many_kinds() -> None:
    """Empty, punctuation, Chinese, a line break, a long one; none longer than MiniLM's 128-token habit."""
    assert "" in TEXTS
    assert any("\u4e00" <= letter <= "\u9fff" for text in TEXTS for letter in text)
    assert any("\n" in text for text in TEXTS)
    assert 300 < max(len(text) for text in TEXTS) < 500


def test_every_text_has_its_shape_class() -> None:
    """The classes are those of a parity report, and what is called Chinese holds Chinese."""
    assert {label for label, _ in LABELLED} == {"short", "long", "en", "zh"}
    for label, text in LABELLED:
        assert (label == "zh") == any("\u4e00" <= letter <= "\u9fff" for letter in text)
