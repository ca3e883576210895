"""Conversations with their answers, drawn from a seed: what the model is trained on and judged by."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from examples.normalizer import sentences
from examples.normalizer.values import KINDS, Date, Value, draw
from examples.normalizer.writing import forms

Message = dict[str, Any]
Tool = dict[str, Any]

VERBS = ("save", "store", "record", "add", "set", "log", "book", "register", "write", "update", "note", "submit")
NOUNS = {
    "date": ("date", "day", "deadline", "due_date"),
    "amount": ("amount", "money", "price", "cost", "payment"),
    "measure": ("measure", "measurement", "quantity", "size"),
}
PARTS = {"date": "", "amount": "currency", "measure": "unit"}
FORMS = ("plain", "json", "tools", "forced")
LONGEST = 4  # questions in one conversation


@dataclass(frozen=True)
class Conversation:
    """Messages in OpenAI's form, the assistant's included, and the tools that were offered.

    `forced`: nothing asks for JSON, but the answers are JSON objects. So it is when a server constrains what it
    generates: the first brace is the constraint's choice, and only what follows is the model's.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    forced: bool = False


def conversations(seed: str) -> Iterator[Conversation]:
    """Endless conversations; equal seeds give equal ones."""
    dice = random.Random(seed)
    while True:
        yield conversation(dice, dice.choices(FORMS, (48, 14, 30, 8))[0])


def conversation(dice: random.Random, form: str) -> Conversation:
    """One of one to four questions, each answered in `form`."""
    tools = tuple(offered(dice, _verbs(dice))) if form == "tools" else ()
    system = _system(dice, as_json=form == "json")
    in_question = form == "json" and not system
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    keys = _answer_keys(dice)
    for _ in range(dice.choices(range(1, LONGEST + 1), (45, 30, 15, 10))[0]):
        language = dice.choice(("en", "en", "zh"))
        chance = dice.random()
        if form in ("plain", "tools") and chance < 0.06:
            messages += _small_talk(dice, language)
        elif form != "forced" and chance < 0.14:
            messages += _nothing(dice, language, form, in_question)
        else:
            value = draw(dice)
            text = question(dice, value, language, as_json=in_question)
            messages.append({"role": "user", "content": text})
            messages += answer(dice, value, language, form, tools, keys)
    return Conversation(tuple(messages), tools, form == "forced")


def question(dice: random.Random, value: Value, language: str, *, as_json: bool = False) -> str:
    """`value` in one of its forms, alone or in a sentence; one in eight all in small letters."""
    written = dice.choice(forms(value, language))
    place = dice.choice(sentences.JSON_ASKED[language]) if as_json else sentences.carrier(dice, value.kind, language)
    text = place.replace("{}", written)
    return text.lower() if dice.random() < 0.125 and "JSON" not in text else text


def answer(
    dice: random.Random,
    value: Value,
    language: str,
    form: str,
    tools: tuple[Tool, ...],
    keys: Mapping[str, tuple[str, ...]],
) -> Iterator[Message]:
    """The assistant's messages, with the tool's between them where one is called."""
    call = next((call for tool in tools if (call := call_of(tool, value)) is not None), None)
    if form == "json":
        yield _says(json.dumps({"kind": value.kind, "value": value.normal}))
    elif form == "forced":
        yield _says(json_object(value, keys[value.kind]))
    elif call is None:
        yield _says(value.normal)
    else:
        yield {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]}
        good = dice.random() < 0.85
        yield {"role": "tool", "content": _result(dice, good)}
        said = sentences.SAVED if good else sentences.NOT_SAVED
        yield _says(said[language].format(value.normal))


def json_object(value: Value, keys: tuple[str, ...]) -> str:
    """`value` under the keys that a schema asks for; a key that ends in "#" wants a JSON number."""
    fields: dict[str, str | float] = {}
    for key in keys:
        name = key.rstrip("#")
        if name == "kind":
            fields[name] = value.kind
        elif name in value.parts:
            fields[name] = value.parts[name]
        elif "kind" in keys:
            fields[name] = value.normal
        else:
            fields[name] = json_number(value) if key.endswith("#") else value.number
    return json.dumps(fields)


def json_number(value: Value) -> float | int:
    """The number of an amount or a measure as JSON has it: 3500, 12.5."""
    assert not isinstance(value, Date)
    return int(value.value) if value.value == int(value.value) else float(value.value)


def call_of(tool: Tool, value: Value) -> dict[str, Any] | None:
    """How `tool` is called with `value`; None when its name names another kind of value.

    A parameter `currency` or `unit` gets that part; the other one gets the value: the number alone where the part has
    its own parameter or the type is a number, else the normal form.
    """
    function = tool["function"]
    if function["name"].partition("_")[2] not in NOUNS[value.kind]:
        return None
    properties: dict[str, Any] = function["parameters"]["properties"]
    split = any(name in value.parts for name in properties)
    arguments: dict[str, Any] = {}
    for name, schema in properties.items():
        if name in value.parts:
            arguments[name] = value.parts[name]
        elif schema["type"] == "number":
            arguments[name] = json_number(value)
        else:
            arguments[name] = value.number if split else value.normal
    return {"name": function["name"], "arguments": arguments}


