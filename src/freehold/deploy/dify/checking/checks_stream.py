"""Streams, which are Dify's usual way to ask a chat model."""

import json
import re

from freehold.deploy.dify.checking.check import Check, Failed, NotApplicable
from freehold.deploy.dify.checking.checks_chat import COUNT, GREEDY, stop_of, stopped
from freehold.deploy.dify.checking.exchange import Exchange
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.plugin_stream import blocks, chunks, hear, heard_kindly
from freehold.deploy.dify.checking.reading import answered, content, dig, tokens
from freehold.deploy.doctor.check import Text, Words

CHINESE = [{"role": "user", "content": "请用中文从一数到五十，用顿号分隔，不要输出其他内容。"}]
LENGTH = 64
SPREAD, SLOW_ENOUGH_S = 0.05, 0.3
"""A stream whose bytes all come within this share of its time was held back; a faster answer does not tell."""


def streamed(plugin: Plugin, again: bool = False) -> Exchange:
    """The stream that most questions are about; one that ends late after [DONE] is whole enough."""
    answer = plugin.stream(CHINESE, max_tokens=LENGTH, again=again)
    if answer.status == 200 and answer.trouble == "slow" and "[DONE]" in answer.text:
        return answer
    return answered(answer)


def validates(plugin: Plugin) -> Words:
    """The call with `stream_mode_auth=use`: only the status counts."""
    answer = plugin.validate_chat(stream=True)
    if answer.status != 200:
        answered(answer)
    return f"HTTP 200, {(answer.headers or {}).get('content-type', '')}"


def frames(plugin: Plugin) -> Words:
    """Frames end in two line feeds and nothing else; told with what Dify would read."""
    text = streamed(plugin).text
    found = text.split("\n\n")
    crowded = [frame for frame in found if frame.count("data:") > 1 and len(list(_data_lines(frame))) > 1]
    if "\r" not in text and not crowded:
        return Text(f"{len(found) - 1} frames", f"{len(found) - 1} 帧")
    heard = hear(text)
    ends = r"\r\n\r\n" if "\r" in text else r"\n"
    raise Failed(
        Text(
            f'frames end in {ends}; Dify reads "{heard.text[:40]}", then {heard.finish_reason or heard.raised}',
            f"帧以 {ends} 结尾；Dify 读到“{heard.text[:40]}”，随后 {heard.finish_reason or heard.raised}",
        )
    )


def lines(plugin: Plugin) -> Words:
    """A frame is one data line, or comments alone."""
    comments = 0
    for block in blocks(streamed(plugin).text):
        others = [line for line in block if not line.startswith("data:")]
        if others and (len(others) < len(block) or not all(line.startswith(":") for line in others)):
            raise Failed(f'"{others[0][:60]}"')
        comments += len(others)
    return Text(f"{comments} comments", f"{comments} 行注释")


def choices(plugin: Plugin) -> Words:
    """Every data line is JSON that has `choices`."""
    data = [line.removeprefix("data:").strip() for line in _data_lines(streamed(plugin).text)]
    for text in data:
        if text != "[DONE]" and not _has_choices(text):
            raise Failed(text[:200])
    return Text(f"{len(data)} data lines", f"{len(data)} 行数据")


def usage(plugin: Plugin) -> Words:
    """The last counts of tokens, asked for by stream_options."""
    found = [chunk for chunk in chunks(streamed(plugin).text) if dig(chunk, "usage")]
    last = found[-1] if found else {}
    if tokens(dig(last, "usage"), "prompt_tokens") < 0 or tokens(dig(last, "usage")) < 0:
        raise Failed(f'"usage": {json.dumps(dig(last, "usage"))}')
    own = Text("in a frame of its own", "独立一帧") if not dig(last, "choices") else Text("beside text", "与文本同帧")
    return Text(f"{tokens(last['usage'])} tokens, {own.en}", f"{tokens(last['usage'])} 个 token，{own.zh}")


def finish(plugin: Plugin) -> Words:
    """Why the answer ended."""
    reason = heard_kindly(streamed(plugin).text).finish_reason
    if reason not in ("stop", "length", "tool_calls", "function_call", "content_filter"):
        raise Failed(f"finish_reason {reason!r}")
    return str(reason)


def ends(plugin: Plugin) -> Words:
    """The end of the answer follows [DONE]: the plugin reads until the connection's end."""
    answer = streamed(plugin)
    if answer.trouble == "slow":
        raise Failed(Text("still open 1 s after [DONE]", "[DONE] 之后 1 秒仍未结束"))
    return f"{answer.seconds:.1f} s"


def flows(plugin: Plugin) -> Words:
    """Text comes as it is made. A stream that came at once is asked for again, since a server may be busy once."""
    for again in (False, True):
        times = [piece.at_s for piece in streamed(plugin, again).pieces if piece.data]
        if not times:
            raise Failed(Text("the stream is empty", "流为空"))
        first, last = times[0], times[-1]
        if last - first > SPREAD * last:
            return Text(f"from {first:.2f} s to {last:.2f} s", f"{first:.2f} 秒至 {last:.2f} 秒")
        if first < SLOW_ENOUGH_S:
            raise NotApplicable(
                Text(f"all within {last:.2f} s: too fast to tell", f"{last:.2f} 秒内全部到达：太快，无法判断")
            )
    raise Failed(Text(f"all of it came at {first:.2f} s", f"全部内容在 {first:.2f} 秒时一次到达"))


