"""What must hold between keys."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import read

TWO = "models: [{id: a, source: /a}, {id: b, source: /b}]\n"
EU = "models: [{id: a, source: /a, locality: eu}, {id: b, source: /b}]\n"
PORT = "server: {host: 0.0.0.0, port: 80}\n"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (
            "models: [{source: /x/a}, {source: /y/a.onnx}]\n",
            "config_id_taken",
            "`a` is already taken (freehold.yaml:1)",
        ),
        (TWO + "routes: [{model: r, to: [{id: c}]}]\n", "config_route_unknown", "`routes[0].to[0].id` names `c`"),
        (TWO + "routes: [{model: r, to: [{id: a}], fallback: c}]\n", "config_route_unknown", "`routes[0].fallback`"),
        (TWO + "routes: [{model: r, to: [{id: a}], shadow: c}]\n", "config_route_unknown", "`routes[0].shadow`"),
        (TWO + "routes:\n- {model: r, to: [{id: a}]}\n- {model: r, to: [{id: b}]}\n", "config_route_twice", "yaml:3"),
        (TWO + "routes: [{model: r, to: []}]\n", "config_route_empty", "`routes[0].to`"),
        (TWO + "routes: [{model: r, to: [{id: a, weight: 0}]}]\n", "config_route_empty", "`routes[0].to`"),
        (
            TWO + "routes: [{model: r, to: [{id: a}], shadow: {id: c}}]\n",
            "config_route_unknown",
            "`routes[0].shadow.id`",
        ),
        (
            TWO + "routes: [{model: r, to: [{id: r}]}]\n",
            "config_route_itself",
            "`routes[0].to[0].id` names `r`, the route",
        ),
        (TWO + "routes: [{model: r, to: [{id: a}], fallback: r}]\n", "config_route_itself", "`routes[0].fallback`"),
        (TWO + "routes: [{model: r, to: [{id: a},\n {id: a}]}]\n", "config_target_twice", "(first in freehold.yaml:2)"),
        (
            EU + "routes: [{model: r, locality: eu, to: [{id: a}, {id: b}]}]\n",
            "config_route_locality",
            "`b` (`routes[0].to",
        ),
        (EU + "routes: [{model: r, locality: us, to: [{id: a}]}]\n", "config_route_locality", "is `eu`"),
        (EU + "routes: [{model: r, locality: eu, to: [{id: a}], fallback: b}]\n", "config_route_locality", "fallback"),
        (EU + "routes: [{model: r, locality: eu, to: [{id: a}], shadow: b}]\n", "config_route_locality", "shadow"),
        (
            TWO + "routes: [{model: r, to: [{id: a, weight: 1000},\n {id: b}]}]\n",
            "config_share_small",
            "yaml:3: the weight 1 of `b`",
        ),
        ("models: [{id: a, source: /a, replicas: ['http://h/v1']}]\n", "config_replicas_misplaced", "/a"),
        ("models: [{id: a, source: 'http://127.0.0.1:8080/v1'}]\n", "config_upstream_itself", "8080"),
        ("models: [{id: a, source: 'http://localhost:8080/v1'}]\n", "config_upstream_itself", "localhost"),
        (
            PORT + "models: [{id: a, source: 'http://h/v1', replicas: ['http://[::1]/v1']}]\n",
            "config_upstream_itself",
            "::1",
        ),
        ("models: [{id: a, source: 'http://h/v1',\n replicas: ['http://h:77777/v1']}]\n", "source_invalid", "yaml:2"),
        ("models: [{id: a, source: 'http://h/v1', replicas: ['http://[::1/v1']}]\n", "source_invalid", "[::1/v1"),
        ("models: [{id: a, source: 'http://h/v1', replicas: ['http://h/v1?a=1']}]\n", "source_invalid", "?a=1"),
        ("dify: {}\n", "config_dify_choice", "exactly one"),
        ("dify: {url: 'https://d', version: 1.15.0}\n", "config_dify_choice", "exactly one"),
        ("models: [{id: a, source: 'https://h/v1', engine: vllm}]\n", "config_engine_not_upstream", "`vllm`"),
        ("models: [{id: a, source: /a, engine: openai}]\n", "config_engine_needs_upstream", "/a"),
        ("models: [{id: a, source: 'https://h/v1', command: [x, '{port}']}]\n", "config_command_of_upstream", "h/v1"),
        ("models: [{id: a, source: /a, engine: onnx, command: [x, '{port}']}]\n", "config_command_of_engine", "onnx"),
        ("models: [{id: a, source: /a, command: [x, '--port=80']}]\n", "config_command_portless", "{port}"),
        ("models: [{source: /a, gpus: 1, device: cpu}]\n", "config_gpus_device", "`models[0].device` is `cpu`"),
        ("model: {path: /a, max_tokens: 8, max_output_tokens: 9}\n", "config_output_exceeds_context", "is 9"),
    ],
)
def test_a_broken_rule_is_said_at_its_place(
    text: str, code: str, words: str, write: Callable[..., Path], tmp_path: Path
) -> None:
    """One problem with its line, naming both sides."""
    write(text)
    (problem,) = read(None, {}, tmp_path).problems
    assert problem.code == code
    assert words in str(problem)
    assert "freehold.yaml:" in str(problem)


def test_a_route_may_bear_a_models_name(write: Callable[..., Path], tmp_path: Path) -> None:
    """So that a part of one model's requests can go to its successor."""
    write(TWO + "routes: [{model: a, to: [{id: a, weight: 90}, {id: b, weight: 10}]}]\n")
    assert read(None, {}, tmp_path).problems == ()


