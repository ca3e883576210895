"""One call as a JSON object, whole and in pieces, in any order, and what is no call."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.server.tools.call_object import CallObject, Extent, Progress
from freehold.server.tools.events import CallArguments, CallBegin, CallEnd, Event


def read(*pieces: str, name: str | None = None) -> tuple[CallObject, list[Event]]:
    """The object and its events; pieces after its end are not given to it."""
    call = CallObject(0, "id", name)
    events: list[Event] = []
    for piece in pieces:
        if call.progress is Progress.OPEN:
            events += call.push(piece)
    return call, events


def arguments(events: list[Event]) -> str:
    return "".join(event.fragment for event in events if isinstance(event, CallArguments))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{"name": "f", "arguments": {"a": "}\\""}}', '{"a": "}\\""}'),
        ('{ "name" : "f" ,\n"parameters" :{ } }', "{ }"),
        ('{"type": "function", "name": "f", "parameters": {"a": [1, {}]}}', '{"a": [1, {}]}'),
        ('{"name": "f", "arguments": {"a": 1}, "id": "x}"}', '{"a": 1}'),
        ('{"arguments": {"a": "é"}, "name": "f"}', '{"a": "é"}'),
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}', '{"a": 1}'),
        ('{"name": "f", "arguments": null}', "{}"),
        ('{"name": "f"}', "{}"),
    ],
)
def test_a_call_is_read_in_one_piece_and_in_many(text: str, written: str) -> None:
    """Arguments come as the model wrote them, or as JSON where they had to be unpacked."""
    for pieces in ([text + "rest"], list(text)):
        call, events = read(*pieces)
        assert (call.progress, call.begun) == (Progress.DONE, True)
        assert events[0] == CallBegin(0, "id", "f")
        assert events[-1] == CallEnd(0)
        assert arguments(events) == written
    assert read(text + "rest")[0].rest == "rest"


def test_arguments_stream_as_soon_as_the_name_is_known() -> None:
    """Each piece gives its fragment at once."""
    call = CallObject(0, "id")
    assert call.push('{"name": "f", "argum') == []
    assert call.push('ents": {"a') == [CallBegin(0, "id", "f"), CallArguments(0, '{"a')]
    assert call.push('": 1') == [CallArguments(0, '": 1')]
    assert call.push("}") == [CallArguments(0, "}")]
    assert call.push("}") == [CallEnd(0)]


@pytest.mark.parametrize(
    "text",
    [
        "no object",
        '{"title": "x"}',
        "{'name': 'f'}",
        "{}",
        "[1]",
        '{"name": 3, "arguments": {}}',
        '{"name": "", "arguments": {}}',
        '{"name": "f", "arguments": [1]}',
        '{"name": "f", "arguments": "x"}',
        '{"name": "f", "age": 3}',
        '{"name": "\\ud800", "arguments": {}}',
        '{"arguments": {"a": "\\ud800"}, "name": "f"}',
        '{"name": "f", "arguments": }',
    ],
)
def test_what_is_no_call_is_given_back(text: str) -> None:
    """All of it, whether it came in one piece or in many."""
    call, events = read(text)
    assert (call.progress, call.begun, call.rest, events) == (Progress.BROKEN, False, text, [])
    call, events = read(*text)
    assert (call.progress, events) == (Progress.BROKEN, [])
    assert text.startswith(call.rest)


@pytest.mark.parametrize("text", ['{"name": "f", "arguments": {"a"', '{"name": "f", "arguments": {}', '{"name": "f'])
def test_an_answer_may_end_within_a_call(text: str) -> None:
    """A call that has begun ends; one that has not is given back."""
    call, events = read(text)
    more = call.flush()
    if events:
        assert more == [CallEnd(0)]
        assert call.progress is Progress.DONE
    else:
        assert (call.progress, call.rest) == (Progress.BROKEN, text)


def test_a_missing_bracket_ends_the_call_and_loses_nothing() -> None:
    """What stands where the bracket should be is given back."""
    call, events = read('{"name": "f", "arguments": {}', "\n</tool_call>")
    assert (call.progress, call.rest, events[-1]) == (Progress.BROKEN, "</tool_call>", CallEnd(0))
    call, _ = read('{"name": "f", "arguments": {}, "id": "x')
    assert call.flush() == [CallEnd(0)]
    assert call.rest == ', "id": "x'


def test_a_name_before_the_object_makes_it_the_arguments() -> None:
    """Mistral's newer form."""
    call, events = read('{"name": ', '"x"}[TOOL', name="f")
    assert events == [
        CallBegin(0, "id", "f"),
        CallArguments(0, '{"name": '),
        CallArguments(0, '"x"}'),
        CallEnd(0),
    ]
    assert call.rest == "[TOOL"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(JSON.filter(lambda value: isinstance(value, list | dict)), st.text(max_size=5))
def test_an_extent_is_the_parsers(value: object, rest: str) -> None:
    """The end that is found without parsing is where the JSON text ends."""
    text = json.dumps(value, ensure_ascii=False)
    assert Extent().end(text + rest) == len(text)
    extent = Extent()
    assert [extent.end(character) for character in text] == [None] * (len(text) - 1) + [1]
