"""Errors of chat templates, of messages as templates take them, and of tools."""

from freehold.errors.kinds import Entry, Kind

_TEMPLATES: dict[str, Entry] = {
    "template_missing": Entry(
        Kind.INVALID,
        "{model} has no chat template, so nothing says how messages become its prompt.",
        "Send a ready prompt to /v1/completions, or put the model's chat_template.jinja into its folder.",
        "{model} 没有对话模板，无法确定如何把消息转换为提示词。",
        "请把完整提示词发送到 /v1/completions，或在模型目录中放入 chat_template.jinja。",
    ),
    "template_invalid": Entry(
        Kind.INVALID,
        "The chat template of {model} is not valid Jinja, line {line}: {reason}.",
        "Correct that line of chat_template.jinja, or fetch the file again from where the model comes from.",
        "{model} 的对话模板不是有效的 Jinja，第 {line} 行：{reason}。",
        "请修正 chat_template.jinja 的该行，或从模型来源重新获取该文件。",
    ),
    "template_refused": Entry(
        Kind.INVALID,
        "The chat template of {model} refuses these messages: {reason}",
        "Change the order, the roles or the fields of the messages as it says.",
        "{model} 的对话模板拒绝了这些消息：{reason}",
        "请按提示调整消息的顺序、角色或字段。",
    ),
    "template_failed": Entry(
        Kind.INVALID,
        "The chat template of {model} fails on these messages, line {line}: {reason}.",
        "Send messages of the form that the template expects; if they are usual ones, correct the template.",
        "{model} 的对话模板在处理这些消息时出错，第 {line} 行：{reason}。",
        "请按模板要求的形式发送消息；若消息并无特别之处，请修正模板。",
    ),
    "template_overrun": Entry(
        Kind.INVALID,
        "The chat template of {model} was stopped: it wanted {reason} for one prompt.",
        "Send a shorter conversation; if it is short, the template loops: correct it.",
        "{model} 的对话模板已被中止：单个提示词需要 {reason}。",
        "请缩短对话；若对话本来就短，则模板存在死循环，请修正。",
    ),
    "template_variable_reserved": Entry(
        Kind.INVALID,
        "`chat_template_kwargs` sets `{name}`, which the server itself gives to the template.",
        "Leave it out: messages, tools and the other fields of the request say the same.",
        "`chat_template_kwargs` 设置了 `{name}`，而该变量由服务器提供给模板。",
        "请去掉该项；请求中的 messages、tools 等字段已表达同样的含义。",
    ),
}

_MESSAGES: dict[str, Entry] = {
    "message_role_unknown": Entry(
        Kind.INVALID,
        "{where}.role is {found}.",
        "Use one of: {allowed}.",
        "{where}.role 的值为 {found}。",
        "请使用以下之一：{allowed}。",
    ),
    "message_invalid": Entry(
        Kind.INVALID,
        "{where} {reason}.",
        "Write messages as {form}",
        "{where} 有误：{reason}。",
        "消息的格式为 {form}",
    ),
    "content_unsupported": Entry(
        Kind.INVALID,
        "{where} is a part of type `{found}`, and {model} reads only text.",
        "Send text parts, or ask a model that reads such parts: serve one as an upstream (`engine: vllm`, or the URL of"
        " its server as `source`).",
        "{where} 的类型为 `{found}`，而 {model} 只支持文本。",
        "请只发送文本，或改用支持此类内容的模型：可将其配置为上游（`engine: vllm`，或把其服务 URL 写入 `source`）。",
    ),
}

_TOOLS: dict[str, Entry] = {
    "tool_invalid": Entry(
        Kind.INVALID,
        "{where} {reason}.",
        'Write a tool as {{"type": "function", "function": {{"name": "get_weather", "description": "...", "parameters":'
        ' {{"type": "object", "properties": {{...}}}}}}}}.',
        "{where} 有误：{reason}。",
        '工具的格式为 {{"type": "function", "function": {{"name": "get_weather", "description": "...", "parameters":'
        ' {{"type": "object", "properties": {{...}}}}}}}}。',
    ),
    "tool_choice_invalid": Entry(
        Kind.INVALID,
        "`tool_choice` {reason}.",
        "Use one of: {allowed}.",
        "`tool_choice` 有误：{reason}。",
        "请使用以下之一：{allowed}。",
    ),
    "tools_unsupported": Entry(
        Kind.INVALID,
        "{model} cannot be given tools: {reason}.",
        "Leave `tools` out, or ask a model that calls tools (Qwen, Hermes, Llama 3 and Mistral forms are known).",
        "无法向 {model} 提供工具：{reason}。",
        "请去掉 `tools`，或改用支持工具调用的模型（支持 Qwen、Hermes、Llama 3 与 Mistral 格式）。",
    ),
}

ENTRIES: dict[str, Entry] = _TEMPLATES | _MESSAGES | _TOOLS