def stops(plugin: Plugin) -> Words:
    """As without a stream."""
    stop, before = stop_of(plugin)
    answer = answered(plugin.stream(COUNT, max_tokens=48, **GREEDY, stop=[stop]))
    return stopped(heard_kindly(answer.text).text, stop, before)


def characters(plugin: Plugin) -> Words:
    """No character is broken between two frames that is whole in the answer as a whole."""
    broken = heard_kindly(streamed(plugin).text).text.count("\ufffd")
    if not broken:
        return Text("every character is whole", "字符完整")
    greedy = heard_kindly(answered(plugin.stream(CHINESE, max_tokens=LENGTH, **GREEDY)).text).text.count("\ufffd")
    if greedy > content(plugin.chat(CHINESE, max_tokens=LENGTH, **GREEDY)).count("\ufffd"):
        raise Failed(Text(f"{greedy} broken characters", f"{greedy} 个残缺字符"))
    raise NotApplicable(Text("the model itself writes broken characters", "模型自身输出残缺字符"))


def _data_lines(text: str) -> list[str]:
    return [line for line in re.split(r"[\r\n]+", text) if line.startswith("data:")]


def _has_choices(text: str) -> bool:
    try:
        return isinstance(dig(json.loads(text), "choices"), list)
    except ValueError:
        return False


CHECKS = (
    Check(
        "stream_validates",
        "stream",
        validates,
        Text(
            "Adding the model with stream authentication fails, and chat apps stream always.",
            "启用流式验证时添加模型会失败，而对话应用总是使用流式。",
        ),
        Text('Accept "stream": true.', '请接受 "stream": true。'),
        gate=True,
    ),
    Check(
        "stream_frames",
        "stream",
        frames,
        Text(
            "Answers stay empty or end after the first frame: the plugin splits at two line feeds and nothing else.",
            "回答为空或在首帧后结束：插件只按两个换行符切分。",
        ),
        Text(
            "End every frame in \\n\\n (no CRLF), or type the server's delimiter into Dify: Delimiter for streaming"
            " results, `\\r\\n\\r\\n`.",
            "请以 \\n\\n 结束每一帧（不用 CRLF），或在 Dify 的“流模式返回结果的分隔符”中填写 `\\r\\n\\r\\n`。",
        ),
    ),
    Check(
        "stream_lines",
        "stream",
        lines,
        Text(
            "The plugin knows data lines and comments: `event:` or `id:` before data ends the answer, and data behind a"
            " comment in one frame is lost.",
            "插件只识别 data 行与注释：data 之前的 `event:`、`id:` 会使回答中断，与注释同帧的 data 会丢失。",
        ),
        Text("Send data lines alone, and comments in frames of their own.", "请只发送 data 行，注释单独成帧。"),
    ),
    Check(
        "stream_choices",
        "stream",
        choices,
        Text(
            "A frame without choices ends the app's answer in KeyError; one that is no JSON ends it silently.",
            "没有 choices 的帧会使回答以 KeyError 结束；不是 JSON 的帧会使其静默结束。",
        ),
        Text("Put choices into every frame, [] beside usage.", "请在每一帧中包含 choices，usage 帧中为 []。"),
    ),
    Check(
        "stream_usage",
        "stream",
        usage,
        Text(
            "Dify counts tokens itself, with GPT-2's tokenizer and the first message only: costs and limits are wrong.",
            "Dify 会用 GPT-2 分词器自行计数，且只计第一条消息：用量与限额不准。",
        ),
        Text(
            'Honour stream_options {"include_usage": true}: a last frame with choices [] and usage.',
            '请支持 stream_options {"include_usage": true}：末尾发送 choices 为 [] 且含 usage 的帧。',
        ),
    ),
    Check(
        "stream_finish_reason",
        "stream",
        finish,
        Text("Apps cannot tell an answer that was cut from a whole one.", "应用无法区分被截断的回答与完整回答。"),
        Text(
            "Put finish_reason into the last frame with choices.", "请在最后一个含 choices 的帧中给出 finish_reason。"
        ),
    ),
    Check(
        "stream_ends",
        "stream",
        ends,
        Text(
            "[DONE] is not the end for the plugin: until the connection ends the app seems to be still writing.",
            "[DONE] 对插件不是结束：在连接结束之前，应用一直显示正在输出。",
        ),
        Text("End the response right after [DONE].", "请在 [DONE] 之后立即结束响应。"),
    ),
    Check(
        "stream_flows",
        "stream",
        flows,
        Text(
            "Users see nothing, then everything: and after 300 s without a byte the plugin gives up.",
            "用户长时间看不到内容，然后一次全部出现；300 秒无数据时插件会放弃。",
        ),
        Text(
            "Switch buffering off in proxies (nginx: proxy_buffering off), and compression of text/event-stream.",
            "请关闭代理缓冲（nginx：proxy_buffering off）以及对 text/event-stream 的压缩。",
        ),
    ),
    Check(
        "stream_stop",
        "stream",
        stops,
        Text(
            "Agents that work with stops (ReAct) invent the results of their tools.",
            "依赖停止词的智能体（ReAct）会自行编造工具结果。",
        ),
        Text(
            "Hold back text that may be the beginning of a stop, and end before it.",
            "请暂缓发送可能是停止词开头的文本，并在其之前结束。",
        ),
    ),
    Check(
        "stream_characters",
        "stream",
        characters,
        Text("Chinese answers hold � where characters were cut.", "中文回答中被切断的字符显示为 �。"),
        Text("Hold back the bytes of a character until it is whole.", "请在字符完整之前暂缓发送其字节。"),
    ),
)
