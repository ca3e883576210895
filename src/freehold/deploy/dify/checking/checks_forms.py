"""Structured output: answers that are JSON."""

import json
from typing import Any

from freehold.deploy.dify.checking.check import Check, Failed
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.reading import answered, content, finish_reason
from freehold.deploy.doctor.check import Text, Words

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
MESSAGES = [
    {"role": "system", "content": f"Answer with one JSON object of this schema and nothing else: {json.dumps(SCHEMA)}"},
    {"role": "user", "content": "Name a large city."},
]
LENGTH = 200


def json_object(plugin: Plugin) -> Words:
    """`json_object`, with the schema in the prompt."""
    return _formed(plugin, {"type": "json_object"}, ())


def json_schema(plugin: Plugin) -> Words:
    """`json_schema` in OpenAI's form."""
    wrapped = {"name": "city", "schema": SCHEMA, "strict": True}
    return _formed(plugin, {"type": "json_schema", "json_schema": wrapped}, SCHEMA["required"])


def json_schema_bare(plugin: Plugin) -> Words:
    """`json_schema` as most users type it: the schema itself."""
    return _formed(plugin, {"type": "json_schema", "json_schema": SCHEMA}, SCHEMA["required"])


def _formed(plugin: Plugin, response_format: dict[str, Any], keys: Any) -> Words:
    answer = answered(plugin.chat(MESSAGES, max_tokens=LENGTH, response_format=response_format))
    text = content(answer).strip()
    if finish_reason(answer) == "length" and text.startswith("{"):
        return Text(f"cut by max_tokens: {text[:60]}", f"被 max_tokens 截断：{text[:60]}")
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or any(key not in value for key in keys):
        raise Failed(f'"{text[:120]}"')
    return text[:120]


WRAP = Text(
    'Type the schema into Dify wrapped: {"name": "NAME", "schema": {...}, "strict": true}.',
    '请在 Dify 中填写带外层的形式：{"name": "NAME", "schema": {...}, "strict": true}。',
)
WHY = Text(
    "The node with structured output fails, or its fields stay empty.", "启用结构化输出的节点会失败，或字段为空。"
)
FIX = Text(
    "Let the server hold answers to the form (vLLM and llama.cpp do), or switch structured output off in Dify.",
    "请让服务器约束输出格式（vLLM、llama.cpp 均支持），或在 Dify 中将结构化输出设为不支持。",
)

CHECKS = (
    Check("json_object", "forms", json_object, WHY, FIX, needed=False),
    Check("json_schema", "forms", json_schema, WHY, FIX, needed=False),
    Check("json_schema_bare", "forms", json_schema_bare, WHY, WRAP, needed=False),
)
