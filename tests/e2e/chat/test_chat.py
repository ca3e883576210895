"""Chat and completions as the openai client and plain HTTP see them, from a real server over a decoder of random
weights: what it says is noise, in which form it says it is not."""

import json
import shlex
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import openai
import pydantic
import pytest

HELLO: list[Any] = [{"role": "user", "content": "Hello, who owns the land?"}]
ENDLESS = {"ignore_eos": True}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The {name}.",
            "parameters": {
                "type": "object",
                "properties": {"unit": {"enum": ["m", "ft"]}, "exact": {"type": "boolean"}},
                "required": ["unit", "exact"],
                "additionalProperties": False,
            },
        },
    }
    for name in ("height", "width")
]


class Verdict(pydantic.BaseModel):
    """What a client wants to know."""

    owner: Literal["tenant", "freeholder"]
    sure: bool
    shares: list[Literal[1, 2, 3]] = pydantic.Field(min_length=1, max_length=2)


@pytest.fixture
def client(chat_node: Any) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, which retries nothing here."""
    http = httpx.Client(trust_env=False)
    with openai.OpenAI(base_url=f"{chat_node.url}/v1", api_key="none", max_retries=0, http_client=http) as one:
        yield one


def ask(node: Any, path: str = "/v1/chat/completions", **fields: Any) -> httpx.Response:
    given = {"model": "talker", **({} if path != "/v1/chat/completions" else {"messages": HELLO, "max_tokens": 8})}
    return node.ask(path, **{**given, **fields})


def test_a_chat_is_answered(client: openai.OpenAI) -> None:
    """Every field that the client has a type for; usage adds up."""
    answer = client.chat.completions.create(model="talker", messages=HELLO, max_tokens=8, extra_body=ENDLESS)
    (choice,) = answer.choices
    assert (answer.object, answer.model, choice.message.role) == ("chat.completion", "talker", "assistant")
    assert choice.finish_reason == "length"
    assert choice.message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 8
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 8
    assert answer.usage.prompt_tokens_details is not None
    assert answer.system_fingerprint is not None
    assert answer.system_fingerprint.startswith("fp_")


def test_a_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    """Role first, pieces that join, the reason of the end, usage without choices last."""
    given: Any = {"model": "talker", "messages": HELLO, "max_tokens": 24, "extra_body": ENDLESS}
    whole = client.chat.completions.create(**given)
    chunks = list(client.chat.completions.create(**given, stream=True, stream_options={"include_usage": True}))
    *deltas, usage = chunks
    assert deltas[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].delta.role is None for chunk in deltas[1:])
    assert "".join(chunk.choices[0].delta.content or "" for chunk in deltas) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in deltas] == [None] * (len(deltas) - 1) + ["length"]
    assert usage.choices == []
    assert usage.usage is not None
    assert usage.usage.completion_tokens == 24
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.anyio
async def test_the_async_client_streams(chat_node: Any) -> None:
    """Two at a time."""
    async with httpx.AsyncClient(trust_env=False) as http:
        client = openai.AsyncOpenAI(base_url=f"{chat_node.url}/v1", api_key="none", max_retries=0, http_client=http)
        streams = [
            await client.chat.completions.create(
                model="talker", messages=HELLO, max_tokens=12, stream=True, extra_body=ENDLESS
            )
            for _ in range(2)
        ]
        texts = ["".join([chunk.choices[0].delta.content or "" async for chunk in stream]) for stream in streams]
    assert texts[0] == texts[1] != ""


def test_a_forced_call_has_arguments_that_fit(client: openai.OpenAI) -> None:
    """A named tool, once."""
    choice: Any = {"type": "function", "function": {"name": "width"}}
    answer = client.chat.completions.create(model="talker", messages=HELLO, tools=TOOLS, tool_choice=choice)
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "width"
    arguments = json.loads(call.function.arguments)
    assert arguments.keys() == {"unit", "exact"}
    assert arguments["unit"] in ("m", "ft")
    assert answer.choices[0].finish_reason == "tool_calls"


def test_calls_stream_one_after_another(client: openai.OpenAI) -> None:
    """Id and name first, arguments after; together what the whole answer has."""
    given: Any = {"model": "talker", "messages": HELLO, "tools": TOOLS, "tool_choice": "required", "max_tokens": 200}
    fragments = [
        call
        for chunk in client.chat.completions.create(**given, stream=True)
        for choice in chunk.choices
        for call in choice.delta.tool_calls or []
    ]
    indices = [fragment.index for fragment in fragments]
    assert indices == sorted(indices)
    first = fragments[0]
    assert (first.type, first.function.name, first.function.arguments) == ("function", first.function.name, "")
    assert first.id
    assert all(fragment.id is None for fragment in fragments if fragment.index == 0 and fragment is not first)
    arguments = "".join(fragment.function.arguments for fragment in fragments if fragment.index == 0)
    whole = client.chat.completions.create(**given).choices[0].message.tool_calls[0]
    assert (first.function.name, arguments) == (whole.function.name, whole.function.arguments)


def test_one_call_where_no_more_are_wanted(client: openai.OpenAI) -> None:
    """`parallel_tool_calls: false` ends the answer behind the first."""
    answer = client.chat.completions.create(
        model="talker", messages=HELLO, tools=TOOLS, tool_choice="required", parallel_tool_calls=False
    )
    assert len(answer.choices[0].message.tool_calls or []) == 1
    assert answer.choices[0].finish_reason == "tool_calls"


def test_a_conversation_with_calls_goes_on(chat_node: Any) -> None:
    """Assistant content "" beside calls, an answer by `tool_call_id`, parts as content, every role."""
    call = {"id": "call_1", "type": "function", "function": {"name": "width", "arguments": '{"unit": "m"}'}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "How"}, {"type": "text", "text": "wide?"}]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
    ]
    answer = ask(chat_node, messages=messages, tools=TOOLS, max_tokens=3, **ENDLESS)
    assert answer.status_code == 200, answer.text
    asked = answer.json()["usage"]["prompt_tokens"]
    assert ask(chat_node, messages=messages, max_tokens=3).json()["usage"]["prompt_tokens"] < asked
    none = ask(chat_node, messages=messages, tools=TOOLS, tool_choice="none", max_tokens=3).json()
    assert none["usage"]["prompt_tokens"] < asked


def test_a_parsed_schema_comes_back_as_its_class(client: openai.OpenAI) -> None:
    """`parse` sends the schema of a pydantic class and reads the answer into it."""
    answer = client.chat.completions.parse(model="talker", messages=HELLO, response_format=Verdict, max_tokens=300)
    verdict = answer.choices[0].message.parsed
    assert isinstance(verdict, Verdict)
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_schema_binds_the_answer_wrapped_or_bare(chat_node: Any, wrapped: bool) -> None:
    """Both forms mean the same."""
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    given = {"name": "n", "schema": schema, "strict": True} if wrapped else schema
    form = {"type": "json_schema", "json_schema": given}
    answer = ask(chat_node, response_format=form, max_tokens=100).json()["choices"][0]
    assert json.loads(answer["message"]["content"])["n"] in (1, 2)
    completion = ask(chat_node, "/v1/completions", prompt="n:", response_format=form, max_tokens=100).json()
    assert json.loads(completion["choices"][0]["text"])["n"] in (1, 2)


def test_json_mode_begins_an_object(chat_node: Any) -> None:
    """Noise may not find the end of it within 40 tokens, but it is JSON as far as it goes."""
    answer = ask(chat_node, response_format={"type": "json_object"}, max_tokens=40).json()["choices"][0]
    assert answer["message"]["content"].startswith("{")


def test_several_answers_have_their_indices(client: openai.OpenAI) -> None:
    """Each drawn on its own, and the same again with the same seed."""
    given: Any = {"model": "talker", "messages": HELLO, "n": 3, "seed": 7, "temperature": 1.5, "max_tokens": 12}
    first, second = (client.chat.completions.create(**given, extra_body=ENDLESS) for _ in range(2))
    texts = [choice.message.content for choice in first.choices]
    assert [choice.index for choice in first.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    assert texts == [choice.message.content for choice in second.choices]
    assert first.usage is not None
    assert first.usage.completion_tokens == 36
    streamed = {0: "", 1: "", 2: ""}
    for chunk in client.chat.completions.create(**given, extra_body=ENDLESS, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert list(streamed.values()) == texts


def test_logarithms_of_tokens_and_of_others(client: openai.OpenAI) -> None:
    """The best first; the bytes of all tokens join to the answer; a stream has the same."""
    given: Any = {"model": "talker", "messages": HELLO, "logprobs": True, "top_logprobs": 3, "max_tokens": 10}
    choice = client.chat.completions.create(**given, extra_body=ENDLESS).choices[0]
    assert choice.logprobs is not None
    infos = choice.logprobs.content or []
    assert len(infos) == 10
    for info in infos:
        assert len(info.top_logprobs) == 3
        assert info.logprob == info.top_logprobs[0].logprob <= 0
    spelled = b"".join(bytes(info.bytes or []) for info in infos if not info.token.startswith("<|"))
    assert spelled.decode(errors="ignore").startswith(choice.message.content or "")
    streamed = [
        info
        for chunk in client.chat.completions.create(**given, extra_body=ENDLESS, stream=True)
        for info in (chunk.choices[0].logprobs.content or [] if chunk.choices[0].logprobs else [])
    ]
    assert [info.token for info in streamed] == [info.token for info in infos]


def test_a_stop_text_ends_the_answer_and_is_not_in_it(chat_node: Any) -> None:
    """In the request, or in the model's configuration."""
    whole = ask(chat_node, max_tokens=40, **ENDLESS).json()["choices"][0]["message"]["content"]
    stop = whole[5:7]
    cut = ask(chat_node, max_tokens=40, stop=[stop], **ENDLESS).json()["choices"][0]
    assert cut["message"]["content"] == whole[: whole.index(stop)]
    assert cut["finish_reason"] == "stop"


