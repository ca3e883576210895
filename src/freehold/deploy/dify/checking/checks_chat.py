"""What Dify asks of a chat model beside streams: validation, lengths, stops, thinking, errors."""

from typing import Any

from freehold.deploy.dify.checking.check import Check, Failed, NotApplicable
from freehold.deploy.dify.checking.exchange import Exchange
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.plugin_stream import heard_kindly
from freehold.deploy.dify.checking.reading import answered, content, dig, error_text, finish_reason, rows, tokens, told
from freehold.deploy.doctor.check import Text, Words

COUNT = [{"role": "user", "content": "Count from 1 to 200, separated by commas. Write nothing else."}]
HELLO = [{"role": "user", "content": "Say hello in one short sentence."}]
GREEDY: dict[str, Any] = {"temperature": 0}
WITHOUT_THINKING = {
    "chat_template_kwargs": {"enable_thinking": False, "thinking": False},
    "thinking": {"type": "disabled"},
    "enable_thinking": False,
}
"""What the plugin adds with `compatibility_mode=extended` when a user switches thinking off."""
USER = "6f9d2c1e-0d9c-4b55-9d9a-0f3a5b8b7c11"
UNKNOWN = "freehold-no-such-model"
SHORT = 32
"""Tokens: a default length of this or less cuts every answer."""
PLENTY = 40
"""Frames of a stream after which the default length is no question any more."""
LONG_WORDS, MOST_WORDS = 150_000, 600_000


def validates(plugin: Plugin) -> Words:
    """The call that Dify makes when the model is added."""
    answer = answered(plugin.validate_chat())
    if not isinstance(answer.json, dict):
        raise Failed(Text("the answer is no JSON", "回答不是 JSON"))
    return f"HTTP 200, {answer.seconds:.1f} s"


def object_named(plugin: Plugin) -> Words:
    """The field `object`: absent is tolerated, a wrong value is not."""
    named = dig(plugin.validate_chat().json, "object")
    if named not in (None, "", "chat.completion"):
        raise Failed(f'"object": "{named}"')
    return f'"object": "{named or ""}"'


def completion_mode(plugin: Plugin) -> Words:
    """The same for the mode "completion", where the server has it."""
    answer = plugin.validate_completion()
    if answer.status in (404, 405, 501):
        raise NotApplicable(Text(f"HTTP {answer.status}: chat alone", f"HTTP {answer.status}：只有对话模式"))
    named = dig(answered(answer).json, "object")
    if named not in (None, "", "text_completion"):
        raise Failed(f'"object": "{named}"')
    return f'"object": "{named or ""}"'


def usage(plugin: Plugin) -> Words:
    """Both counts of tokens, which are read as keys."""
    found = dig(answered(plugin.chat(HELLO, max_tokens=16)).json, "usage")
    if tokens(found, "prompt_tokens") < 0 or tokens(found) < 0:
        raise Failed(f'"usage": {found}')
    return f"prompt_tokens {tokens(found, 'prompt_tokens')}, completion_tokens {tokens(found)}"


def default_length(plugin: Plugin) -> Words:
    """How long an answer may be where the user set no max_tokens: read until that is clear."""
    answer = plugin.stream(COUNT, enough=lambda body: body.count(b"data:") > PLENTY)
    if answer.left:
        return Text(f"more than {PLENTY} frames", f"超过 {PLENTY} 帧")
    if answer.trouble == "slow":
        raise NotApplicable(Text(f"unknown: {answer.reason}", f"未知：{answer.reason}"))
    heard = heard_kindly(answered(answer).text)
    count = tokens(heard.usage)
    if heard.finish_reason == "length" and 0 <= count <= SHORT:
        raise Failed(Text(f"cut after {count} tokens", f"在 {count} 个 token 后被截断"))
    return f"{heard.finish_reason}, {count} tokens"


def max_tokens(plugin: Plugin) -> Words:
    """Three tokens and no more, said in finish_reason."""
    return _kept_short(plugin.chat(COUNT, max_tokens=3))


def max_completion_tokens(plugin: Plugin) -> Words:
    """The newer name, which Dify sends for models named o1, o3, gpt-5, or where the user chose it."""
    return _kept_short(plugin.chat(COUNT, max_completion_tokens=3))


