"""One answer of a chat: deltas as its text comes, and the message that they come to."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.engine.generation import Piece
from freehold.protocol.chat import Delta
from freehold.server.answer import AnswerReader, Gathered, Step, read
from freehold.server.reasoning import ReasoningSplitter
from freehold.server.tools.forms import Form, parser_for

CALLS = (
    '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>\n'
    '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
)


def reader(*, reasons: bool = False, tools: bool = False, one_call: bool = False) -> AnswerReader:
    splitter = ReasoningSplitter(opened=False) if reasons else None
    return AnswerReader(splitter, parser_for(Form.HERMES) if tools else None, one_call=one_call)


def pieces(text: str, cuts: list[int], finish: str = "stop") -> list[Piece]:
    places = [0, *sorted(cuts), len(text)]
    parts = [text[start:end] for start, end in itertools.pairwise(places)]
    return [*(Piece(part) for part in parts[:-1]), Piece(parts[-1], finish=finish)]  # type: ignore[arg-type] # a literal


def steps(one: AnswerReader, text: str, *cuts: int, finish: str = "stop") -> list[Step]:
    found = []
    for piece in pieces(text, list(cuts), finish):
        found.append(one.read(piece))
        if found[-1].finish is not None:
            break
    return found


def deltas(found: list[Step]) -> list[Delta]:
    return [delta for step in found for delta in step.deltas]


def message(found: list[Step]) -> Any:
    gathered = Gathered()
    for delta in deltas(found):
        gathered.add(delta)
    return json.loads(msgspec.json.encode(gathered.message()))


def test_text_is_content_and_the_first_delta_has_the_role() -> None:
    """One delta a piece, none for a piece without text."""
    found = steps(reader(), "Hello", 2, 2)
    assert [(delta.role, delta.content) for delta in deltas(found)] == [
        ("assistant", "He"),
        (msgspec.UNSET, "llo"),
    ]
    assert [step.finish for step in found] == [None, None, "stop"]


def test_an_empty_answer_has_a_role_and_empty_content() -> None:
    """The model ended at once."""
    (delta,) = deltas(steps(reader(), ""))
    assert (delta.role, delta.content) == ("assistant", "")
    assert message(steps(reader(), "")) == {"role": "assistant", "content": ""}


def test_reasoning_is_split_off() -> None:
    """In deltas of its own."""
    found = steps(reader(reasons=True), "<think>\nHm.\n</think>\n\nYes.", 3, 11)
    assert message(found) == {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm.\n"}
    assert not any(delta.content and delta.reasoning_content for delta in deltas(found))


def test_calls_come_one_after_another_id_and_name_first() -> None:
    """The rest of a call's fragments are arguments alone, with the call's index."""
    found = steps(reader(tools=True), CALLS, 30, 40, 60)
    calls = [call for delta in deltas(found) for call in delta.tool_calls or ()]
    indices = [call.index for call in calls]
    assert indices == sorted(indices)
    for index in (0, 1):
        first, *rest = (json.loads(msgspec.json.encode(call)) for call in calls if call.index == index)
        assert first.keys() == {"index", "id", "type", "function"}
        assert first["function"].keys() == {"name", "arguments"}
        assert all(fragment.keys() == {"index", "function"} for fragment in rest)
        assert all(fragment["function"].keys() == {"arguments"} for fragment in rest)
    assert found[-1].finish == "tool_calls"


def test_a_message_holds_whole_calls() -> None:
    """Without an index, their arguments as JSON text, and null content."""
    found = message(steps(reader(tools=True), CALLS))
    assert found["content"] is None
    assert [call["function"] for call in found["tool_calls"]] == [
        {"name": "add", "arguments": '{"a": 1}'},
        {"name": "now", "arguments": "{}"},
    ]
    assert all(call["type"] == "function" and call["id"] and "index" not in call for call in found["tool_calls"])


def test_one_call_ends_the_answer_where_one_is_allowed() -> None:
    """What the model would still say is not waited for."""
    found = steps(reader(tools=True, one_call=True), CALLS, len(CALLS) // 2 + 12)
    assert len(found) == 1
    assert found[-1].finish == "tool_calls"
    assert len(message(found)["tool_calls"]) == 1


def test_an_answer_cut_in_a_call_says_so() -> None:
    """`length` goes before `tool_calls`: the arguments are no whole JSON."""
    found = steps(reader(tools=True), CALLS[:46], finish="length")
    assert found[-1].finish == "length"
    assert message(found)["tool_calls"][0]["function"]["name"] == "add"


def test_text_held_back_comes_with_the_end() -> None:
    """What might have become a marker was none."""
    assert message(steps(reader(reasons=True, tools=True), "a < b <tool"))["content"] == "a < b <tool"


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "\n", "a", "数 ", CALLS, "<tool_call>", '{"x"']), max_size=6),
    st.lists(st.integers(0, 60), max_size=6),
)
@settings(max_examples=150)
def test_how_the_text_is_cut_never_changes_the_message(parts: list[str], cuts: list[int]) -> None:
    """Ids of calls aside, which are drawn."""
    text = "".join(parts)
    whole = message(steps(reader(reasons=True, tools=True), text))
    cut = message(steps(reader(reasons=True, tools=True), text, *(cut for cut in cuts if cut < len(text))))
    for found in (whole, cut):
        for call in found.get("tool_calls", []):
            call.pop("id")
    assert whole == cut


def test_the_pieces_are_closed_when_the_answer_is_over() -> None:
    """Also when the reader ends it before the model does."""
    closed = []

    async def endless() -> AsyncGenerator[Piece, None]:
        try:
            while True:
                yield Piece(CALLS)
        finally:
            closed.append(True)

    async def run() -> list[Step]:
        return [step async for step in read(endless(), reader(tools=True, one_call=True))]

    assert len(asyncio.run(run())) == 1
    assert closed == [True]
