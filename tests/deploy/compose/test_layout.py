"""Where files of a deployment lie."""

from freehold.deploy.compose.layout import (
    config_folder,
    files_of,
    mounts_of,
    secret_path,
    secrets_of,
    service_of,
    state_folders,
    units_of,
)
from freehold.deploy.services.units import Mount, SecretFile
from tests.deploy.compose.deployments import CONFIGURATION, INTERNAL, deployment, gateway, state, unit

MINILM, FRONT = unit("minilm", "11111111"), gateway("22222222")


def test_the_gateway_has_one_name_for_all_versions() -> None:
    """Units run beside each other, gateways do not."""
    assert [service_of(one) for one in units_of(deployment(MINILM, front=FRONT))] == ["minilm-11111111", "gateway"]


def test_files_lie_as_in_the_container() -> None:
    """Below a folder for each service, which is mounted by folders."""
    assert list(files_of(MINILM)) == ["config/minilm-11111111/etc/freehold/freehold.yaml"]
    mounts = mounts_of(unit("a", "1", files={CONFIGURATION: "", "/etc/freehold/b": ""}, mounts=()), config_folder("a"))
    assert mounts == (Mount("config/a/etc/freehold", "/etc/freehold"),)


def test_a_secret_is_one_file_for_all() -> None:
    """Whatever number of services reads it."""
    other = SecretFile("corp", "${env:CORP}")
    assert secrets_of([MINILM, gateway(secrets=(INTERNAL, other))]) == (other, INTERNAL)
    assert secret_path(other) == "secrets/corp"


def test_what_is_written_to_is_known() -> None:
    """Model files are not."""
    assert state_folders([MINILM, MINILM, FRONT]) == ("/srv/data/gateway", "/srv/data/minilm")
    assert state_folders([unit("a", "1", mounts=(state("b"), state("b")))]) == ("/srv/data/b",)