def _kept_short(answer: Exchange) -> Words:
    text, reason, count = content(answer), finish_reason(answer), tokens(dig(answer.json, "usage"))
    if count > 3 or (count < 0 and len(text.split()) > 6):
        raise Failed(Text(f"{count} tokens, finish_reason {reason}", f"{count} 个 token，finish_reason 为 {reason}"))
    if count == 3 and reason != "length":
        raise Failed(f"finish_reason {reason!r}")
    return f"{count} tokens, finish_reason {reason}"


def stops(plugin: Plugin) -> Words:
    """A text that the answer would hold ends it, and is not returned."""
    stop, before = stop_of(plugin)
    return stopped(content(plugin.chat(COUNT, max_tokens=48, **GREEDY, stop=[stop])), stop, before)


def stop_of(plugin: Plugin) -> tuple[str, str]:
    """A text in the middle of what the model answers without a stop, and what comes before it."""
    text = content(plugin.chat(COUNT, max_tokens=48, **GREEDY))
    for start in range(len(text) // 2, len(text)):
        stop = text[start : start + 3]
        if stop.strip() and "\ufffd" not in stop and text.find(stop) > 0:
            return stop, text[: text.find(stop)]
    raise NotApplicable(Text("the answer is too short to be stopped", "回答太短，无从停止"))


def stopped(text: str, stop: str, before: str) -> Words:
    """What is found of an answer that should have ended before `stop`. Raises Failed."""
    if stop in text:
        ends = text.endswith(stop)
        raise Failed(
            Text(
                f"stop {stop!r} is {'returned' if ends else 'ignored'}",
                f"停止词 {stop!r} {'被返回' if ends else '被忽略'}",
            )
        )
    if len(text) > len(before) + 48:
        raise Failed(Text(f"the answer goes on after stop {stop!r}", f"停止词 {stop!r} 之后仍继续输出"))
    return Text(f"stop {stop!r}: {len(text)} characters", f"停止词 {stop!r}：{len(text)} 个字符")


def user_field(plugin: Plugin) -> Words:
    """Fields that the API does not have are no mistake."""
    answered(plugin.chat(HELLO, max_tokens=8, reasoning_format="auto", user=USER))
    return "user, reasoning_format"


def thinking_switch(plugin: Plugin) -> Words:
    """Switching thinking off is accepted, and does it."""
    answer = answered(plugin.chat(HELLO, max_tokens=64, **WITHOUT_THINKING))
    if _thoughts(answer):
        raise Failed(Text("it thinks all the same", "仍然输出思考内容"))
    return "chat_template_kwargs, thinking, enable_thinking"


def thoughts_apart(plugin: Plugin) -> Words:
    """Reasoning comes in a field of its own or between both tags."""
    text = content(plugin.chat(HELLO, max_tokens=256))
    thoughts = _thoughts(plugin.chat(HELLO, max_tokens=256))
    if "</think>" in text and "<think>" not in text:
        raise Failed(Text("</think> without <think>", "只有 </think> 而没有 <think>"))
    if not thoughts:
        raise NotApplicable(Text("the model does not think aloud", "模型没有输出思考内容"))
    return f"{len(thoughts)} characters"


def parts(plugin: Plugin) -> Words:
    """Content as a list of parts, as with every picture."""
    message = {"role": "user", "content": [{"type": "text", "text": "Say hello."}]}
    answered(plugin.chat([message], max_tokens=8))
    return "content: [{type: text}]"


def unknown_model(plugin: Plugin) -> Words:
    """A name that the server does not have is refused."""
    return refused(plugin.instead(chat=UNKNOWN).validate_chat())


def refused(answer: Exchange) -> Words:
    """What is found of an answer that should be a refusal with words. Raises Failed."""
    if answer.ok:
        raise Failed(Text("it answers, with HTTP 200", "以 HTTP 200 作答"))
    if not 400 <= answer.status < 500 or not error_text(answer):
        raise Failed(told(answer))
    return told(answer)


def error_words(plugin: Plugin) -> Words:
    """Two words in an error's text make the plugin send the same call once more, with thinking switched off."""
    answer = plugin.instead(chat=UNKNOWN).validate_chat()
    if answer.ok:
        raise NotApplicable(Text("there is no error to read", "没有错误可读"))
    said = answer.text.lower()
    if found := [word for word in ("thinking", "budget_tokens", "integer_below_min_value") if word in said]:
        raise Failed(", ".join(found))
    return Text("the error names what is wrong", "错误信息指明了问题")


def long_prompt(plugin: Plugin) -> Words:
    """A prompt longer than the model's context is refused in words."""
    words = _words_beyond(plugin)
    answer = plugin.chat([{"role": "user", "content": "land " * words}], max_tokens=1)
    if answer.trouble == "slow":
        raise NotApplicable(Text(f"{words} words: {answer.reason}", f"{words} 个词：{answer.reason}"))
    if answer.ok:
        taken = tokens(dig(answer.json, "usage"), "prompt_tokens")
        if taken >= words or taken < 0:
            raise NotApplicable(Text(f"it has room for {words} words", f"可容纳 {words} 个词"))
        raise Failed(
            Text(
                f"{taken} of {words} words were read, the rest was dropped silently",
                f"{words} 个词只读取了 {taken} 个 token，其余被静默丢弃",
            )
        )
    return refused(answer)


def _words_beyond(plugin: Plugin) -> int:
    """More words than the model's context has tokens, where the server tells it."""
    for row in rows(plugin.models(), "data"):
        if dig(row, "id") == plugin.target.chat:
            for path in (("max_model_len",), ("context_length",), ("context_window",), ("meta", "n_ctx")):
                if isinstance(context := dig(row, *path), int):
                    return min(context + context // 4 + 64, MOST_WORDS)
    return LONG_WORDS


def _thoughts(answer: Exchange) -> str:
    message = dig(answer.json, "choices", 0, "message")
    apart = dig(message, "reasoning_content") or dig(message, "reasoning") or ""
    text = str(dig(message, "content") or "")
    return str(apart) or (text.partition("</think>")[0] if "<think>" in text else "")


CHECKS = (
    Check(
        "chat_validates",
        "chat",
        validates,
        Text(
            "Dify asks this when the model is added; anything but 200 and JSON and it is not saved.",
            "添加模型时 Dify 会发送此调用；不是 200 和 JSON 就无法保存。",
        ),
        Text("Compare the model's name and the server's own log.", "请核对模型名称，并查看服务器日志。"),
        gate=True,
    ),
    Check(
        "chat_object",
        "chat",
        object_named,
        Text("Adding the model fails: invalid response object.", "添加模型会失败：响应的 object 无效。"),
        Text('Answer with "object": "chat.completion".', '请返回 "object": "chat.completion"。'),
    ),
    Check(
        "completion_validates",
        "chat",
        completion_mode,
        Text("A model added with the mode Completion is refused.", "以 Completion 模式添加的模型会被拒绝。"),
        Text(
            'Choose the mode Chat in Dify, or answer /completions with "object": "text_completion".',
            '请在 Dify 中选择 Chat 模式，或让 /completions 返回 "object": "text_completion"。',
        ),
        needed=False,
    ),
    Check(
        "chat_usage",
        "chat",
        usage,
        Text(
            "An answer without these counts ends in KeyError: the node of the workflow fails.",
            "缺少这些计数会触发 KeyError：工作流节点失败。",
        ),
        Text(
            "Return usage with prompt_tokens and completion_tokens in every answer.",
            "请在每个回答中返回含 prompt_tokens 与 completion_tokens 的 usage。",
        ),
    ),
    Check(
        "chat_default_length",
        "chat",
        default_length,
        Text(
            "Dify normally sends no max_tokens: a small default cuts every answer in the middle of a sentence.",
            "Dify 通常不发送 max_tokens：默认值过小会把每个回答在句中截断。",
        ),
        Text(
            "Raise the server's default length, to what the context has left at best.",
            "请调高服务器的默认长度，最好为上下文的剩余长度。",
        ),
    ),
    Check(
        "chat_max_tokens",
        "chat",
        max_tokens,
        Text(
            "Limits that users set do not hold, and apps cannot tell that an answer was cut.",
            "用户设置的上限不起作用，应用也无法得知回答被截断。",
        ),
        Text(
            'Stop after max_tokens and say finish_reason "length".',
            '请在达到 max_tokens 时停止，并返回 finish_reason "length"。',
        ),
    ),
    Check(
        "chat_max_completion_tokens",
        "chat",
        max_completion_tokens,
        Text(
            "For models named o1, o3 or gpt-5, and where a user chose this name, no limit holds.",
            "对名为 o1、o3、gpt-5 的模型或选择该参数名的用户，上限不起作用。",
        ),
        Text("Treat max_completion_tokens as max_tokens.", "请将 max_completion_tokens 等同于 max_tokens。"),
        needed=False,
    ),
    Check(
        "chat_stop",
        "chat",
        stops,
        Text(
            "Agents that work with stops (ReAct) invent the results of their tools.",
            "依赖停止词的智能体（ReAct）会自行编造工具结果。",
        ),
        Text("End the answer before the stop text, and do not return it.", "请在停止词之前结束，且不返回停止词。"),
    ),
    Check(
        "chat_unknown_fields",
        "chat",
        user_field,
        Text(
            "Every call has the user's id, and some have more: a server that refuses them answers none.",
            "每次调用都带用户 ID，有时还有其他字段：拒绝未知字段的服务器无法使用。",
        ),
        Text("Ignore fields that are not known.", "请忽略未知字段。"),
    ),
    Check(
        "chat_thinking_switch",
        "chat",
        thinking_switch,
        Text(
            "Users of Qwen3 and its like cannot switch thinking off: answers come late.",
            "Qwen3 等模型的用户无法关闭思考：回答变慢。",
        ),
        Text(
            "Accept these fields and hand chat_template_kwargs to the model's template; with vLLM that is the default.",
            "请接受这些字段，并将 chat_template_kwargs 传给模型模板；vLLM 默认如此。",
        ),
        needed=False,
    ),
    Check(
        "chat_reasoning",
        "chat",
        thoughts_apart,
        Text(
            "Thoughts stand in the answer like words to the user, and Dify cannot fold them.",
            "思考内容会像正文一样显示给用户，Dify 无法折叠。",
        ),
        Text(
            "Start the server with its reasoning parser (vLLM: --reasoning-parser): reasoning_content then holds it.",
            "请启用服务器的思考解析器（vLLM：--reasoning-parser），使其进入 reasoning_content。",
        ),
    ),
    Check(
        "chat_parts",
        "chat",
        parts,
        Text(
            "Questions with files and pictures fail, and so do some plugins' plain ones.",
            "带文件或图片的问题会失败，部分插件的纯文本问题也会失败。",
        ),
        Text("Accept content as a list of {type: text} parts.", "请接受由 {type: text} 组成的 content 列表。"),
    ),
    Check(
        "chat_unknown_model",
        "chat",
        unknown_model,
        Text(
            "A mistyped name is saved as a working model, and another model answers for it.",
            "写错的名称会被当作可用模型保存，并由另一个模型代答。",
        ),
        Text("Refuse names that are not served with 404 and a text.", "对未提供的名称请返回 404 并附说明。"),
    ),
    Check(
        "chat_error_words",
        "chat",
        error_words,
        Text(
            'The plugin takes "thinking" in an error for a mistake of its own and asks again in another way.',
            "错误中出现 “thinking” 时，插件会误以为是自身参数问题而改变方式重试。",
        ),
        Text("Leave these words out of other errors.", "请勿在其他错误中使用这些词。"),
        needed=False,
    ),
    Check(
        "chat_long_prompt",
        "chat",
        long_prompt,
        Text(
            "A long conversation ends in an error that says nothing, or the model forgets its beginning unseen.",
            "长对话会以含义不明的错误结束，或模型在不知不觉中丢失开头。",
        ),
        Text(
            "Answer 400 with a text that names the tokens sent and the context's length.",
            "请返回 400，并说明发送的 token 数与上下文长度。",
        ),
    ),
)
