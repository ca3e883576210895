"""How one model is spoken to, and how its text is read: its chat template, reasoning markers and form of tool calls."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from freehold.engine.generation import Constraint, TextEngine
from freehold.errors import FreeholdError
from freehold.protocol.chat import ChatRequest
from freehold.protocol.generation import ResponseFormat
from freehold.server.answer import AnswerReader
from freehold.server.chat_template import ChatTemplate, variables
from freehold.server.generation import text_engine
from freehold.server.models import Served
from freehold.server.reasoning import Markers, ReasoningSplitter, markers_of, opened
from freehold.server.tools.definitions import parse_tools
from freehold.server.tools.forms import Form, detect_form, mark_ids, parser_for
from freehold.server.tools.grammar import behind_reasoning, either, grammar_for


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model is asked in one request for a chat, and how its answers are to be read."""

    prompt: list[int]
    constraint: Constraint | None
    markers: Markers | None
    opened: bool  # the prompt ends inside reasoning
    form: Form | None  # None without tools
    one_call: bool

    def reader(self) -> AnswerReader:
        """A reader of one answer."""
        splitter = None if self.markers is None else ReasoningSplitter(*self.markers, opened=self.opened)
        parser = None if self.form is None else parser_for(self.form)
        return AnswerReader(splitter, parser, one_call=self.one_call)


class ChatFormat:
    """One model's format. `template_kwargs` is what its configuration hands to the template.

    Raises FreeholdError `template_missing` and `template_invalid`.
    """

    def __init__(self, engine: TextEngine, model: str, template_kwargs: Mapping[str, Any]) -> None:
        self.engine = engine
        self._model = model
        self._template_kwargs = template_kwargs
        self._template = ChatTemplate(engine.chat_template(), engine.special_tokens(), model)
        self._markers = markers_of(self._template.source)
        self._form = detect_form(self._template.source)
        self._ids = {} if self._form is None else mark_ids(self._form, engine.encode)
        self._marker_ids = {mark: ids[0] for mark in self._markers or () if len(ids := engine.encode(mark)) == 1}

    @property
    def calls_tools(self) -> bool:
        """Whether the model can be given tools, and its calls be read."""
        return self._form is not None and self._template.takes_tools

    def turn(self, request: ChatRequest) -> Turn:
        """The prompt of a request and all that follows from it.

        Raises what `ChatTemplate.render`, `parse_tools` and `grammar_for` raise, and `parameter_invalid`.
        """
        tools = request.usable_tools
        constraint = self._constraint(request)
        prompt = self._template.render(
            request.messages,
            tools or None,
            add_generation_prompt=request.add_generation_prompt is not False,
            continue_final_message=bool(request.continue_final_message),
            kwargs=variables(self._template_kwargs, request.chat_template_kwargs, request.enable_thinking),
        )
        reasons = self._markers is not None and opened(prompt, self._markers)
        if constraint is not None and self._markers is not None:
            constraint = behind_reasoning(constraint, self._markers, reasons, self._marker_ids)
        return Turn(
            self.engine.encode(prompt),
            constraint,
            self._markers,
            reasons,
            self._form if tools else None,
            request.parallel_tool_calls is False,
        )

    def _constraint(self, request: ChatRequest) -> Constraint | None:
        """What the answer must look like: a call where one is forced, else what `response_format` says.

        Where the model may call or not, both: Dify sends an agent's tools beside the format that its user chose.
        """
        tools = parse_tools(request.tools or [])
        if request.usable_tools and self._form is None:
            reason = "the form of its tool calls is not known"
            raise FreeholdError("tools_unsupported", model=self._model, reason=reason)
        several = request.parallel_tool_calls is not False
        grammar = partial(grammar_for, tools, form=self._form, model=self._model, parallel=several, ids=self._ids)
        call = grammar(request.tool_choice)
        form = form_of(request.response_format)
        if form is not None and call is None and request.usable_tools:
            free_call = grammar("required")
            assert free_call is not None, "there are tools"
            return either(free_call, form)
        return call or form


class ChatFormats:
    """The formats of a node's models, each made when its model is first spoken to."""

    def __init__(self) -> None:
        self._formats: dict[str, ChatFormat] = {}

    def of(self, served: Served) -> ChatFormat:
        """The format of a model of kind `generate`; made anew when another engine stands behind its name."""
        engine = text_engine(served)
        known = self._formats.get(served.id)
        if known is None or known.engine is not engine:
            known = self._formats[served.id] = ChatFormat(engine, served.id, served.template_kwargs)
        return known


def form_of(wanted: ResponseFormat | None) -> Constraint | None:
    """What `response_format` asks of the answer. Raises `parameter_invalid`."""
    schema = None if wanted is None else wanted.schema()
    if wanted is None or schema is None:
        return None
    if wanted.type == "json_object":
        return Constraint("json_object", "{}")
    return Constraint("json_schema", json.dumps(schema, ensure_ascii=False))
