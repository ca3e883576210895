"""What pods read and write."""

import pytest

from freehold.deploy.kubernetes.volumes import pull_volumes, volumes
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.deployments import BGE, CASES, QWEN, deployment
from tests.deploy.kubernetes.trees import Tree


def named(case: str, index: int = 0) -> dict[str, tuple[Tree, tuple[Tree, ...]]]:
    unit = CASES[case].units[index]
    return {volume["name"]: (volume, mounts) for volume, mounts in volumes(CASES[case], unit)}


def test_a_unit_sees_its_own_models_and_no_others() -> None:
    """Of the claim only the folder that the model lies in, and nothing to write."""
    volume, mounts = named("cpu")["models"]
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
    assert mounts == ({"name": "models", "mountPath": "/models/bge-m3", "readOnly": True, "subPath": "bge-m3"},)


def test_the_whole_claim_may_be_one_model() -> None:
    """Then it is mounted without a path below it."""
    case = deployment({"id": "m", "source": "/models/m.onnx"})
    mounts = [mount for volume in volumes(case, case.units[0]) for mount in volume.mounts if mount["name"] == "models"]
    assert mounts == [{"name": "models", "mountPath": "/models", "readOnly": True}]


def test_a_folder_of_files_follows_its_config_map() -> None:
    """A mounted folder: a file that is mounted alone would never change."""
    volume, mounts = named("cpu")["files"]
    assert volume["configMap"]["items"] == [{"key": "etc.freehold.freehold.yaml", "path": "freehold.yaml"}]
    assert mounts == ({"name": "files", "mountPath": "/etc/freehold", "readOnly": True},)


def test_secrets_are_files_of_one_folder() -> None:
    """Those of the unit alone, each from its own Secret."""
    volume, mounts = named("vllm")["secrets"]
    assert [source["secret"]["name"] for source in volume["projected"]["sources"]] == ["freehold-internal"]
    assert mounts[0]["mountPath"] == "/run/secrets"
    gateway = {volume["name"]: volume for volume, _ in volumes(CASES["vllm"], CASES["vllm"].gateway)}
    paths = [source["secret"]["items"][0]["path"] for source in gateway["secrets"]["projected"]["sources"]]
    assert {"internal", "access", "corp-key"} == set(paths)


def test_what_pulls_trusts_the_registry_by_the_companys_authority() -> None:
    """The secret that the gateway has for `network.ca`; without pulls nobody else needs it."""
    case = CASES["pull"]
    login, authority = pull_volumes(case, case.units[0])
    assert login.volume["secret"]["secretName"] == "harbor"
    assert login.mounts[0]["mountPath"] == "/run/registry"
    assert authority.volume["secret"]["secretName"] == "freehold-corp-pem"
    assert authority.volume["secret"]["items"] == [{"key": "value", "path": "ca.pem"}]
    assert list(pull_volumes(CASES["vllm"], CASES["vllm"].units[0])) == []


def test_shared_memory_is_memory_and_bounded() -> None:
    """As large as the unit says; our own servers need none."""
    volume, _ = named("vllm")["shm"]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": f"{CASES['vllm'].units[0].shm_mb}Mi"}
    assert {"tmp", "data"} <= named("cpu").keys()
    assert "shm" not in named("cpu")
    assert "data" not in named("vllm")


@pytest.mark.parametrize(
    ("model", "storage", "code"),
    [
        (BGE, {}, "kubernetes_no_claim"),
        (BGE, {"claim": "models", "path": "/srv"}, "kubernetes_unclaimed"),
        (BGE, {"claim": "models", "path": "/models/bge"}, "kubernetes_unclaimed"),
        ({"id": "far", "source": "hf://BAAI/bge-m3"}, {"claim": "models"}, "kubernetes_unreachable"),
        ({"id": "kept", "source": "rerank:1"}, {"claim": "models"}, "kubernetes_unreachable"),
        (QWEN | {"source": "hf://Qwen/Qwen3-32B"}, {"claim": "models"}, "kubernetes_unreachable"),
    ],
)
def test_a_model_that_no_pod_would_find_is_refused(model: Tree, storage: Tree, code: str) -> None:
    """Before anything is rendered, with the model and what to do."""
    case = deployment(model, storage=storage)
    with pytest.raises(FreeholdError) as raised:
        list(volumes(case, case.units[0]))
    assert raised.value.code == code
