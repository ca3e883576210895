"""The forms of a file, and the one form they come to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.config import Config, absolute, id_from, load, parse, read

Write = Callable[..., Path]


@pytest.fixture
def loaded(write: Write, tmp_path: Path) -> Callable[[str], Config]:
    """Loads a text as etc/freehold.yaml, from the folder above."""

    def load_text(text: str) -> Config:
        return load(str(write(text, "etc/freehold.yaml")), {}, tmp_path)

    return load_text


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/models/custom-model.onnx", "custom-model"),
        ("/models/bge-small-zh-v1.5", "bge-small-zh-v1.5"),
        ("/models/reader/model.onnx", "reader"),
        ("/models/my model (2).onnx", "my-model-2"),
        ("/models/模型.onnx", None),
        ("/c/models--BAAI--bge-m3/snapshots/5617a9f61b028005a4858fdac845db406aefb181", "bge-m3"),
        ("bge-m3:1", "bge-m3"),
        ("hf://BAAI/bge-m3@main", "bge-m3"),
        ("https://host/v1", None),
    ],
)
def test_the_id_follows_from_the_source(source: str, name: str | None) -> None:
    """A file's stem, a folder's name where the file is model.onnx; characters that a URL cannot hold become dashes."""
    assert id_from(parse(source)) == name


def test_paths_are_relative_to_the_file(loaded: Callable[[str], Config], tmp_path: Path) -> None:
    """Sources, certificates and secrets' files lie beside the configuration."""
    config = loaded(
        "models: [{source: m/a.onnx}, {id: up, source: 'https://h/v1', key: '${file:secret}'}]\n"
        "network: {ca: ../ca.pem, proxy: '${file:/run/proxy}', client_certificate: c.pem, client_key: c.key}\n"
        "server: {tls: {http_port: 80, acme: {domains: [h], ca: a.pem, accept_terms: true}, client_ca: u.pem}}\n"
    )
    tls = config.server.tls
    assert tls is not None
    assert tls.acme is not None
    named = [tls.acme.ca, tls.client_ca, config.network.client_certificate, config.network.client_key]
    assert named == [str(tmp_path / "etc" / name) for name in ("a.pem", "u.pem", "c.pem", "c.key")]
    own = loaded("models: [{source: /a.onnx}]\nserver: {tls: {certificate: s.pem, key: ~/s.key}}\n").server.tls
    assert own is not None
    assert (own.certificate, own.key) == (str(tmp_path / "etc/s.pem"), str(Path.home() / "s.key"))
    assert config.models[0].source == str(tmp_path / "etc/m/a.onnx")
    assert config.models[1].key == f"${{file:{tmp_path}/etc/secret}}"
    assert (config.network.ca, config.network.proxy) == (str(tmp_path / "ca.pem"), "${file:/run/proxy}")


def test_a_home_is_expanded() -> None:
    """`~` is the user's folder, and only paths are touched."""
    assert absolute(parse("~/m.onnx"), Path("/x")).name == str(Path.home() / "m.onnx")
    assert absolute(parse("m:1"), Path("/x")) == parse("m:1")


def test_the_handbooks_names_are_other_names(loaded: Callable[[str], Config]) -> None:
    """`path` and `max_tokens` work in a list too."""
    (model,) = loaded("models: [{path: /a.onnx, max_tokens: 8}]\n").models
    assert (model.source, model.context_length) == ("/a.onnx", 8)


def test_top_level_limits_are_every_models(loaded: Callable[[str], Config]) -> None:
    """A model's own limits override them key by key."""
    config = loaded(
        "limits: {concurrency: 4, deadline_s: 10}\n"
        "models: [{source: /a.onnx}, {source: /b.onnx, limits: {concurrency: 1}}]\n"
    )
    assert [(m.limits.concurrency, m.limits.deadline_s) for m in config.models] == [(4, 10.0), (1, 10.0)]


@pytest.mark.parametrize(("gpus", "device"), [("2", "cuda"), ("{count: 1}", "cuda"), ("0", "cpu")])
def test_gpus_imply_cuda(gpus: str, device: str, loaded: Callable[[str], Config]) -> None:
    """Asking for GPUs is asking for the device."""
    assert loaded(f"models: [{{source: /a, gpus: {gpus}}}]\n").models[0].device == device


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("model: {path: a, source: b}\n", "config_alias_twice", "model.path"),
        ("model: {path: a}\nmodels: []\n", "config_model_and_models", "f.yaml:2"),
        ("models: [{source: 's3://x/y'}]\n", "source_scheme_unknown", "f.yaml:1: s3://x/y"),
        ("models: [{source: 'https://h/v1'}]\n", "config_id_needed", "models[0].source"),
        ("model: {id: x}\n", "config_value_missing", "`model` lacks `source`"),
    ],
)
def test_forms_that_contradict_themselves_are_refused(
    text: str, code: str, words: str, write: Write, tmp_path: Path
) -> None:
    """One problem, at its place, under the name that the author wrote."""
    write(text, "f.yaml")
    (problem,) = read("f.yaml", {}, tmp_path).problems
    assert problem.code == code
    assert words in str(problem)


def test_the_folder_of_a_deployment_is_below_the_file_s(write: Write, tmp_path: Path) -> None:
    """Its default as well as what is written; and so is the file of a key."""
    write("models: []\ndeploy: {}\naccess: {key: '${file:key}'}\n", "a.yaml")
    write("models: []\ndeploy: {data: ../state}\n", "b.yaml")
    first, second = (read(name, {}, tmp_path).config for name in ("a.yaml", "b.yaml"))
    assert first is not None
    assert second is not None
    assert first.deploy is not None
    assert first.deploy.data == str(tmp_path / "data")
    assert first.access.key == f"${{file:{tmp_path}/key}}"
    assert second.deploy is not None
    assert second.deploy.data == str(tmp_path.parent / "state")
