"""The forms in which model families write tool calls, told by their chat templates."""

from collections.abc import Callable
from enum import StrEnum

from freehold.server.tools.events import ToolCallParser
from freehold.server.tools.hermes import BEGIN, END, HermesParser
from freehold.server.tools.llama import TAG, LlamaParser
from freehold.server.tools.mistral import ARGS, CALL_ID, CALLS, MistralParser


class Form(StrEnum):
    """How a model writes a tool call."""

    HERMES = "hermes"  # <tool_call>{"name", "arguments"}</tool_call>; Qwen 2.5 and 3 too
    LLAMA = "llama3"  # {"name", "parameters"} as the whole answer
    MISTRAL = "mistral"  # [TOOL_CALLS] [{"name", "arguments"}, ...]
    MISTRAL_ARGS = "mistral_args"  # [TOOL_CALLS]name[ARGS]{...}


MARKS: dict[Form, tuple[str, ...]] = {
    Form.HERMES: (BEGIN, END),
    Form.LLAMA: (TAG,),
    Form.MISTRAL: (CALLS,),
    Form.MISTRAL_ARGS: (CALLS, CALL_ID, ARGS),
}
"""What surrounds calls. In some tokenizers these are special tokens: an engine must not drop them from its text."""

_OTHERS = ("<function=", "<arg_key>", "<parameter=")  # forms that also write <tool_call>, around something else


def detect_form(source: str | None) -> Form | None:
    """The form that a chat template's source teaches and shows the model; None where it is none of these."""
    if source is None or "tools" not in source:
        return None
    if BEGIN in source:
        return None if any(mark in source for mark in _OTHERS) else Form.HERMES
    if CALLS in source:
        return Form.MISTRAL_ARGS if ARGS in source else Form.MISTRAL
    if TAG in source or ("<|start_header_id|>" in source and "parameters" in source):
        return Form.LLAMA
    return None


def parser_for(form: Form) -> ToolCallParser:
    """A fresh parser of one answer."""
    if form is Form.HERMES:
        return HermesParser()
    return LlamaParser() if form is Form.LLAMA else MistralParser()


def mark_ids(form: Form, encode: Callable[[str], list[int]]) -> dict[str, int]:
    """The marks of a form that are one token each for this tokenizer (`TextEngine.encode`), with the token's id."""
    encoded = {mark: encode(mark) for mark in MARKS[form]}
    return {mark: ids[0] for mark, ids in encoded.items() if len(ids) == 1}
