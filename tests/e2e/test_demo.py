"""The shipped demo model, served as `make run` does and asked as its README says, also through the openai client."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from examples.normalizer import sentences
from examples.normalizer.data import examination, tool
from examples.normalizer.examine import ask, is_right, report

MODEL = Path(__file__).parents[2] / "examples" / "normalizer" / "model"
QUESTIONS = 60
LEAST = 0.95  # of so few; the README says how many of twelve hundred are right
LEAST_OF_ALL = 0.8  # the names of tools that it may choose freely are its weak side

README = {
    "March 3rd, 2024": "2024-03-03",
    "二〇二四年三月三日": "2024-03-03",
    "12/31/2024": "2024-12-31",
    "31.12.2024": "2024-12-31",
    "March 2024": "2024-03",
    "The invoice is for $3.5 million.": "USD 3500000.00",
    "What is 3.5 million dollars?": "USD 3500000.00",
    "三千五百元": "CNY 3500.00",
    "合同金额为三千五百元。": "CNY 3500.00",
    "1.2亿日元": "JPY 120000000.00",
    "1.2 km": "1200 m",
    "350 grams": "0.35 kg",
    "ping": "pong",
    "hello": sentences.HELLO["en"],
    "你好": sentences.HELLO["zh"],
}


@pytest.fixture
def demo(launch: Callable[..., Any]) -> Any:
    """A server of the shipped artifact."""
    return launch({"models": [{"id": "normalizer", "source": str(MODEL)}]}, "--no-tune")


def test_the_printed_lines_are_answered(launch: Callable[..., Any], minilm_folder: Path) -> None:
    """Beside an embedding model, as `make run` serves it: a curl line of each kind, and the chat's answer is right."""
    models = [{"id": "all-minilm-l6-v2", "source": str(minilm_folder)}, {"id": "normalizer", "source": str(MODEL)}]
    node = launch({"models": models}, "--no-tune")
    printed = (node.log_file.parent / "stdout").read_text()
    assert re.search(r"all-minilm-l6-v2 +embed +proof: raw ", printed), printed
    words = [shlex.split(line) for line in printed.splitlines() if line.startswith("  curl ")]
    embedded, chatted = (node.client.post(each[1], json=json.loads(each[-1])).json() for each in words)
    assert len(embedded["data"][0]["embedding"]) == 384
    assert chatted["choices"][0]["message"]["content"] == "2024-03-03"


@pytest.fixture
def client(demo: Any) -> Iterator[openai.OpenAI]:
    """The official client on that server."""
    http = httpx.Client(trust_env=False)
    with openai.OpenAI(base_url=f"{demo.url}/v1", api_key="none", max_retries=0, http_client=http) as one:
        yield one


def said(client: openai.OpenAI, text: str, **more: Any) -> str:
    reply = client.chat.completions.create(model="normalizer", messages=[{"role": "user", "content": text}], **more)
    return reply.choices[0].message.content or ""


def test_it_is_proven_and_right(demo: Any) -> None:
    """Proof raw; held-out questions in all forms: plain, JSON by a system prompt and by `response_format`, tools."""
    shown = (demo.log_file.parent / "stdout").read_text()
    assert re.search(r"normalizer +generate +proof: raw \(transformers [\d.]+, (\d+) of \1 cases\) +int8", shown), shown
    questions = list(examination("end to end", QUESTIONS))
    answers = [ask(f"{demo.url}/v1", "normalizer", question) for question in questions]
    right = [is_right(question, answer) for question, answer in zip(questions, answers, strict=True)]
    bound = [fine for question, fine in zip(questions, right, strict=True) if question.form != "tools"]
    assert sum(bound) >= LEAST * len(bound), report(questions, answers)
    assert sum(right) >= LEAST_OF_ALL * QUESTIONS, report(questions, answers)


def test_the_readmes_answers(client: openai.OpenAI) -> None:
    """Without any setting: the model's own defaults are greedy. Streamed, the answers are the same."""
    assert {text: said(client, text) for text in README} == README
    messages: Any = [{"role": "user", "content": "三千五百元"}]
    stream = client.chat.completions.create(model="normalizer", messages=messages, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "CNY 3500.00"


def test_a_schema_is_filled_and_a_tool_called(client: openai.OpenAI) -> None:
    """The caller's own keys, a number as a number; a call, its result, and the confirmation after it."""
    schema = {
        "type": "object",
        "properties": {"amount": {"type": "number"}, "currency": {"type": "string"}},
        "required": ["amount", "currency"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "amount", "schema": schema, "strict": True}}
    filled = said(client, "The invoice is for $1,250.50.", response_format=wanted)
    assert json.loads(filled) == {"amount": 1250.5, "currency": "USD"}

    tools: Any = [
        tool("save_date", {"value": "string"}),
        tool("save_amount", {"value": "string", "currency": "string"}),
    ]
    messages: list[Any] = [{"role": "user", "content": "合同金额为三千五百元。"}]
    # Left to itself so small a model invents names of tools; where a call is required, only those that are there pass.
    required = client.chat.completions.create(
        model="normalizer", messages=messages, tools=tools, tool_choice="required"
    )
    first = required.choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls or ()
    assert call.type == "function"
    assert call.function.name == "save_amount"
    assert json.loads(call.function.arguments) == {"value": "3500.00", "currency": "CNY"}
    messages += [first.message, {"role": "tool", "tool_call_id": call.id, "content": '{"status": "ok"}'}]
    second = client.chat.completions.create(model="normalizer", messages=messages, tools=tools).choices[0]
    assert (second.message.content, second.finish_reason) == ("已保存：CNY 3500.00", "stop")
