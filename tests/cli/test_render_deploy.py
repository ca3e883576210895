"""`freehold render compose|kubernetes|systemd`: a deployment as files, whatever target the configuration names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran

Run = Callable[..., Ran]

CONFIGURATION = """\
models:
  - {id: near, source: ./near.onnx}
  - {id: far, source: "https://llm.corp.example/v1", key: "${env:CORP_KEY}"}
deploy: {target: compose, name: corp, storage: {claim: models, path: FOLDER}}
"""
WRITTEN = {
    "compose": {"compose.yaml", "README.md", "config/gateway/etc/freehold/freehold.yaml"},
    "kubernetes": {"kustomization.yaml", "README.md", "gateway.yaml"},
    "systemd": {"corp-gateway.service", "corp.target", "README.md", "config/near/freehold.yaml"},
}


@pytest.mark.parametrize("target", WRITTEN)
def test_a_deployment_is_written_without_its_secrets(
    freehold: Run, folder: Path, mlp: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """The key need not even be there; the same files again, byte by byte."""
    mlp.rename(folder / "near.onnx")
    (folder / "freehold.yaml").write_text(CONFIGURATION.replace("FOLDER", str(folder)))
    ran = freehold("render", target, "-o", "one", "--json")
    assert ran.code == 0, ran.err
    assert set(ran.data["files"]) >= WRITTEN[target]
    monkeypatch.setenv("CORP_KEY", "s3cret-value")
    assert freehold("render", target, "-o", "two").code == 0
    for name in ran.data["files"]:
        text = (folder / "one" / name).read_bytes()
        assert text == (folder / "two" / name).read_bytes()
        assert b"s3cret-value" not in text


@pytest.mark.parametrize("target", ["compose", "systemd"])
def test_a_model_that_is_not_here_writes_nothing(freehold: Run, folder: Path, target: str) -> None:
    """Its size decides how long it may take to start."""
    (folder / "freehold.yaml").write_text(CONFIGURATION)
    ran = freehold("render", target, "--output", "out")
    assert ran.code == 1
    assert "near.onnx" in ran.err
    assert not (folder / "out").exists()


def test_the_program_of_systemd_is_where_one_says(freehold: Run, folder: Path) -> None:
    """An installation of one's own."""
    (folder / "freehold.yaml").write_text('models: [{id: far, source: "https://llm.corp.example/v1"}]\n')
    assert freehold("render", "systemd", "-o", "out", "--program", "/srv/env/bin/freehold").code == 0
    assert "ExecStart=/srv/env/bin/freehold gateway" in (folder / "out" / "freehold-gateway.service").read_text()
