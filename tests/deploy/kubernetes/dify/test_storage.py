"""Claims, and what pods mount."""

from freehold.deploy.kubernetes.dify.storage import shared_volumes, volumes
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.service import Installation, Service, Volume
from tests.deploy.kubernetes.dify.cases import dify, of_kind


def test_a_disk_is_of_one_pod_and_only_what_is_shared_is_a_network_folder() -> None:
    """Each with the class that is said for it."""
    modes = {
        name: (tree["spec"]["accessModes"], tree["spec"].get("storageClassName"))
        for name, tree in of_kind("dify-qdrant", "PersistentVolumeClaim").items()
    }
    assert modes.pop("dify-app-storage") == (["ReadWriteMany"], "cephfs")
    assert modes.keys() == {"dify-db", "dify-redis", "dify-qdrant", "dify-plugin-daemon"}
    assert set(map(str, modes.values())) == {"(['ReadWriteOnce'], None)"}


def test_with_an_object_store_nothing_is_shared() -> None:
    """The plugin daemon keeps its disk, in the class that was chosen."""
    assert shared_volumes(dify("dify-own")) == ()
    claims = of_kind("dify-own", "PersistentVolumeClaim")
    assert claims.keys() == {"dify-plugin-daemon", "dify-weaviate"}
    assert claims["dify-plugin-daemon"]["spec"]["storageClassName"] == "ceph-rbd"
    assert claims["dify-plugin-daemon"]["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_copies_share_what_one_service_mounts() -> None:
    """Though no other service has it."""
    kept = Volume("kept", "/kept")
    many = Service("api", "i:1", volumes=(kept,), scale="many")
    assert shared_volumes(Installation("1.15.0", (many,), ())) == ("kept",)


def test_files_are_mounted_one_by_one_and_a_volume_at_all_its_paths() -> None:
    """What else the image has in their folders stays."""
    service = Service(
        "squid",
        "i:1",
        files={"/etc/squid/squid.conf": "a"},
        secret_files={"/run/secrets/ca": SecretFile("dify-ca")},
        volumes=(Volume("v", "/a"), Volume("v", "/b")),
        writable=("/tmp/",),
    )
    kept, files, secret, writable = volumes(service)
    assert [mount["mountPath"] for mount in kept.mounts] == ["/a", "/b"]
    assert files.mounts == (
        {"name": "files", "mountPath": "/etc/squid/squid.conf", "subPath": "etc.squid.squid.conf", "readOnly": True},
    )
    assert secret.volume["secret"]["secretName"] == "freehold-dify-ca"
    assert secret.mounts[0]["subPath"] == "value"
    assert writable.mounts == ({"name": "writable-0", "mountPath": "/tmp"},)
