"""Families of text models, and the parsers that read their answers."""

import pytest

from freehold.gateway.upstreams.families import FAMILIES, family_of

# the names that vLLM 0.31 knows
TOOLS = {"hermes", "qwen3_xml", "llama3_json", "mistral", "deepseek_v3", "deepseek_v31", "deepseek_v32"}
REASONING = {"qwen3", "mistral", "deepseek_r1", "deepseek_v3"}


@pytest.mark.parametrize(
    ("architecture", "name", "title"),
    [
        ("Qwen2ForCausalLM", "Qwen2.5-7B-Instruct", "Qwen2.5"),
        ("", "Qwen2.5-VL-7B-Instruct", "Qwen2.5"),
        ("Qwen2_5_VLForConditionalGeneration", "Qwen2.5-VL-7B-Instruct", None),
        ("Qwen2ForCausalLM", "Qwen2-7B", None),
        ("Qwen2ForCausalLM", "QwQ-32B", "QwQ"),
        ("Qwen3ForCausalLM", "Qwen3-32B-AWQ", "Qwen3"),
        ("", "qwen3-8b", "Qwen3"),
        ("Qwen3MoeForCausalLM", "Qwen3-235B-A22B-Thinking-2507", "Qwen3"),
        ("Qwen3MoeForCausalLM", "Qwen3-30B-A3B-Instruct-2507", "Qwen3-Instruct"),
        ("Qwen3MoeForCausalLM", "Qwen3-Coder-30B-A3B-Instruct", "Qwen3-Coder"),
        ("", "Qwen3.5-27B", None),
        ("Qwen3ForCausalLM", "Qwen3-Embedding-8B", None),
        ("", "Qwen3-Reranker-4B", None),
        ("LlamaForCausalLM", "Llama-3.3-70B-Instruct", "Llama 3"),
        ("LlamaForCausalLM", "Meta-Llama3-8B", "Llama 3"),
        ("LlamaForCausalLM", "Llama-2-7b-chat", None),
        ("LlamaForCausalLM", "Yi-34B", None),
        ("LlamaForCausalLM", "DeepSeek-R1-Distill-Llama-70B", "DeepSeek-R1-Distill"),
        ("Qwen3ForCausalLM", "DeepSeek-R1-0528-Qwen3-8B", "DeepSeek-R1-Distill"),
        ("Mistral3ForConditionalGeneration", "Mistral-Small-3.2-24B", "Mistral"),
        ("MixtralForCausalLM", "Mixtral-8x7B", "Mistral"),
        ("MistralForCausalLM", "Magistral-Small-2509", "Magistral"),
        ("MistralForCausalLM", "zephyr-7b", None),
        ("DeepseekV3ForCausalLM", "DeepSeek-V3-0324", "DeepSeek-V3"),
        ("DeepseekV3ForCausalLM", "DeepSeek-V3.1", "DeepSeek-V3.1"),
        ("DeepseekV3ForCausalLM", "DeepSeek-R1-0528", "DeepSeek-R1"),
        ("DeepseekV32ForCausalLM", "DeepSeek-V3.2", "DeepSeek-V3.2"),
        ("", "DeepSeek-V3.2-Exp", "DeepSeek-V3.2"),
        ("", "anything", None),
        ("", "", None),
    ],
)
def test_a_family_is_told_by_architecture_and_name(architecture: str, name: str, title: str | None) -> None:
    """In doubt a model is of none: a wrong parser would eat its answers."""
    family = family_of(architecture, name)
    assert (None if family is None else family.title) == title


def test_every_parser_is_one_that_vllm_knows() -> None:
    """A name that it does not know ends its start."""
    assert {family.tools for family in FAMILIES} - {""} <= TOOLS
    assert {family.reasoning for family in FAMILIES} - {""} <= REASONING
    assert len({family.title for family in FAMILIES}) == len(FAMILIES)
