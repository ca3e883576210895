"""Families of text models, and what vLLM must be told to read tools and reasoning out of their answers. Data.

Names of parsers and of templates are those of vLLM 0.31 (docs: Tool Calling, Reasoning Outputs). A model whose family
is not here, or cannot be told, gets none: a wrong parser would eat answers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_NO_CHAT = re.compile(r"embed|rerank|reward", re.IGNORECASE)


@dataclass(frozen=True)
class Family:
    """Models that write tool calls and reasoning alike; "" for what they do not write.

    `architectures` are those of `config.json`; `name` is a pattern, without case, of the name of the model's folder or
    repository: the same architecture may have been trained on other forms. An empty one fits every name.
    `template` is the chat template among vLLM's examples that shows tools to models whose own does not.
    """

    title: str
    architectures: frozenset[str]
    name: str
    tools: str = ""
    reasoning: str = ""
    template: str = ""
    words: tuple[str, ...] = ()

    def fits(self, architecture: str, name: str) -> bool:
        """Whether a model is of this family; where its architecture is not known ("") its name must say so."""
        if architecture and architecture not in self.architectures:
            return False
        return bool(architecture or self.name) and re.search(self.name, name, re.IGNORECASE) is not None


_QWEN2 = frozenset({"Qwen2ForCausalLM", "Qwen2MoeForCausalLM"})
_QWEN3 = frozenset({"Qwen3ForCausalLM", "Qwen3MoeForCausalLM", "Qwen3NextForCausalLM"})
_LLAMA = frozenset({"LlamaForCausalLM", "MllamaForConditionalGeneration"})
_MISTRAL = frozenset({"MistralForCausalLM", "MixtralForCausalLM", "Mistral3ForConditionalGeneration"})
_DEEPSEEK = frozenset({"DeepseekV3ForCausalLM"})

FAMILIES = (
    # fine-tuned on answers of R1, and on no tools
    Family("DeepSeek-R1-Distill", _QWEN2 | _LLAMA | _QWEN3, r"r1.*distill|r1-0528-qwen3", reasoning="deepseek_r1"),
    Family("QwQ", _QWEN2, r"qwq", "hermes", "deepseek_r1"),
    Family("Qwen2.5", _QWEN2, r"qwen2\.5", "hermes"),
    Family("Qwen3-Coder", _QWEN3, r"qwen3.*coder", "qwen3_xml"),
    # never thinks: the parser would take all that it says for thoughts
    Family("Qwen3-Instruct", _QWEN3, r"qwen3.*instruct", "hermes"),
    Family("Qwen3", _QWEN3, r"qwen-?3(?![.0-9])", "hermes", "qwen3"),
    Family("Llama 3", _LLAMA, r"llama-?3", "llama3_json"),
    Family("Magistral", _MISTRAL, r"magistral", "mistral", "mistral"),
    Family("Mistral", _MISTRAL, r"mistral|mixtral|ministral|devstral", "mistral"),
    Family(
        "DeepSeek-V3.2",
        frozenset({"DeepseekV32ForCausalLM"}),
        r"deepseek-v3\.2",
        "deepseek_v32",
        "deepseek_v3",
        words=("--tokenizer-mode", "deepseek_v32"),
    ),
    Family(
        "DeepSeek-V3.1",
        _DEEPSEEK,
        r"deepseek-v3\.1",
        "deepseek_v31",
        "deepseek_v3",
        "tool_chat_template_deepseekv31.jinja",
    ),
    Family("DeepSeek-R1", _DEEPSEEK, r"r1", "deepseek_v3", "deepseek_r1", "tool_chat_template_deepseekr1.jinja"),
    Family("DeepSeek-V3", _DEEPSEEK, r"deepseek-v3", "deepseek_v3", "", "tool_chat_template_deepseekv3.jinja"),
)


def family_of(architecture: str, name: str, families: Iterable[Family] = FAMILIES) -> Family | None:
    """The first family that a model is of; None for one that is of none, or that does not chat."""
    if _NO_CHAT.search(name):
        return None
    return next((family for family in families if family.fits(architecture, name)), None)
