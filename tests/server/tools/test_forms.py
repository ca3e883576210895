"""A chat template tells the form of its model's calls."""

from pathlib import Path

import pytest

from freehold.server.tools.forms import MARKS, Form, detect_form, mark_ids, parser_for
from freehold.server.tools.hermes import HermesParser
from freehold.server.tools.llama import LlamaParser
from freehold.server.tools.mistral import MistralParser

TEMPLATES = Path(__file__).parents[1] / "chat_templates"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("qwen", Form.HERMES),
        ("hermes", Form.HERMES),
        ("llama", Form.LLAMA),
        ("mistral", Form.MISTRAL),
        ("deepthink", None),
        ("parts", None),
    ],
)
def test_a_template_tells_its_form(name: str, form: Form | None) -> None:
    """By the marks that it writes around calls; one that takes no tools has none."""
    assert detect_form((TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")) is form


@pytest.mark.parametrize(
    ("source", "form"),
    [
        (None, None),
        ("", None),
        ("{% if tools %}[TOOL_CALLS]{{ name }}[ARGS]{% endif %}", Form.MISTRAL_ARGS),
        ("{% if tools %}<|python_tag|>{% endif %}", Form.LLAMA),
        ("{% if tools %}<tool_call><function={{ name }}>{% endif %}", None),
        ("{% if tools %}<tool_call>{{ name }}<arg_key>{% endif %}", None),
        ("{% if tools %}{{ tools }}{% endif %}", None),
        ("{{ 'never say <tool_call>' }}", None),
    ],
)
def test_forms_that_are_not_known_are_not_taken_for_others(source: str | None, form: Form | None) -> None:
    """Some write <tool_call> around what is no JSON."""
    assert detect_form(source) is form


@pytest.mark.parametrize("form", Form)
def test_each_form_has_its_parser_and_marks(form: Form) -> None:
    """Fresh for each answer."""
    kinds = {Form.HERMES: HermesParser, Form.LLAMA: LlamaParser}
    assert isinstance(parser_for(form), kinds.get(form, MistralParser))
    assert parser_for(form) is not parser_for(form)
    assert MARKS[form]


def test_marks_that_are_one_token_have_its_id() -> None:
    """Those that the tokenizer splits have none."""
    ids = {"[TOOL_CALLS]": [5], "[CALL_ID]": [1, 2, 3], "[ARGS]": [7]}
    assert mark_ids(Form.MISTRAL_ARGS, ids.__getitem__) == {"[TOOL_CALLS]": 5, "[ARGS]": 7}
