"""Tools: what agents and workflows with function calling need."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from freehold.deploy.dify.checking.check import Check, Failed, NotApplicable
from freehold.deploy.dify.checking.exchange import Exchange
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.plugin_stream import chunks, heard_kindly
from freehold.deploy.dify.checking.reading import answered, dig
from freehold.deploy.doctor.check import Text, Words

WEATHER = "get_weather"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": WEATHER,
            "description": "The weather in a city.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "description": "Its name."}},
                "required": ["city"],
            },
        },
    }
]
ASK = {"role": "user", "content": f"What is the weather in Paris? Call {WEATHER}."}
LENGTH = 128


def accepted(plugin: Plugin) -> Words:
    """A question with tools is answered."""
    answer = answered(plugin.stream([ASK], max_tokens=LENGTH, tools=TOOLS, tool_choice="auto"))
    if error := _error(answer):
        raise Failed(error)
    return "tools, tool_choice auto"


def fragments(plugin: Plugin) -> Words:
    """Id and name in a call's first fragment; later ones have no other id, and calls come one after another."""
    last: Any = None
    seen: list[Any] = []
    for fragment in _fragments(_calling(plugin)):
        index, id_ = dig(fragment, "index"), dig(fragment, "id")
        if index not in seen:
            seen.append(index)
            if not id_ or not dig(fragment, "function", "name"):
                raise Failed(json.dumps(fragment, ensure_ascii=False)[:200])
        elif index != last:
            raise Failed(Text(f"call {index} goes on after call {last}", f"调用 {last} 之后又继续调用 {index}"))
        last = index
    return Text(f"{len(seen)} calls", f"{len(seen)} 个调用")


def arguments(plugin: Plugin) -> Words:
    """The arguments, put together as the plugin does, are JSON in a string."""
    answer = _calling(plugin)
    for fragment in _fragments(answer):
        given = dig(fragment, "function", "arguments")
        if not isinstance(given, str | None):
            raise Failed(
                Text(f"arguments are {json.dumps(given)}, no string", f"arguments 是 {json.dumps(given)}，不是字符串")
            )
    heard = heard_kindly(answer.text)
    for call in heard.calls:
        if heard.finish_reason != "length" and not _is_object(call.arguments):
            raise Failed(f"{call.name}({call.arguments[:120]})")
    return f"{heard.calls[0].name}({heard.calls[0].arguments[:80]})"


def finish(plugin: Plugin) -> Words:
    """How an answer that calls tools says so."""
    heard = heard_kindly(_calling(plugin).text)
    if heard.finish_reason not in ("tool_calls", "stop", "length"):
        raise Failed(f"finish_reason {heard.finish_reason!r}")
    return str(heard.finish_reason)


def second_round(plugin: Plugin) -> Words:
    """What the plugin sends when the tool has answered."""
    return _second_round(plugin, "")


def null_content(plugin: Plugin) -> Words:
    """The same with null for the text of the call, as other clients write it."""
    return _second_round(plugin, None)


def _second_round(plugin: Plugin, text: str | None) -> Words:
    call = {"id": "call_1", "type": "function", "function": {"name": WEATHER, "arguments": '{"city": "Paris"}'}}
    spoken = {"role": "assistant", "content": text, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "clear", "celsius": 18}'}
    answer = answered(plugin.stream([ASK, spoken, result], max_tokens=32, tools=TOOLS, tool_choice="auto"))
    if error := _error(answer):
        raise Failed(error)
    return f"content {json.dumps(text)}"


def _error(answer: Exchange) -> str:
    """What a frame says that is an error in place of choices; "" for none."""
    errors = [chunk["error"] for chunk in chunks(answer.text) if dig(chunk, "error") and not dig(chunk, "choices")]
    return json.dumps(errors[0], ensure_ascii=False)[:200] if errors else ""


def _calling(plugin: Plugin) -> Exchange:
    """An answer that calls a tool: by itself, as Dify asks, else by a demand, which Dify never makes."""
    for choice in ("auto", "required"):
        answer = plugin.stream([ASK], max_tokens=LENGTH, tools=TOOLS, tool_choice=choice)
        if answer.ok and heard_kindly(answer.text).calls:
            return answer
    raise NotApplicable(Text("the model called no tool", "模型没有调用工具"))


def _fragments(answer: Exchange) -> Iterator[Mapping[str, Any]]:
    for chunk in chunks(answer.text):
        yield from dig(chunk, "choices", 0, "delta", "tool_calls") or ()


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except ValueError:
        return False


CHECKS = (
    Check(
        "tools_accepted",
        "tools",
        accepted,
        Text(
            "Agents fail at their first question: Dify sends tools with it.",
            "智能体在第一个问题上就失败：Dify 会随问题发送工具。",
        ),
        Text(
            "Start the server with tool calling (vLLM: --enable-auto-tool-choice --tool-call-parser), or switch"
            " function calling off in Dify.",
            "请启用工具调用（vLLM：--enable-auto-tool-choice --tool-call-parser），或在 Dify 中将函数调用设为不支持。",
        ),
        needed=False,
        gate=True,
    ),
    Check(
        "tools_fragments",
        "tools",
        fragments,
        Text(
            "The plugin joins fragments by id, those without one to the last call: arguments of calls get mixed up.",
            "插件按 id 拼接片段，没有 id 的归入上一个调用：参数会混在一起。",
        ),
        Text(
            "Send id, type and name in a call's first fragment only, and one call after another.",
            "请只在每个调用的首个片段中发送 id、type 与 name，并逐个调用发送。",
        ),
    ),
    Check(
        "tools_arguments",
        "tools",
        arguments,
        Text("The tool is called without its arguments, or not at all.", "工具被调用时缺少参数，或根本不被调用。"),
        Text("Send arguments as one JSON object in a string.", "请以字符串形式发送一个 JSON 对象作为 arguments。"),
    ),
    Check(
        "tools_finish_reason",
        "tools",
        finish,
        Text("Some agents wait for more after a call.", "部分智能体会在调用后继续等待。"),
        Text('End with finish_reason "tool_calls".', '请以 finish_reason "tool_calls" 结束。'),
        needed=False,
    ),
    Check(
        "tools_second_round",
        "tools",
        second_round,
        Text(
            "The agent calls its tool and then fails with the result in hand.",
            "智能体调用工具后，在提交结果时失败。",
        ),
        Text(
            'Accept content "" beside tool_calls, and the role tool with tool_call_id and no name.',
            "请接受与 tool_calls 同时出现的空 content，以及带 tool_call_id、无 name 的 tool 角色。",
        ),
    ),
    Check(
        "tools_null_content",
        "tools",
        null_content,
        Text(
            "Clients beside Dify's plugin that write null there fail in their second round.",
            "Dify 插件之外、在此处写 null 的客户端会在第二轮失败。",
        ),
        Text("Accept content null beside tool_calls.", "请接受与 tool_calls 同时出现的 null content。"),
        needed=False,
    ),
)
