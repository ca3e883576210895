"""From messages to the prompt of one model, by the chat template in its folder."""

import secrets
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from freehold.errors import FreeholdError
from freehold.server.chat_messages import ROLES, content_form, for_template
from freehold.server.template_sandbox import OverrunError, RefusalError, Sandbox

_GIVEN = frozenset({"messages", "tools", "add_generation_prompt", "raise_exception", "strftime_now", "namespace"})
"""What no request may set beside the special tokens: the server gives these to every template."""

_FAILURES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a template's own mistakes raise: undefined names, wrong types, recursion without an end."""


class ChatTemplate:
    """One model's chat template, compiled. It may be rendered by several threads at once.

    `source` is what `TextEngine.chat_template()` gives, `special_tokens` what `TextEngine.special_tokens()` gives, and
    `model` the name that errors show. Raises FreeholdError `template_missing` where there is no source, and
    `template_invalid` (with the line) where it is not Jinja.
    """

    def __init__(self, source: str | None, special_tokens: Mapping[str, str], model: str) -> None:
        if source is None:
            raise FreeholdError("template_missing", model=model)
        self.source = source
        self.model = model
        self._special_tokens = dict(special_tokens)
        self._reserved = _GIVEN | special_tokens.keys()
        try:
            self._sandbox = Sandbox(source)
        except TemplateSyntaxError as error:
            reason = error.message or "a mistake of syntax"
            raise FreeholdError("template_invalid", model=model, line=error.lineno, reason=reason) from error
        except (SyntaxError, *_FAILURES) as error:  # nested deeper than Python's own compiler goes
            raise FreeholdError("template_invalid", model=model, line=1, reason=f"nested too deep ({error})") from error
        tree = self._sandbox.tree
        self.content_form = content_form(tree)
        self.takes_tools = "tools" in meta.find_undeclared_variables(tree)
        self._roles = frozenset(role for role in ROLES if _names(tree, role))

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] | None,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
        kwargs: Mapping[str, Any] | None = None,
    ) -> str:
        """The prompt, special tokens written out, to be encoded without adding any.

        `messages` and `tools` are decoded JSON in OpenAI's form. With `continue_final_message` the prompt ends where
        the last message's text ends, and no generation prompt is added. `kwargs`: what `variables` gives.

        Raises FreeholdError `message_role_unknown`, `message_invalid`, `content_unsupported`, `tools_unsupported`
        (the template never looks at tools), `template_refused` (its `raise_exception`), `template_failed`,
        `template_overrun`, `template_variable_reserved`.
        """
        kwargs = kwargs or {}
        for name in self._reserved & kwargs.keys():
            raise FreeholdError("template_variable_reserved", name=name, param="chat_template_kwargs")
        if tools and not self.takes_tools:
            reason = "its chat template writes none into the prompt"
            raise FreeholdError("tools_unsupported", model=self.model, reason=reason, param="tools")
        taken = for_template(messages, self.content_form, self._roles, self.model)
        mark = _mark_end(taken[-1]) if continue_final_message else None
        prompt = self._rendered(
            {
                "documents": None,
                **self._special_tokens,
                **kwargs,
                "messages": taken,
                "tools": list(tools) if tools else None,
                "add_generation_prompt": add_generation_prompt and not continue_final_message,
            }
        )
        return prompt if mark is None else self._cut(prompt, mark)

    def _rendered(self, variables: Mapping[str, Any]) -> str:
        try:
            return self._sandbox.render(variables)
        except RefusalError as error:
            raise FreeholdError("template_refused", model=self.model, reason=error.message, param="messages") from error
        except OverrunError as error:
            raise FreeholdError("template_overrun", model=self.model, reason=error.message) from error
        except _FAILURES as error:
            reason = f"{type(error).__name__}: {error}"
            raise FreeholdError("template_failed", model=self.model, line=_line(error), reason=reason) from error

    def _cut(self, prompt: str, mark: str) -> str:
        """The prompt up to the mark; without the spaces before it where the template trims its messages."""
        before, found, after = prompt.rpartition(mark)
        if not found:
            reason = "the last message does not stand in the prompt, so that it cannot be continued"
            raise FreeholdError("template_refused", model=self.model, reason=reason)
        return before if after.startswith(" ") else before.rstrip()


def variables(
    defaults: Mapping[str, Any], chat_template_kwargs: Mapping[str, Any] | None, enable_thinking: bool | None
) -> dict[str, Any]:
    """The template's variables of one request: the model's defaults (`chat_template_kwargs` in the configuration), then
    the request's `chat_template_kwargs`, then its own `enable_thinking`."""
    asked = {} if enable_thinking is None else {"enable_thinking": enable_thinking}
    return {**defaults, **(chat_template_kwargs or {}), **asked}


def _mark_end(message: dict[str, Any]) -> str:
    """Put a mark at the end of the message's text. The space after it shows whether the template trims."""
    mark = f"end-{secrets.token_hex(12)}"
    content = message["content"]
    if isinstance(content, str):
        message["content"] = f"{content}{mark} "
    else:
        content.append({"type": "text", "text": f"{content.pop()['text'] if content else ''}{mark} "})
    return mark


def _names(tree: nodes.Template, role: str) -> bool:
    """Whether the template compares something with this role."""
    return any(role == const.value for const in tree.find_all(nodes.Const))


def _line(error: BaseException) -> int:
    """The template's line: Jinja rewrites tracebacks so that a frame of the template has its own."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return lines[-1] or 0 if lines else 0
