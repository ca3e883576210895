"""A deployment as files: exact texts, what kubectl makes of them, and the work that many models are."""

import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from freehold.deploy.kubernetes.objects import objects
from freehold.deploy.kubernetes.rendering import render
from tests.deploy.kubernetes.deployments import CASES, many
from tests.deploy.kubernetes.trees import Tree
from tests.deploy.rendered_text import check_rendered


def which(tree: Tree) -> tuple[str, str]:
    return tree["kind"], tree["metadata"]["name"]


@pytest.mark.parametrize("case", CASES)
def test_a_deployment_is_rendered_as_agreed(case: str) -> None:
    """Byte by byte, and the same again."""
    files = render(CASES[case])
    assert files == render(CASES[case])
    check_rendered(f"kubernetes/{case}", files)


@pytest.mark.parametrize("case", CASES)
def test_the_files_hold_the_objects_that_are_applied(case: str) -> None:
    """Each once, and nothing else is named by the kustomization."""
    files = render(CASES[case])
    listed = yaml.safe_load(files["kustomization.yaml"])["resources"]
    found = [tree for path in listed for tree in yaml.safe_load_all(files[path])]
    assert sorted(found, key=which) == sorted(objects(CASES[case]), key=which)
    assert files.keys() - {*listed, "kustomization.yaml"} <= {
        "README.md",
        "prometheus-adapter.yaml",
        "model-loader.yaml",
    }


def test_kubectl_reads_the_folder(tmp_path: Path) -> None:
    """`kubectl kustomize` gives every object of the case with most kinds."""
    case = CASES["vllm"]
    for name, text in render(case).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    done = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = list(yaml.safe_load_all(done.stdout))
    assert sorted(found, key=which) == sorted(objects(case), key=which)


def test_work_grows_with_the_models_and_no_faster() -> None:
    """Twice as many models are at most twice as many calls."""
    calls = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    def calls_for(models: int) -> int:
        nonlocal calls
        deployment = many(models)
        calls = 0
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            render(deployment)
        finally:
            sys.setprofile(before)
        return calls

    assert calls_for(40) < 2.05 * calls_for(20)


def test_rendering_needs_no_kubernetes_library() -> None:
    """The extra `kubernetes` is for who deploys; files are written without it."""
    script = (
        "import sys, freehold.deploy.kubernetes.rendering, freehold.deploy.kubernetes.verification;"
        "sys.exit('lightkube' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=60, check=False).returncode == 0
