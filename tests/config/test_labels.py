"""Names of services on a network."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config.forms import ID
from freehold.config.labels import LONGEST, label


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bge-m3", "bge-m3"),
        ("Qwen3_32B", "qwen3-32b"),
        ("all-MiniLM-L6-v2.onnx", "all-minilm-l6-v2-onnx"),
        ("a..b__c", "a-b-c"),
        ("3d-cnn", "m-3d-cnn"),
        ("x" * 54, "x" * 54),
        ("x" * 55, "x" * 45 + "-d5e28568"),
    ],
)
def test_a_name_becomes_a_label(name: str, expected: str) -> None:
    """In lower case, with a letter in front, short enough for a revision behind it."""
    assert label(name) == expected


@settings(max_examples=60)
@given(st.from_regex(ID, fullmatch=True))
def test_every_id_has_a_label_that_names_of_services_allow(name: str) -> None:
    """RFC 1035 with room for `-` and eight digits; the label of a label is itself."""
    made = label(name)
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", made)
    assert len(made) <= LONGEST
    assert label(made) == made


def test_long_names_with_one_beginning_stay_apart() -> None:
    """They differ in the hash."""
    assert label("x" * 80 + "a") != label("x" * 80 + "b")
