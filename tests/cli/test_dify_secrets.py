"""`freehold dify secrets`: what a Dify that is started by hand needs beside its rendered files."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Ran

Run = Callable[..., Ran]

CONFIGURATION = """\
models: [{id: far, source: "https://llm.corp.example/v1"}]
dify: {version: 1.15.0}
"""


def test_secrets_are_made_beside_the_files_and_none_is_printed(freehold: Run, folder: Path) -> None:
    """Made once: the second time they are the same."""
    (folder / "freehold.yaml").write_text(CONFIGURATION)
    assert freehold("render", "compose", "-o", "out").code == 0
    ran = freehold("dify", "secrets", "-o", "out", "--json")
    assert ran.code == 0, ran.err
    assert "dify/secrets.json" in ran.data["files"]
    kept = (folder / "out" / "dify" / "secrets.json").read_text()
    again = freehold("dify", "secrets", "-o", "out")
    assert (folder / "out" / "dify" / "secrets.json").read_text() == kept
    assert not [value for value in json.loads(kept).values() if value in ran.out + ran.err + again.out + again.err]


def test_without_a_dify_to_deploy_nothing_is_made(freehold: Run, folder: Path) -> None:
    """One that exists has its own."""
    (folder / "freehold.yaml").write_text('dify: {url: "http://d"}\n')
    ran = freehold("dify", "secrets", "-o", "out")
    assert (ran.code, "dify_none_deployed" in ran.err) == (1, True)
    assert not (folder / "out").exists()


def test_those_of_a_cluster_are_made_there(freehold: Run, folder: Path) -> None:
    """Files would look as if they counted."""
    (folder / "freehold.yaml").write_text(
        CONFIGURATION.replace("1.15.0", "1.15.0, address: http://d.corp") + "deploy: {target: kubernetes}\n"
    )
    ran = freehold("dify", "secrets", "-o", "out", "--json")
    assert (ran.code, ran.error["code"]) == (1, "dify_secrets_cluster")
    assert not (folder / "out").exists()


def test_a_dify_without_models_is_not_rendered(freehold: Run, folder: Path) -> None:
    """Its gateway would not start; a model elsewhere is enough."""
    (folder / "freehold.yaml").write_text("dify: {version: 1.15.0}\n")
    ran = freehold("render", "compose", "-o", "out")
    assert (ran.code, "dify_without_models" in ran.err) == (1, True)
    assert not (folder / "out").exists()
