"""What must hold between the keys of deployments, each rule with the line and column that break it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import read

ON_COMPOSE = "deploy: {}\n"
ON_A_CLUSTER = "deploy: {target: kubernetes, %s}\n"
TWO = """\
models:
  - {id: Qwen3.32B, source: /a}
  - {id: qwen3-32b, source: /b}
"""


def model(text: str, source: str = "/models/a") -> str:
    return f"models:\n  - id: a\n    source: {source}\n    {text}\n"


def together(first: str, second: str) -> str:
    return f"models:\n  - {{id: a, source: /a, service: s, {first}}}\n  - {{id: b, source: /b, service: s, {second}}}\n"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (TWO + ON_COMPOSE, "units_name_taken", "freehold.yaml:3:6: the service of `qwen3-32b` would be"),
        (TWO + ON_COMPOSE, "units_name_taken", "`Qwen3.32B` (freehold.yaml:2:6)"),
        ("models: [{id: Gateway, source: /a}]\n" + ON_COMPOSE, "units_name_taken", "called `gateway`"),
        (
            "models: [{id: a, source: /a}, {id: b, source: /b, service: a}]\n" + ON_COMPOSE,
            "units_name_taken",
            "the service of `b` would be called `a`",
        ),
        (model("image: i:1"), "units_image_idle", "freehold.yaml:4:5: `models[0].image` is i:1"),
        (model("gpu_memory: 0.3"), "vllm_only", "`models[0].gpu_memory`"),
        (model("engine: vllm\n    command: [x, '{port}']\n    args: [--x]"), "vllm_only", "6:5: `models[0].args`"),
        (model("scale: {least: 3, most: 2}"), "units_scale_upside_down", "4:23: `models[0].scale.most` is 2"),
        (together("gpus: 1", "gpus: 2"), "units_service_mixed", "freehold.yaml:3:25: `b` and `a` (freehold.yaml:2:25)"),
        (together("scale: {least: 2}", "kind: auto"), "units_service_mixed", "differ in `scale`"),
        (together("engine: vllm", "engine: vllm"), "units_service_alone", "`s`"),
        (
            "models: [{id: u, source: 'https://h/v1', service: s}, {id: b, source: /b, service: s}]\n",
            "units_service_upstream",
            "`b` and `u`",
        ),
        (model("kind: auto") + "deploy: {name: Shop_1}\n", "units_not_a_label", "5:10: `deploy.name` is `Shop_1`"),
        (model("kind: auto") + "deploy: {namespace: a.b}\n", "units_not_a_label", "Write a-b."),
        (model("kind: auto") + "deploy: {steps: [50, 5, 100]}\n", "units_steps", "5:10: `deploy.steps` is 50, 5, 100"),
        (model("kind: auto") + "deploy: {steps: [5, 50]}\n", "units_steps", "end at 100"),
        (model("kind: auto") + "deploy: {steps: []}\n", "units_steps", "is none"),
        (model("kind: auto") + "deploy: {steps: [5, 5, 100]}\n", "units_steps", "5, 5, 100"),
        (model("command: [llama-server, '{port}']") + ON_COMPOSE, "units_command_imageless", "llama-server"),
        (
            model("kind: auto") + "server: {tls: {certificate: /c, key: /k, client_ca: /ca}}\n" + ON_COMPOSE,
            "units_client_ca",
            "freehold.yaml:5:42: with `server.tls.client_ca`",
        ),
        (model("key: '${env:K}'", "http://localhost:11434/v1") + ON_COMPOSE, "units_loopback", "3:5: `a` is at"),
        (
            model("replicas: ['http://127.0.0.2:1/v1']", "http://h:1/v1") + ON_COMPOSE,
            "units_loopback",
            "127.0.0.2",
        ),
        (model("kind: auto", "oci://h/r/m:1") + ON_COMPOSE, "units_source_unpulled", "m:TAG"),
        (model("engine: vllm", "qwen:1") + ON_COMPOSE, "vllm_source", "3:5: `a` is the artifact qwen:1"),
        (model("kind: auto") + ON_A_CLUSTER % "", "units_no_claim", "deploy.storage.claim"),
        (
            model("kind: auto", "/data/a") + ON_A_CLUSTER % "storage: {claim: c}",
            "units_unclaimed",
            "not below /models, where the volume is mounted (freehold.yaml:5:30)",
        ),
        (model("kind: auto", "m:1") + ON_A_CLUSTER % "", "units_no_registry", "deploy.pull_from"),
        (model("kind: auto", "hf://o/m") + ON_A_CLUSTER % "", "units_source_unfetched", "hf://o/m"),
    ],
)
def test_a_broken_rule_is_told_with_its_place(
    text: str, code: str, words: str, tmp_path: Path, write: Callable[[str], Path]
) -> None:
    """One problem, at the key that breaks it."""
    write(text)
    (problem,) = read(None, {}, tmp_path).problems
    assert problem.code == code
    assert words in f"{problem.cause} {problem.fix}"


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        together("gpus: 1", "gpus: 1") + ON_COMPOSE,
        model("engine: vllm\n    gpu_memory: 0.3\n    args: [--x]\n    image: i:1") + ON_COMPOSE,
        model("image: i:1\n    command: [llama-server, '{port}']") + ON_COMPOSE,
        model("command: [llama-server, '{port}']") + "deploy: {image: 'ours-and-llama:1'}\n",
        model("command: [llama-server, '{port}']") + "deploy: {target: systemd}\n",
        model("kind: auto", "http://localhost:11434/v1") + "deploy: {target: systemd}\n",
        model("kind: auto", "hf://o/m") + ON_COMPOSE,
        model("kind: auto") + ON_A_CLUSTER % "storage: {claim: c}",
        model("kind: auto", "m:1") + ON_A_CLUSTER % "pull_from: h/r",
        model("kind: auto") + "deploy: {steps: [100]}\n",
    ],
)
def test_what_can_be_deployed_is_no_problem(text: str, tmp_path: Path, write: Callable[[str], Path]) -> None:
    """Names that are alike only matter where there are services."""
    write(text)
    assert read(None, {}, tmp_path).problems == ()


def test_a_source_that_is_none_is_told_once(tmp_path: Path, write: Callable[[str], Path]) -> None:
    """The rules of deployments have nothing to add."""
    write("models: [{id: a, source: 's3://b/c', image: i:1}]\n" + ON_COMPOSE)
    (problem,) = read(None, {}, tmp_path).problems
    assert problem.code == "source_scheme_unknown"
