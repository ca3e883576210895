"""What a README's front matter says."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.model_card import Card, card_of, read_card


@pytest.mark.parametrize(
    ("front", "card"),
    [
        ("license: mit", Card("mit")),
        ("license: other\nlicense_name: qwen", Card("qwen")),
        ("license: other", Card("other")),
        ("base_model: a/b", Card("", ("a/b",))),
        ("base_model: [a/b, c/d]\nlicense: [mit]", Card("", ("a/b", "c/d"))),
        ("license: 3", Card()),
        ("- a list", Card()),
        ("{: broken", Card()),
    ],
)
def test_licence_and_origin(front: str, card: Card) -> None:
    """Of each form that publishers write; what is none is left out."""
    assert card_of(f"---\n{front}\n---\n# Model") == card


@pytest.mark.parametrize("text", ["", "# Model\nlicense: mit", "---\nlicense: mit"])
def test_a_text_without_front_matter(text: str) -> None:
    """Says nothing."""
    assert card_of(text) == Card()


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    """Says nothing either: the card is for display."""
    assert read_card(tmp_path / "README.md") == Card()
    (tmp_path / "README.md").write_bytes(b"\xff\xfe---")
    assert read_card(tmp_path / "README.md") == Card()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_has_a_card(text: str) -> None:
    """Whatever a README holds."""
    assert isinstance(card_of(f"---\n{text}\n---\n"), Card)
