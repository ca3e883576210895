"""YAML that people compare."""

import pytest
import yaml

from freehold.deploy.yaml_text import as_yaml


def test_several_lines_are_written_as_they_are() -> None:
    """A file within a document reads as the file does; keys keep their order."""
    assert as_yaml({"b": "one\ntwo\n", "a": 1}) == "b: |\n  one\n  two\na: 1\n"


def test_equal_parts_are_written_twice() -> None:
    """No references."""
    part = {"x": [1]}
    assert as_yaml({"a": part, "b": part}) == "a:\n  x:\n  - 1\nb:\n  x:\n  - 1\n"


def test_documents_are_read_back() -> None:
    """Words that YAML would take for others, control characters and spaces at ends of lines too."""
    documents = [{"on": "off", "number": "123", "odd": "a \n\tb\x07\n", "chinese": "模型"}, {"empty": {}, "none": None}]
    assert list(yaml.safe_load_all(as_yaml(*documents))) == documents


@pytest.mark.parametrize("text", ["123456e7", "08123456", "1e3", "1.5e3", "0o17", "y", "N"])
def test_what_others_take_for_no_text_is_quoted(text: str) -> None:
    """kubectl and Compose v2 read by go-yaml, whose numbers and truths are more than PyYAML's."""
    assert as_yaml({"a": text}) == f"a: '{text}'\n"
    assert as_yaml({text: 1}) == f"'{text}': 1\n"
