"""The plugin's reading of streams, and the forgiving one beside it."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.dify.checking.plugin_stream import NON_JSON, blocks, chunks, hear, heard_kindly


def frame(end: str = "\n\n", **fields: object) -> str:
    """One data frame."""
    return f"data: {json.dumps(fields, ensure_ascii=False)}{end}"


def words(*texts: str, end: str = "\n\n") -> str:
    """Frames of text, a reason, and [DONE]."""
    frames = [frame(end, choices=[{"delta": {"content": text}}]) for text in texts]
    return "".join([*frames, frame(end, choices=[{"delta": {}, "finish_reason": "stop"}]), f"data: [DONE]{end}"])


def test_text_usage_and_reason_are_read() -> None:
    """Comments and [DONE] are passed over; the last reason and usage count."""
    heard = hear(": ping\n\n" + words("你", "好") + frame(choices=[], usage={"prompt_tokens": 3}))
    assert (heard.text, heard.finish_reason, heard.usage) == ("你好", "stop", {"prompt_tokens": 3})


def test_other_line_ends_end_the_answer_at_once() -> None:
    """The whole stream is one frame that is no JSON."""
    for end in ("\r\n\r\n", "\n"):
        heard = hear(words("a", "b", end=end))
        assert (heard.text, heard.finish_reason) == ("", NON_JSON)
        assert heard_kindly(words("a", "b", end=end)).text == "ab"
    assert hear(words("a", "b", end="\r\n\r\n"), delimiter="\r\n\r\n").text == "ab"


def test_what_the_plugin_raises_is_told() -> None:
    """No choices, an error in their place, choices of another shape."""
    assert hear(frame(object="ping")).raised == "KeyError: 'choices'"
    assert hear(frame(error={"message": "full"})).raised == "ValueError: {'message': 'full'}"
    assert hear(frame(choices=[3])).raised.startswith("AttributeError")
    assert hear("data: 7\n\n").raised == "KeyError: 'choices'"


def test_fragments_are_joined_by_id() -> None:
    """One without an id goes to the last call, whatever its index says."""
    fragments = [
        {"index": 0, "id": "a", "function": {"name": "lamp", "arguments": "{"}},
        {"index": 1, "id": "b", "function": {"name": "heater", "arguments": ""}},
        {"index": 0, "function": {"arguments": "}"}},
        {"index": 1, "id": None, "function": {"name": None, "arguments": None}},
    ]
    heard = hear("".join(frame(choices=[{"delta": {"tool_calls": [one]}}]) for one in fragments))
    assert [(call.name, call.arguments) for call in heard.calls] == [("lamp", "{"), ("heater", "}")]


def test_reasoning_is_read_in_both_fields() -> None:
    """`reasoning_content`, or `reasoning`."""
    deltas = [{"reasoning_content": "a"}, {"reasoning": "b"}, {"content": None}]
    assert hear("".join(frame(choices=[{"delta": delta}]) for delta in deltas)).reasoning == "ab"


def test_events_are_cut_by_the_standards_rule() -> None:
    """Any line end, empty lines between events."""
    assert list(blocks("event: x\r\ndata: 1\r\n\r\n: c\n\ndata: 2")) == [["event: x", "data: 1"], [": c"], ["data: 2"]]
    assert chunks("data: 1\r\n\r\ndata: x\ndata:2\n\n") == [1, 2]


@given(st.lists(st.text(max_size=8), max_size=4))
@settings(max_examples=50, deadline=None)
def test_any_text_is_read_as_it_was_written(texts: list[str]) -> None:
    """JSON has no line feeds: whatever a model says, frames stay frames."""
    assert hear(words(*texts)).text == heard_kindly(words(*texts)).text == "".join(texts)


@given(st.text(max_size=80))
@settings(max_examples=50, deadline=None)
def test_nothing_that_comes_is_a_surprise(text: str) -> None:
    """Neither reading raises."""
    hear(f"data: {text}\n\n")
    heard_kindly(f"data: {text}\n\n")
    list(blocks(text))