def test_completions_continue_texts_and_tokens(client: openai.OpenAI) -> None:
    """One prompt or several, each with its indices; echo repeats the prompt."""
    one = client.completions.create(model="talker", prompt="The land", max_tokens=6, echo=True, extra_body=ENDLESS)
    assert one.object == "text_completion"
    assert one.choices[0].text.startswith("The land")
    two = client.completions.create(
        model="talker", prompt=["The land", "A lease"], n=2, seed=3, temperature=1, max_tokens=6, extra_body=ENDLESS
    )
    assert [choice.index for choice in two.choices] == [0, 1, 2, 3]
    assert two.usage is not None
    assert two.usage.completion_tokens == 24
    ids = client.completions.create(model="talker", prompt=[[65, 66], [67]], max_tokens=2, extra_body=ENDLESS)
    assert ids.usage is not None
    assert ids.usage.prompt_tokens == 3


def test_completions_stream_with_their_logarithms(client: openai.OpenAI) -> None:
    """Lists by token, offsets in characters."""
    given: Any = {"model": "talker", "prompt": "The land", "max_tokens": 8, "logprobs": 2, "extra_body": ENDLESS}
    whole = client.completions.create(**given).choices[0]
    assert whole.logprobs is not None
    assert len(whole.logprobs.tokens or []) == len(whole.logprobs.token_logprobs or []) == 8
    assert whole.logprobs.text_offset is not None
    assert whole.logprobs.text_offset[0] == 0
    chunks = list(client.completions.create(**given, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.text
    assert [token for chunk in chunks for token in chunk.choices[0].logprobs.tokens] == whole.logprobs.tokens
    assert chunks[-1].choices[0].finish_reason == "length"


def test_reasoning_that_the_prompt_opens_is_split_off(chat_node: Any) -> None:
    """All of it is reasoning while no end marker comes; none of it where thinking is switched off, either way."""
    thinking = ask(chat_node, model="thinker", **ENDLESS).json()["choices"][0]["message"]
    assert thinking["reasoning_content"]
    assert thinking["content"] == ""
    for off in ({"enable_thinking": False}, {"chat_template_kwargs": {"enable_thinking": False}}):
        message = ask(chat_node, model="thinker", **off, **ENDLESS).json()["choices"][0]["message"]
        assert "reasoning_content" not in message
        assert message["content"]


def test_the_model_list_says_what_can_be_asked(chat_node: Any) -> None:
    """Lengths and abilities of what generates, abilities of the others."""
    rows = {row["id"]: row for row in chat_node.client.get("/v1/models").json()["data"]}
    assert rows["talker"]["freehold"]["context_length"] == 4096
    assert rows["capped"]["freehold"]["max_output_tokens"] == 16
    assert rows["talker"]["abilities"] == ["chat", "tools"]
    assert rows["mute"]["abilities"] == rows["broken"]["abilities"] == []
    assert rows["minilm"]["abilities"] == ["embed"]
    assert "context_length" not in rows["minilm"]["freehold"]


def test_triton_s_generate_answers_whole_and_in_frames(chat_node: Any) -> None:
    """The text alone, or behind the prompt where that is wanted; frames without an end marker."""
    asked = {"text_input": "The land", "parameters": {"max_tokens": 8, **ENDLESS}}
    whole = chat_node.ask("/v2/models/talker/generate", **asked).json()
    assert (whole["model_name"], whole["model_version"]) == ("talker", "1")
    echoed = chat_node.ask("/v2/models/talker/versions/1/generate", **asked, exclude_input_in_output=False).json()
    assert echoed["text_output"] == f"The land{whole['text_output']}"
    body = chat_node.ask("/v2/models/talker/generate_stream", **asked)
    assert body.headers["content-type"].startswith("text/event-stream")
    frames = body.text.removesuffix("\n\n").split("\n\n")
    assert "".join(json.loads(frame[6:])["text_output"] for frame in frames) == whole["text_output"]


def test_the_first_request_is_on_the_screen(chat_node: Any) -> None:
    """The banner's line is a chat with the first model, and it is answered."""
    shown = chat_node.log_file.with_name("stdout").read_text()
    words = shlex.split(shown.partition("Try it:")[2].strip().splitlines()[0])
    assert (words[0], words[1]) == ("curl", f"{chat_node.url}/v1/chat/completions")
    answer = chat_node.ask("/v1/chat/completions", **json.loads(words[-1]))
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == "talker"


def test_tokens_and_first_tokens_are_counted(chat_node: Any) -> None:
    """By model; the second time most of the prompt comes from the cache."""
    names = ("freehold_prompt_tokens_total", "freehold_generated_tokens_total", "freehold_first_token_seconds_count")
    before = [chat_node.metric(name, model="thinker") for name in names]
    messages = [{"role": "user", "content": "Once more. " * 40}]
    usages = [ask(chat_node, model="thinker", messages=messages, **ENDLESS).json()["usage"] for _ in range(2)]
    after = [chat_node.metric(name, model="thinker") for name in names]
    prompt = usages[0]["prompt_tokens"]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2 * prompt, 16, 2]
    assert usages[1]["prompt_tokens_details"]["cached_tokens"] > 0
