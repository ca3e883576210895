"""Notes on valid configurations."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import read

UPSTREAM = "models: [{id: u, source: 'https://h/v1', %s}]\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: {path: /a.onnx, max_tokens: 5}\n", [("note_ignored_for_tensor", "model.max_tokens")]),
        (
            "model: {path: /a, kind: tensor, max_output_tokens: 5}\n",
            [("note_ignored_for_tensor", "model.max_output_tokens")],
        ),
        ("model: {path: /a, context_length: 5}\n", []),
        ("model: {path: /a.onnx, kind: embed, context_length: 5}\n", []),
        ("model: {path: /a, kind: embed, input_shape: [1]}\n", [("note_ignored_for_text", "model.input_shape")]),
        (
            "model: {path: /a, kind: rerank, max_output_tokens: 5}\n",
            [("note_ignored_for_encoder", "model.max_output_tokens")],
        ),
        ("model: {path: /a, key: '${env:PATH}'}\n", [("note_ignored_for_local", "model.key")]),
        (UPSTREAM % "workers: 2", [("note_ignored_for_upstream", "models[0].workers")]),
        (UPSTREAM % "generation: {slots: 2}", [("note_ignored_for_upstream", "models[0].generation")]),
        (UPSTREAM % "context_length: 2", [("note_ignored_for_upstream", "models[0].context_length")]),
        (UPSTREAM % "abilities: [chat]", []),
        (UPSTREAM % "require: {proof: always}", [("note_upstream_unproven", "models[0].require")]),
        (UPSTREAM % "require: {proof: optional}", []),
        ("model: {path: /a, abilities: [chat]}\n", [("note_needs_other_server", "model.abilities")]),
        ("model: {path: /a, upstream_model: b}\n", [("note_needs_other_server", "model.upstream_model")]),
        ("model: {path: /a, engine: vllm, context_length: 5, gpus: 1}\n", []),
        ("model: {path: /a, engine: vllm, precision: bf16}\n", [("note_ignored_for_child", "model.precision")]),
        (
            "model: {path: /a, command: [x, '{port}'], context_length: 5}\n",
            [("note_ignored_for_child", "model.context_length")],
        ),
        (UPSTREAM % "gpus: 1", [("note_ignored_for_upstream", "models[0].gpus")]),
        (UPSTREAM % "key: '${env:UNSET}'", [("note_secret_unset", "models[0].key")]),
        (UPSTREAM % "key: '${env:SET}'", []),
        ("model: {path: /a}\nnetwork: {proxy: '${file:nowhere}'}\n", [("note_secret_unset", "network.proxy")]),
        ("model: {path: /a}\nnetwork: {proxy: 'http://p:1'}\n", []),
        ("model: {path: /a}\naccess: {auth: none}\n", [("note_door_open", None)]),
        (
            "model: {path: /a}\naccess: {auth: none, limits: {parallel: 1}, teams: {a: {}}}\n",
            [
                ("note_door_open", None),
                ("note_limits_uncounted", "access.limits"),
                ("note_limits_uncounted", "access.teams"),
            ],
        ),
        ("model: {path: /a}\naccess: {limits: {parallel: 1}}\n", []),
        (
            "model: {path: /a}\naccess: {audit: {content: true}}\n",
            [("note_content_unaudited", "access.audit.content")],
        ),
        ("model: {path: /a}\naccess: {audit: {content: true, inference: true}}\n", []),
        ("model: {path: /a, limits: {body_mb: 1, queue: 1}}\n", [("note_limit_of_the_server", "model.limits.body_mb")]),
        ("model: {path: /a}\nlimits: {body_mb: 1, in_flight_mb: 9}\n", []),
        (
            "model: {path: /a, scale: {least: 2}}\ndeploy: {ingress: {host: h}, spot: {key: k}, port: 9}\n",
            [
                ("note_deploy_ignored", "deploy.ingress"),
                ("note_deploy_ignored", "deploy.spot"),
                ("note_deploy_ignored", "model.scale"),
            ],
        ),
        ("model: {path: /a}\ndeploy: {target: systemd, registry: r}\n", [("note_deploy_ignored", "deploy.registry")]),
        (
            "model: {path: /models/a, scale: {least: 2}}\n"
            "deploy: {target: kubernetes, port: 9, storage: {claim: c}, ingress: {host: h}}\n",
            [("note_deploy_ignored", "deploy.port"), ("note_keys_apart", None), ("note_ingress_plain", None)],
        ),
        (
            "model: {path: /models/a}\n"
            "deploy: {target: kubernetes, storage: {claim: c}, ingress: {host: h, issuer: i}}\n"
            "access: {database: '${env:SET}'}\n",
            [],
        ),
        (
            "model: {path: /models/a}\ndeploy: {target: kubernetes, storage: {claim: c}}\naccess: {auth: none}\n",
            [("note_door_open", None)],
        ),
        ("observe: {log_level: debug}\n", [("note_no_models", None)]),
    ],
)
def test_what_has_no_effect_or_stands_open_is_noted(
    text: str, expected: list[tuple[str, str | None]], write: Callable[..., Path], tmp_path: Path
) -> None:
    """Each note names its key as it was written, and nothing else is noted."""
    write(text)
    reading = read(None, {"SET": "x", "PATH": "x"}, tmp_path)
    assert reading.problems == ()
    assert [(note.code, note.details.get("key")) for note in reading.notes] == expected


def test_an_onnx_file_with_a_tokenizer_beside_it_takes_text(write: Callable[..., Path], tmp_path: Path) -> None:
    """Its max_tokens count then, so there is no note."""
    write("", "m/model.onnx")
    write("model: {path: m, max_tokens: 5}\n")
    assert [note.code for note in read(None, {}, tmp_path).notes] == ["note_ignored_for_tensor"]
    write("{}", "m/tokenizer.json")
    assert read(None, {}, tmp_path).notes == ()


def test_a_path_that_model_path_replaces_is_noted(write: Callable[..., Path], tmp_path: Path) -> None:
    """So that nobody wonders why the file's own model is not the one that is served."""
    write("model: {path: /a}\n")
    (note,) = read(None, {"MODEL_PATH": "/b"}, tmp_path).notes
    assert str(note).startswith("freehold.yaml:1: `model.path` is replaced by MODEL_PATH=/b.")


def test_a_second_file_that_is_passed_over_is_noted(write: Callable[..., Path], tmp_path: Path) -> None:
    """Our config.yaml beside a freehold.yaml; another program's is no matter of ours."""
    write("model: {path: /a}\n")
    write("model: {path: /b}\n", "config.yaml")
    assert [note.code for note in read(None, {}, tmp_path).notes] == ["note_file_passed_over"]
    assert read("freehold.yaml", {}, tmp_path).notes == ()
    write("database: x\n", "config.yaml")
    assert read(None, {}, tmp_path).notes == ()