def tool(name: str, properties: Mapping[str, str]) -> Tool:
    """A function in OpenAI's form; `properties` are names and JSON types, all required."""
    schema = {name: {"type": kind} for name, kind in properties.items()}
    parameters = {"type": "object", "properties": schema, "required": list(schema)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def offered(dice: random.Random, verbs: tuple[str, ...]) -> Iterator[Tool]:
    """One to three tools, each for another kind of value, whose names begin with any of `verbs`."""
    for kind in dice.sample(tuple(NOUNS), dice.choice((1, 2, 3))):
        noun = dice.choice(NOUNS[kind])
        first = dice.choice(("value", "value", "value", kind))
        properties = {first: "number" if kind != "date" and dice.random() < 0.3 else "string"}
        part = PARTS[kind]
        if part and (properties[first] == "number" or dice.random() < 0.7):
            pairs = [(first, properties[first]), (part, "string")]
            properties = dict(pairs if dice.random() < 0.75 else pairs[::-1])
        yield tool(f"{dice.choice(verbs)}_{noun}", properties)


def _verbs(dice: random.Random) -> tuple[str, ...]:
    """The verbs of one conversation's tools: mostly "save" alone, else another one, else any."""
    chance = dice.random()
    return VERBS[:1] if chance < 0.6 else (dice.choice(VERBS),) if chance < 0.9 else VERBS


def _says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _answer_keys(dice: random.Random) -> dict[str, tuple[str, ...]]:
    """The keys of one conversation's JSON objects, by the kind of value."""
    if dice.random() < 0.7:
        return dict.fromkeys(NOUNS, ("kind", "value"))
    number = dice.choice(("", "#"))
    amount = [dice.choice(("amount", "value")) + number, "currency"]
    measure = [dice.choice(("measure", "value")) + number, "unit"]
    if dice.random() < 0.3:
        amount, measure = amount[::-1], measure[::-1]
    return {"date": (dice.choice(("date", "value")),), "amount": tuple(amount), "measure": tuple(measure)}


def _system(dice: random.Random, *, as_json: bool) -> str:
    """A system prompt or "": half of the conversations have none; one that asks for JSON where that is wanted, or ""
    when the question itself is to ask."""
    if as_json and dice.random() < 0.25:
        return ""
    parts = [dice.choice(sentences.JSON_SYSTEMS)] if as_json else []
    chance = dice.random()
    if chance < 0.35:
        parts.append(dice.choice(sentences.SYSTEMS))
    elif chance < 0.45:
        language = dice.choice(("en", "zh"))
        parts.append(sentences.words(dice, language, dice.randint(3, 30)) + ".")
    dice.shuffle(parts)
    return " ".join(parts)


def _small_talk(dice: random.Random, language: str) -> Iterator[Message]:
    if dice.random() < 0.15:
        yield {"role": "user", "content": dice.choice(("ping", "Ping", "ping!"))}
        yield _says("pong")
        return
    said, answered = dice.choice(
        (
            (sentences.GREETINGS, sentences.HELLO),
            (sentences.QUESTIONS, sentences.ABOUT),
            (sentences.THANKS, sentences.WELCOME),
        )
    )
    yield {"role": "user", "content": dice.choice(said[language])}
    yield _says(answered[language])


def _nothing(dice: random.Random, language: str, form: str, in_question: bool) -> Iterator[Message]:
    if dice.random() < 0.5:
        text = sentences.words(dice, language, dice.randint(2, 10)) + dice.choice(("", "?", "."))
        asked = "{}"
    else:
        text = sentences.near_miss(dice, language)
        asked = sentences.carrier(dice, "any", language)
    asked = dice.choice(sentences.JSON_ASKED[language]) if in_question else asked
    yield {"role": "user", "content": asked.replace("{}", text)}
    yield _says(_none(language, form))


def _result(dice: random.Random, good: bool) -> str:
    if good:
        return dice.choice(("ok", "OK", "done", "saved", '{"status": "ok"}', '{"ok": true}', '{"result": "saved"}'))
    return dice.choice(("error", "failed", '{"status": "error"}', '{"ok": false}', "error: no connection"))


@dataclass(frozen=True)
class Question:
    """One question of the examination: what is sent, what the model is to say, and what kind of question it is.

    `begun` is what a constraint has written of the answer already; it is part of `expected`.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    expected: str
    form: str
    kind: str
    language: str
    begun: str = ""


def examination(seed: str, count: int) -> Iterator[Question]:
    """Questions that training never saw, about every kind in both languages in turn; half of them want a plain answer.

    Each value stands alone, or in a sentence that was kept back. One in four questions, of the kind "none", only looks
    like one of a value.
    """
    dice = random.Random(seed)
    for number in range(count):
        kind = (*KINDS, "none")[number % 4]
        language = ("en", "zh")[number // 4 % 2]
        form = ("plain", "json", "plain", "tools", "plain", "forced")[number // 8 % 6]
        tools = tuple(offered(dice, VERBS[:1])) if form == "tools" else ()
        system = [{"role": "system", "content": dice.choice(sentences.JSON_SYSTEMS)}] if form == "json" else []
        if kind == "none":
            form = "plain" if form == "forced" else form
            text, expected = sentences.near_miss(dice, language), _none(language, form)
        else:
            value = draw(dice, kind)
            place = dice.choice(("{}", *sentences.KEPT_BACK[language][kind]))
            text = place.replace("{}", dice.choice(forms(value, language)))
            keys = dict.fromkeys(KINDS, ("kind", "value"))
            expected = as_text(next(answer(dice, value, language, form, tools, keys)))
        asked: Message = {"role": "user", "content": text}
        yield Question((*system, asked), tools, expected, form, kind, language, "{" if form == "forced" else "")


def _none(language: str, form: str) -> str:
    return json.dumps({"kind": "none", "value": ""}) if form == "json" else sentences.NOTHING[language]


def as_text(message: Message) -> str:
    """What the model writes for an assistant's message."""
    calls = [json.dumps(call["function"]) for call in message.get("tool_calls", ())]
    return message["content"] or "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)
