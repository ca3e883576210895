"""How a reranker made of a decoder lays a query and a text out as one text."""

import re

import jinja2
import msgspec
from jinja2.sandbox import ImmutableSandboxedEnvironment

# Placeholders that no template spells out.
QUERY, TEXT = "\x02query\x03", "\x02text\x03"

ROLES = tuple(re.compile(f"""['"]{role}['"]""") for role in ("query", "document"))


class Reranking(msgspec.Struct, frozen=True):
    """A pair is read as `before` + query + `between` + text, cut at the model's length, and then `after`, uncut."""

    before: str
    between: str
    after: str


QWEN3_PAIR = Reranking(
    before=(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct"
        ' provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
        "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: "
    ),
    between="\n<Document>: ",
    after="<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
)
"""What Qwen3-Reranker was trained on: its model card's text, with the instruction that is its default."""


def of_template(template: str | None) -> Reranking | None:
    """What a chat template for rerankers lays out; None for a template that has no place for query and text.

    Such a template takes two messages, of the roles "query" and "document", as sentence-transformers 5.4 gives them.
    """
    if template is None or not all(role.search(template) for role in ROLES):
        return None  # it may well spell out any role, as ChatML does
    messages = [{"role": "query", "content": QUERY}, {"role": "document", "content": TEXT}]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    try:
        rendered = environment.from_string(template).render(messages=messages, add_generation_prompt=True)
    except (jinja2.TemplateError, TypeError):  # made for chats, it need not bear other roles
        return None
    before, query, rest = rendered.partition(QUERY)
    between, text, after = rest.partition(TEXT)
    if not (query and text) or QUERY in after or TEXT in after:
        return None
    return Reranking(before, between, after)
