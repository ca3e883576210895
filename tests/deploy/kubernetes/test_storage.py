"""The claim for model files, and how files come there."""

from freehold.deploy.kubernetes.storage import claim, loader
from tests.deploy.kubernetes.deployments import CASES


def test_a_claim_is_made_where_its_size_is_given() -> None:
    """Many nodes mount it; its class is the user's."""
    (tree,) = claim(CASES["gpu"])
    assert tree["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": "200Gi"}},
        "storageClassName": "cephfs",
    }


def test_a_claim_that_is_there_is_left_alone() -> None:
    """Neither it nor a pod that writes to it is rendered."""
    assert list(claim(CASES["cpu"])) == []
    assert list(loader(CASES["cpu"])) == []


def test_the_loader_writes_where_models_are_read() -> None:
    """It ends by itself."""
    (pod,) = loader(CASES["gpu"])
    (container,) = pod["spec"]["containers"]
    assert container["volumeMounts"] == [{"name": "models", "mountPath": "/models"}]
    assert container["command"] == ["sleep", "3600"]
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"] == {"claimName": "models"}
