"""What a configuration says of Dify: forms of values, and what is there where nothing is said."""

from pathlib import Path

import pytest

from freehold.config import read
from freehold.config.dify import Dify


def codes(folder: Path, dify: str) -> list[str]:
    (folder / "freehold.yaml").write_text(f"dify: {{{dify}}}\n", encoding="utf-8")
    return [problem.code for problem in read(None, {}, folder).problems]


def test_a_version_alone_is_enough() -> None:
    """Everything is a container, reached from this machine only."""
    said = Dify(version="1.15.0")
    assert (said.host, said.public_port, said.vectors.kind) == ("127.0.0.1", 80, "pgvector")
    assert said.postgres is said.redis is said.storage is said.tls is None


@pytest.mark.parametrize(
    ("dify", "code"),
    [
        ("version: 1.15", "config_value_invalid"),
        ("version: latest", "config_value_invalid"),
        ("version: 1.15.0, vectors: {kind: milvus}", "config_value_invalid"),
        ("version: 1.15.0, environment: {a-b: c}", "config_dify_variable_name"),
        ("version: 1.15.0, default_models: {chat: a}", "config_key_unknown"),
        ("version: 1.15.0, redis: {host: r.corp, password: hush}", "config_secret_literal"),
    ],
)
def test_a_value_of_another_form_is_refused(tmp_path: Path, dify: str, code: str) -> None:
    """Before anything is looked at that depends on it; a secret is a reference, never a text."""
    assert codes(tmp_path, dify) == [code]