@pytest.mark.parametrize(
    "text",
    [
        EU + "routes: [{model: r, locality: eu, to: [{id: a}]}]\n",
        TWO + "routes: [{model: r, to: [{id: a, weight: 99}, {id: b, weight: 1}]}]\n",
        PORT + "models: [{id: a, source: 'http://10.0.0.1/v1'}]\n",
        "models: [{id: a, source: 'http://127.0.0.1:8000/v1', replicas: ['https://127.0.0.1/v1']}]\n",
        "server: {host: 10.0.0.1}\nmodels: [{id: a, source: 'http://127.0.0.1:8080/v1'}]\n",
    ],
)
def test_what_keeps_the_rules_is_taken(text: str, write: Callable[..., Path], tmp_path: Path) -> None:
    """Models where the route says, and servers at other addresses and ports."""
    write(text)
    assert read(None, {}, tmp_path).problems == ()


def test_what_counts_is_the_port_that_is_listened_on(write: Callable[..., Path], tmp_path: Path) -> None:
    """That of the command line goes before the file's, wherever the file has one; 0, any free one, says nothing."""
    for server in ("", "server: {port: 8080, grace_s: 1}\n"):
        write(server + "models: [{id: a, source: 'http://127.0.0.1:8080/v1'}]\n")
        assert read(None, {}, tmp_path, port=9000).problems == ()
        for port in (8080, 0, None):
            (problem,) = read(None, {}, tmp_path, port=port).problems
            assert problem.code == "config_upstream_itself"
        write(server + "models: [{id: a, source: 'http://127.0.0.1:9000/v1'}]\n")
        (problem,) = read(None, {}, tmp_path, port=9000).problems
        assert "port 9000" in str(problem)


def test_upstreams_may_name_their_engine(write: Callable[..., Path], tmp_path: Path) -> None:
    """`openai` is what `auto` means for them."""
    write("models: [{id: a, source: 'https://h/v1', engine: openai}]\n")
    assert read(None, {}, tmp_path).problems == ()


@pytest.mark.parametrize("engine", ["auto", "vllm", "openai"])
def test_a_command_may_serve_any_model(engine: str, write: Callable[..., Path], tmp_path: Path) -> None:
    """Of whatever engine it is said to be: the command is what runs."""
    write(f"models: [{{id: a, source: /a, engine: {engine}, command: [x, '--port={{port}}']}}]\n")
    reading = read(None, {}, tmp_path)
    assert reading.problems == ()
    assert reading.config is not None
    assert reading.config.models[0].hosting == "child"
