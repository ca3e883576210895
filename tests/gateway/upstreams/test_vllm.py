"""The command line of vLLM."""

from pathlib import Path

import pytest

from freehold.config import Defaults, Gpus, ModelConfig
from freehold.gateway.upstreams.vllm import architecture_of, command, filled, place_of


def model(**more: object) -> ModelConfig:
    return ModelConfig(**{"id": "m", "source": "/models/x", "engine": "vllm", **more})  # type: ignore[arg-type]  # keyword by keyword


def words(**more: object) -> tuple[str, ...]:
    """What is said beyond program, place, address and name."""
    return command(model(**more), "127.0.0.1", "{port}")[9:]


def test_the_least_says_where_and_under_which_name() -> None:
    """All else is vLLM's own default."""
    assert command(model(), "127.0.0.1", "{port}") == (
        *("vllm", "serve", "/models/x", "--host", "127.0.0.1", "--port", "{port}", "--served-model-name", "m"),
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"context_length": 100}, ("--max-model-len", "100")),
        ({"gpus": 1}, ()),
        ({"gpus": 4}, ("--tensor-parallel-size", "4")),
        ({"gpus": Gpus(2, "amd.com/gpu")}, ("--tensor-parallel-size", "2")),
        ({"gpu_memory": 0.30}, ("--gpu-memory-utilization", "0.3")),
        ({"source": "/m/Qwen2.5-7B"}, ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")),
        ({"source": "/m/DeepSeek-R1-Distill-Qwen-7B"}, ("--reasoning-parser", "deepseek_r1")),
        ({"source": "/m/Qwen3-8B", "kind": "embed"}, ()),
        (
            {"id": "llama-3.1-8b", "source": "/m/current"},
            ("--enable-auto-tool-choice", "--tool-call-parser", "llama3_json"),
        ),
        (
            {"source": "/m/DeepSeek-V3.2"},
            (
                *("--enable-auto-tool-choice", "--tool-call-parser", "deepseek_v32"),
                *("--reasoning-parser", "deepseek_v3", "--tokenizer-mode", "deepseek_v32"),
            ),
        ),
        ({"defaults": Defaults(temperature=0.5)}, ("--override-generation-config", '{"temperature": 0.5}')),
        (
            {"chat_template_kwargs": {"enable_thinking": False}},
            ("--default-chat-template-kwargs", '{"enable_thinking": false}'),
        ),
        (
            {"args": ("--seed", "1"), "max_output_tokens": 5},
            ("--override-generation-config", '{"max_new_tokens": 5}', "--seed", "1"),
        ),
    ],
)
def test_what_the_configuration_says_is_said_to_vllm(more: dict[str, object], expected: tuple[str, ...]) -> None:
    """One word for each, and the user's own at the end."""
    assert words(**more) == expected


def test_the_architecture_decides_where_it_is_known() -> None:
    """A name alone may promise what the files are not."""
    qwen = model(source="/m/Qwen2.5-7B")
    assert "hermes" in command(qwen, "h", "1", "Qwen2ForCausalLM")
    assert "hermes" not in command(qwen, "h", "1", "Qwen2_5_VLForConditionalGeneration")


def test_a_template_is_named_only_where_vllm_s_examples_are() -> None:
    """A child of this machine has them nowhere that is known."""
    deepseek = model(source="/m/DeepSeek-V3.1")
    assert "--chat-template" not in command(deepseek, "h", "1")
    assert command(deepseek, "h", "1", templates="/x")[-2:] == (
        "--chat-template",
        "/x/tool_chat_template_deepseekv31.jinja",
    )


def test_a_command_line_of_another_server_is_filled_in() -> None:
    """Every placeholder, wherever it stands; a port that is not known yet stays one."""
    other = model(command=("s", "--model={model}", "--as", "{id}", "{port}:{port}"))
    assert filled(other, "80") == ("s", "--model=/models/x", "--as", "m", "80:80")
    assert filled(other)[-1] == "{port}:{port}"
    assert filled(model()) == ()
    assert place_of(model(source="hf://o/n")) == "hf://o/n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"architectures": ["Qwen3ForCausalLM", "x"]}', "Qwen3ForCausalLM"),
        ('{"architectures": []}', ""),
        ("{}", ""),
        ('{"architectures": null}', ""),
        ("no json", ""),
        (None, ""),
    ],
)
def test_the_architecture_is_what_the_folder_says(text: str | None, expected: str, tmp_path: Path) -> None:
    """Nothing where nothing can be read: vLLM says itself what is wrong with a folder."""
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert architecture_of(tmp_path) == expected
