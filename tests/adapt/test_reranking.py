"""How rerankers lay out a query and a text."""

import pytest

from freehold.adapt.reranking import QWEN3_PAIR, Reranking, of_template

LAID_OUT = (
    "<|im_start|>system\n"
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n"
    "<Query>: q\n"
    "<Document>: d<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n"
)
ROLES = "{# 'query', 'document' #}"
TEMPLATE = """
{%- for message in messages %}
    {%- if message.role == "query" %}Q: {{ message.content }}
    {%- elif message.role == "document" %} D: {{ message.content | trim }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %} A:{% endif %}"""


def test_qwen3_pairs_are_laid_out_as_its_model_card_does() -> None:
    """Character by character: another space would be another token."""
    assert f"{QWEN3_PAIR.before}q{QWEN3_PAIR.between}d{QWEN3_PAIR.after}" == LAID_OUT


def test_a_template_with_both_roles_lays_out() -> None:
    """What stands around query and document, with the place for the answer."""
    assert of_template(TEMPLATE) == Reranking("Q: ", " D: ", " A:")


@pytest.mark.parametrize(
    "template",
    [
        None,
        "{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}",
        ROLES + "{% for m in messages %}{{ m.role }}{% endfor %}",
        ROLES + "{% for m in messages %}{{ raise_exception(m.role) }}{% endfor %}",
        ROLES + "{{ messages[1].content }}{{ messages[0].content }}",
        ROLES + "{{ messages[0].content }}{{ messages[1].content }}{{ messages[0].content }}",
        ROLES + "{% if %}",
        ROLES + "{{ messages[0].content + 1 }}",
    ],
)
def test_other_templates_lay_out_nothing(template: str | None) -> None:
    """Those without the roles, those that refuse them, those with another order, and those that are none."""
    assert of_template(template) is None
