"""Services that vLLM runs."""

import subprocess
from pathlib import Path

from freehold.deploy.services.units import Mount, SecretFile
from tests.deploy.configured import GB, deployed, only

QWEN = (
    "models: [{id: qwen3-32b, source: /models/Qwen3-32B, engine: vllm, gpus: 2, context_length: 32768,"
    " max_output_tokens: 8192, %s}]\n"
)
ENTRYPOINT = (
    *("/bin/sh", "-c"),
    'VLLM_API_KEY=$(cat /run/secrets/internal) && export VLLM_API_KEY && exec "$@"',
    "sh",
)


def test_a_model_of_vllm_is_a_service_from_its_pinned_image() -> None:
    """Every word of it, what it may see, and what it needs."""
    unit = only(QWEN % "", bytes=65 * GB, architecture="Qwen3ForCausalLM")
    assert (unit.name, unit.role, unit.image) == ("qwen3-32b", "vllm", "vllm/vllm-openai:v0.31.0")
    assert unit.entrypoint == ENTRYPOINT
    assert unit.command == (
        *("vllm", "serve", "/models/Qwen3-32B", "--host", "0.0.0.0", "--port", "8080"),
        *("--served-model-name", "qwen3-32b", "--max-model-len", "32768", "--tensor-parallel-size", "2"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"),
        *("--override-generation-config", '{"max_new_tokens": 8192}'),
    )
    assert unit.environment == {
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
        "HOME": "/tmp",
        "TRANSFORMERS_OFFLINE": "1",
        "USER": "vllm",
        "VLLM_NO_USAGE_STATS": "1",
    }
    assert (unit.files, unit.secrets) == ({}, (SecretFile("internal"),))
    assert unit.mounts == (Mount("/models/Qwen3-32B", "/models/Qwen3-32B"),)
    assert (unit.gpu_ids, unit.shm_mb, unit.startup_s) == (("0", "1"), 4096, 300 + 975)
    assert (unit.ready, unit.alive) == ("/health", "/health")


def test_arguments_pass_through_and_come_last() -> None:
    """Of two words that say the same the later counts."""
    unit = only(QWEN % "args: [--tool-call-parser, qwen3_xml, --max-num-seqs, '64']")
    assert unit.command[-4:] == ("--tool-call-parser", "qwen3_xml", "--max-num-seqs", "64")
    assert unit.command.index("hermes") < unit.command.index("qwen3_xml")


def test_two_models_share_a_card_by_their_shares() -> None:
    """And each says its own to vLLM."""
    first, second = deployed(
        "models:\n"
        "  - {id: chat, source: /m/chat, engine: vllm, gpus: 1, gpu_memory: 0.6}\n"
        "  - {id: embed, source: /m/embed, engine: vllm, gpus: 1, gpu_memory: 0.3}\n"
    ).units
    assert first.gpu_ids == second.gpu_ids == ("0",)
    words = first.command
    assert words[words.index("--gpu-memory-utilization") + 1] == "0.6"
    assert second.command[-2:] == ("--gpu-memory-utilization", "0.3")


def test_an_image_and_a_command_of_the_user_s_own_win() -> None:
    """The key is in the environment all the same; of another image's templates nothing is known."""
    unit = only(QWEN % "image: 'corp/vllm:7', command: [python, -m, server, --port, '{port}', '{model}']")
    assert (unit.role, unit.image, unit.entrypoint) == ("vllm", "corp/vllm:7", ENTRYPOINT)
    assert unit.command == ("python", "-m", "server", "--port", "8080", "/models/Qwen3-32B")
    deepseek = "models: [{id: v31, source: /models/DeepSeek-V3.1, engine: vllm, gpus: 8, %s}]\n"
    template = "/vllm-workspace/examples/tool_chat_template_deepseekv31.jinja"
    assert template in only(deepseek % "").command
    assert "--chat-template" not in only(deepseek % "image: 'corp/vllm:7'").command


def test_a_fetched_repository_is_a_folder_for_vllm() -> None:
    """It is offline, and must not look for a name at a hub."""
    unit = only("models: [{id: q, source: 'hf://Qwen/Qwen3-8B', engine: vllm, gpus: 1}]\ndeploy: {}\n")
    assert unit.command[2] == "/app/data/models/Qwen/Qwen3-8B"
    assert unit.mounts == (Mount("/home/ops/.freehold/models/Qwen/Qwen3-8B", "/app/data/models/Qwen/Qwen3-8B"),)
    assert "qwen3" in unit.command


def test_the_key_reaches_the_server_and_no_command_line(tmp_path: Path) -> None:
    """The entrypoint, run by a real shell: the program's environment has the key, its arguments have not."""
    (tmp_path / "internal").write_text("between us\n")
    shell, dash_c, script, name = ENTRYPOINT
    script = script.replace("/run/secrets", str(tmp_path))
    shown = ["sh", "-c", 'echo "$VLLM_API_KEY|$0|$*"', "vllm", "serve", "a b", "$HOME"]
    ran = subprocess.run([shell, dash_c, script, name, *shown], capture_output=True, text=True, check=True)
    assert ran.stdout == "between us|vllm|serve a b $HOME\n"
    missing = [shell, dash_c, script.replace("internal", "nowhere"), name, *shown]
    assert subprocess.run(missing, capture_output=True, check=False).returncode != 0
