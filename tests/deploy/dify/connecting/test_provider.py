"""The form of the provider's plugin."""

from freehold.deploy.dify.connecting.provider import FIELDS, TYPE_NAMES, TYPES


def test_every_field_has_its_label_in_both_languages() -> None:
    """And every choice what it is called."""
    for field in FIELDS:
        assert all(field.label[language] for language in ("en", "zh"))
        assert all(words["en"] and words["zh"] for words in field.choices.values())
    assert set(TYPE_NAMES) == set(TYPES)


def test_a_choice_is_shown_by_its_name_and_text_as_it_is_typed() -> None:
    """Dify's form shows words, its API takes values."""
    fields = {field.name: field for field in FIELDS}
    assert fields["vision_support"].shown("no_support", "zh") == "不支持"
    assert fields["context_size"].shown("512", "en") == "512"
