"""The form of the plugin OpenAI-API-compatible (0.0.63), as Dify shows it for each type of model. Data.

Names, labels and values are those of its `provider/openai_api_compatible.yaml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from freehold.deploy.dify.console import ModelType
from freehold.errors import Language

TYPES: tuple[ModelType, ...] = ("llm", "text-embedding", "rerank", "speech2text", "tts")

TITLE = "OpenAI-API-compatible"

Words = Mapping[Language, str]


def _both(en: str, zh: str) -> Words:
    return {"en": en, "zh": zh}


_SUPPORT = {"support": _both("Support", "支持"), "no_support": _both("Not Support", "不支持")}
_SUPPORTED = {"supported": _both("Support", "支持"), "not_supported": _both("Not Support", "不支持")}


@dataclass(frozen=True)
class Field:
    """One field: its name in the credentials, its label, and of a choice what each value is called."""

    name: str
    label: Words
    choices: Mapping[str, Words] = field(default_factory=dict)

    def shown(self, value: str, language: Language) -> str:
        """What to choose or to type."""
        return self.choices[value][language] if value in self.choices else value


MODEL_TYPE = _both("Model Type", "模型类型")
MODEL_NAME = _both("Model Name", "模型名称")
TYPE_NAMES: Mapping[ModelType, str] = {
    "llm": "LLM",
    "text-embedding": "TEXT EMBEDDING",
    "rerank": "RERANK",
    "speech2text": "SPEECH2TEXT",
    "tts": "TTS",
}
"""Dify shows them alike in both languages."""

API_KEY, ENDPOINT = "api_key", "endpoint_url"
FIELDS = (
    Field(API_KEY, _both("API Key", "API Key")),
    Field(ENDPOINT, _both("API Base URL", "API Base URL")),
    Field("endpoint_model_name", _both("model name for API endpoint", "API endpoint中的模型名称")),
    Field(
        "mode",
        _both("Completion mode", "对话类型"),
        {"chat": _both("Chat", "对话"), "completion": _both("Completion", "补全")},
    ),
    Field("context_size", _both("Model context size", "模型上下文长度")),
    Field("max_chunks", _both("Model max chunks per batch", "模型每批的最大分块数")),
    Field("encoding_format", _both("Embedding encoding format", "Embedding encoding format")),
    Field("max_tokens_to_sample", _both("Upper bound for max tokens", "最大 token 上限")),
    Field(
        "agent_thought_support",
        _both("Thinking Mode Support", "思考模式支持"),
        {
            "only_thinking_supported": _both("Only Thinking Mode", "仅支持思考模式"),
            "not_supported": _both("Only Non-Thinking Mode", "仅支持非思考模式"),
            "supported": _both("Both Modes", "两种模式都支持"),
        },
    ),
    Field(
        "compatibility_mode",
        _both("Compatibility mode", "兼容模式"),
        {
            "strict": _both("OpenAI compatible", "严格（OpenAI 兼容）"),
            "extended": _both("Enable extra settings", "扩展（启用额外设置）"),
        },
    ),
    Field(
        "function_calling_type",
        _both("Function Call Type", "函数调用类型"),
        {"tool_call": _both("Tool Call", "工具调用"), "no_call": _both("Not Support", "不支持")},
    ),
    Field("stream_function_calling", _both("Stream function calling", "流式函数调用"), _SUPPORTED),
    Field("vision_support", _both("Vision Support", "视觉支持"), _SUPPORT),
    Field("structured_output_support", _both("Structured Output", "结构化输出"), _SUPPORTED),
    Field("stream_mode_delimiter", _both("Delimiter for streaming results", "流模式返回结果的分隔符")),
    Field("document_prefix", _both("Document prefix", "文档前缀")),
    Field("query_prefix", _both("Query prefix", "查询前缀")),
)
"""In the order of the form."""
