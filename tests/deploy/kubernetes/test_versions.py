"""What clusters of a version understand."""

import pytest

from freehold.deploy.kubernetes.versions import ASSUMED, minor
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.deployments import deployment


def test_a_version_is_its_minor_number() -> None:
    """1.22 is the oldest; without one a recent version is assumed."""
    assert minor(deployment(kubernetes="1.22").settings) == 22
    assert minor(deployment().settings) == ASSUMED


@pytest.mark.parametrize("version", ["1.21", "1.9"])
def test_an_older_cluster_is_refused(version: str) -> None:
    """With the version that is needed."""
    with pytest.raises(FreeholdError, match=r"1\.22") as raised:
        minor(deployment(kubernetes=version).settings)
    assert raised.value.code == "kubernetes_too_old"
