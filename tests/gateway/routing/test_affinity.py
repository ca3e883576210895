"""The beginning of a conversation, found in bodies of every kind."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.gateway.routing.affinity import BLOCK, LONGEST, SEARCHED, conversation

SYSTEM = {"role": "system", "content": 'Say "ja" or {nothing} [at all] \\ '}
TEXT = st.text(max_size=40)
CONTENT = st.one_of(TEXT, st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": TEXT}), max_size=3))


def chat(*messages: Any, **fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": messages, **fields}).encode()


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


@settings(max_examples=80, deadline=None)
@given(st.lists(CONTENT, max_size=2), CONTENT, st.lists(CONTENT, max_size=4), st.booleans())
def test_all_turns_of_a_conversation_have_one_key(
    before: list[Any], first: Any, later: list[Any], turned: bool
) -> None:
    """Whatever stands in the messages, and in whichever order their fields come."""
    opening = [*(said("system", content) for content in before), said("user", first)]
    if turned:
        opening = [dict(reversed(message.items())) for message in opening]
    turns = [said("assistant" if place % 2 == 0 else "user", content) for place, content in enumerate(later)]
    assert conversation(chat(*opening)) == conversation(chat(*opening, *turns, stream=True))


def test_conversations_are_told_apart_by_their_first_question() -> None:
    """Of one program, which says the same to its model before each; two programs are told apart by that."""
    bodies = [
        chat(SYSTEM, said("user", "one")),
        chat(SYSTEM, said("user", "two")),
        chat(said("system", "Else."), said("user", "one")),
    ]
    assert len({conversation(body) for body in bodies}) == 3
    assert conversation(bodies[0]).endswith(b'"one"}')


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", "w" * 5000),
        ("input", "w" * 5000),
        ("text_input", "w" * 5000),
        ("prompt", ["w" * 5000]),
        ("prompt", list(range(1000, 3000))),
    ],
)
def test_a_growing_prompt_keeps_its_key(name: str, value: Any) -> None:
    """As text, as a list of texts, as tokens."""
    longer = value + value if isinstance(value, str) else [*value[:-1], value[-1] * 2]
    keys = [conversation(json.dumps({"model": "m", name: text}).encode()) for text in (value, longer)]
    assert keys[0] == keys[1]
    assert len(keys[0]) == BLOCK


def test_what_is_too_long_is_known_by_its_beginning() -> None:
    """An image in the first question, or a body cut short."""
    image = said("user", [{"type": "image_url", "image_url": {"url": "A" * (1 << 20)}}])
    first, second = conversation(chat(image)), conversation(chat(image, said("assistant", "x")))
    assert first == second
    assert len(first) == LONGEST


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"",
        b'{"model": "messages"}',
        b'{"model": "m", "query": "q", "documents": []}',
        b'{"x": "%b", "messages": []}' % (b"y" * SEARCHED),
    ],
)
def test_what_is_no_conversation_has_no_key(body: bytes) -> None:
    """It goes to whom is least busy."""
    assert conversation(body) == b""


@settings(max_examples=80, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text('{}[]",:\\ ruse', max_size=200).map(str.encode)))
def test_no_body_breaks_it(rest: bytes) -> None:
    """Any bytes give a key that is no longer than its bound."""
    assert len(conversation(b'{"messages":[' + rest)) <= LONGEST
