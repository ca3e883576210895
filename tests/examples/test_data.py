"""The conversations are what they say they are: seeded, and their answers right."""

import json
import random
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from itertools import islice

import pytest

from examples.normalizer import sentences
from examples.normalizer.data import (
    Conversation,
    as_text,
    call_of,
    conversation,
    conversations,
    examination,
    json_object,
    tool,
)
from examples.normalizer.reading import read
from examples.normalizer.values import KINDS, Amount, Date, Measure, Value

DATE = Date(2024, 3, 3)
AMOUNT = Amount(Decimal(3500), "CNY")
MEASURE = Measure(Decimal("12.5"), "m")


def test_equal_seeds_give_equal_conversations() -> None:
    """And others give others."""
    first, again, other = (list(islice(conversations(seed), 50)) for seed in ("a", "a", "b"))
    assert first == again != other


def test_all_forms_are_drawn() -> None:
    """Plain, JSON, tools and forced; some with a system prompt, some with several questions."""
    drawn = list(islice(conversations("forms"), 400))
    assert any(one.tools for one in drawn)
    assert any(one.forced for one in drawn)
    assert any(one.messages[0]["role"] == "system" for one in drawn)
    assert max(sum(message["role"] == "user" for message in one.messages) for one in drawn) == 4
    said = [message["content"] for one in drawn for message in one.messages if message["role"] == "assistant"]
    assert {"pong", sentences.NOTHING["en"], '{"kind": "none", "value": ""}'} <= set(said)


@pytest.mark.parametrize("form", ["json", "forced"])
def test_json_answers_are_json(form: str) -> None:
    """Every answer is an object; where JSON is asked for, its kind is one that is known."""
    dice = random.Random(1)
    for one in (conversation(dice, form) for _ in range(60)):
        for message in one.messages:
            if message["role"] == "assistant" and message["content"].startswith("{"):
                assert form == "forced" or json.loads(message["content"])["kind"] in (*KINDS, "none")


def turns(one: Conversation) -> list[str]:
    return [message["role"] for message in one.messages if message["role"] != "system"]


def test_a_call_is_followed_by_its_result_and_a_confirmation() -> None:
    """user, assistant with a call, tool, assistant; else user and assistant in turn."""
    dice = random.Random(2)
    for one in (conversation(dice, "tools") for _ in range(60)):
        roles = (
            " ".join(turns(one)).replace("user assistant tool assistant", "asked").replace("user assistant", "asked")
        )
        assert set(roles.split()) == {"asked"}
        for message in one.messages:
            for call in message.get("tool_calls", ()):
                names = {each["function"]["name"] for each in one.tools}
                assert call["function"]["name"] in names


@pytest.mark.parametrize(
    ("properties", "arguments"),
    [
        ({"value": "string", "currency": "string"}, {"value": "3500.00", "currency": "CNY"}),
        ({"currency": "string", "amount": "number"}, {"currency": "CNY", "amount": 3500}),
        ({"value": "string"}, {"value": "CNY 3500.00"}),
    ],
)
def test_a_tool_gets_what_its_parameters_name(properties: dict[str, str], arguments: dict[str, object]) -> None:
    """The currency where it has a place of its own, the whole normal form where it has none."""
    called = call_of(tool("save_amount", properties), AMOUNT)
    assert called == {"name": "save_amount", "arguments": arguments}
    assert call_of(tool("save_amount", properties), DATE) is None


def test_objects_have_the_keys_that_were_asked_for() -> None:
    """A "#" asks for a number; with `kind` the value is the whole normal form."""
    assert json_object(AMOUNT, ("kind", "value")) == '{"kind": "amount", "value": "CNY 3500.00"}'
    assert json_object(AMOUNT, ("currency", "amount#")) == '{"currency": "CNY", "amount": 3500}'
    assert json_object(MEASURE, ("value#", "unit")) == '{"value": 12.5, "unit": "m"}'
    assert json_object(DATE, ("date",)) == '{"date": "2024-03-03"}'


def test_the_examination_is_balanced_and_its_answers_are_right() -> None:
    """Each kind and language as often; sentences that training never shows; answers that `read` confirms."""
    questions = list(examination("exam", 384))
    assert set(Counter((one.kind, one.language) for one in questions).values()) == {48}
    trained = {carrier for table in sentences.CARRIERS.values() for row in table.values() for carrier in row}
    kept = {carrier for table in sentences.KEPT_BACK.values() for row in table.values() for carrier in row}
    assert trained & kept == set()
    for one in questions:
        assert one.expected.startswith(one.begun)
        if one.form == "plain":
            found = value_in(one.messages[-1]["content"], kept)
            assert (found.normal if found else sentences.NOTHING[one.language]) == one.expected


def value_in(text: str, carriers: set[str]) -> Value | None:
    """The value that stands alone or in one of the sentences; None when there is none."""
    for before, after in (carrier.split("{}") for carrier in (*carriers, "{}")):
        with suppress(ValueError):
            if text.startswith(before) and text.endswith(after):
                return read(text.removeprefix(before).removesuffix(after))
    return None


def test_a_call_is_written_in_the_hermes_form() -> None:
    """One object between the marks, on a line of its own."""
    call = {"type": "function", "function": {"name": "save_date", "arguments": {"value": "2024-03-03"}}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    assert as_text(message) == (
        '<tool_call>\n{"name": "save_date", "arguments": {"value": "2024-03-03"}}\n</tool_call>'
    )
