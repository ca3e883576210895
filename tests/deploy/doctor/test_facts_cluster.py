"""Facts of a cluster, as kubectl tells them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.deploy.doctor import facts_cluster as facts
from freehold.deploy.doctor.reading import UnreadableError

Program = Callable[[str, str], None]


def answering(program: Program, **answers: Any) -> None:
    """A kubectl that prints an answer by its first two words, joined by "_"."""
    cases = [f"'{name.replace('_', ' ')}'*) echo '{json.dumps(answer)}';;" for name, answer in answers.items()]
    program("kubectl", f'case "$*" in {" ".join(cases)} *) echo "error: $*" >&2; exit 1;; esac')


def test_the_version_is_the_servers(program: Program) -> None:
    """With the context that is in force; a client alone is no cluster."""
    program(
        "kubectl",
        """case "$1" in
        version) echo '{"clientVersion":{},"serverVersion":{"gitVersion":"v1.31.4"}}';;
        config) echo prod;; esac""",
    )
    assert facts.version() == {"server": "v1.31.4", "context": "prod"}
    answering(program, version={"clientVersion": {"gitVersion": "v1.32.0"}})
    with pytest.raises(UnreadableError, match="names no server"):
        facts.version()


def test_classes_tell_which_is_the_default(program: Program) -> None:
    """By their annotations."""
    default = {"name": "a", "annotations": {facts.DEFAULT_STORAGE: "true"}}
    classes = [{"metadata": default, "provisioner": "p"}, {"metadata": {"name": "b"}}]
    ingress = [{"metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}}, {"metadata": None}]
    answering(program, get_storageclasses={"items": classes}, get_ingressclasses={"items": ingress})
    assert facts.storage() == [
        {"name": "a", "default": True, "provisioner": "p"},
        {"name": "b", "default": False, "provisioner": ""},
    ]
    assert facts.ingress()[0] == {"name": "nginx", "default": False, "controller": "k8s.io/ingress-nginx"}


def test_nodes_tell_what_they_give(program: Program) -> None:
    """Conditions, architecture, extended resources; a node that says nothing is not ready."""
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"architecture": "arm64", "containerRuntimeVersion": "containerd://2.0"},
        "allocatable": {"huawei.com/Ascend910": "8"},
    }
    answering(program, get_nodes={"items": [{"metadata": {"name": "n"}, "status": status}, {}]})
    first, second = facts.nodes()
    assert (first["ready"], first["architecture"], first["allocatable"]) == (
        True,
        "arm64",
        {"huawei.com/Ascend910": "8"},
    )
    assert (second["ready"], second["allocatable"]) == (False, {})


def test_apis_and_permissions(program: Program) -> None:
    """`can-i` exits with 1 for no, and in any other trouble with other words."""
    program(
        "kubectl",
        """case "$*" in
        api-versions*) echo metrics.k8s.io/v1beta1; echo apps/v1;;
        *secrets*) echo no; exit 1;;
        *) echo yes;; esac""",
    )
    assert facts.apis() == ["apps/v1", "metrics.k8s.io/v1beta1"]
    denied = [each["resource"] for each in facts.permissions() if not each["allowed"]]
    assert denied == ["secrets"]
    program("kubectl", 'echo "Unable to connect to the server" >&2; exit 1')
    with pytest.raises(UnreadableError, match="Unable to connect"):
        facts.permissions()


@pytest.mark.parametrize("printed", ["", "[]", "no json"])
def test_strange_answers_are_unreadable(program: Program, printed: str) -> None:
    """What is no object of JSON."""
    program("kubectl", f"echo '{printed}'")
    with pytest.raises(UnreadableError, match="kubectl get printed no"):
        facts.nodes()


def test_a_list_without_items_is_empty(program: Program) -> None:
    """Of another type, or left out."""
    answering(program, get_nodes={"items": 3}, get_storageclasses={})
    assert (facts.nodes(), facts.storage()) == ([], [])


def test_without_a_kubeconfig_nobody_is_asked(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """kubectl itself would ask localhost:8080; one that is named, in the home folder or a pod's own, is enough."""
    answering(program, get_nodes={"items": []})
    monkeypatch.setenv("KUBECONFIG", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UnreadableError, match="no kubeconfig"):
        facts.nodes()
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").touch()
    assert facts.nodes() == []
