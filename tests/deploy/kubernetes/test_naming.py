"""Names and labels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.kubernetes.naming import config_key, further, namespace_of, secret_of
from freehold.deploy.services.units import SecretFile
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.deployments import BGE, CASES, deployment


def test_the_namespace_is_the_tenants() -> None:
    """As it is said, else the deployment's name."""
    assert namespace_of(CASES["tenant-a"]) == "team-a"
    assert namespace_of(deployment(name="own")) == "own"


@pytest.mark.parametrize("wrong", [{"namespace": "Team_A"}, {"name": "a.b"}, {"namespace": "a" * 64}, {"name": "Own"}])
def test_what_is_no_label_is_refused(wrong: dict[str, str]) -> None:
    """With the key and what may stand there."""
    ((key, value),) = wrong.items()
    with pytest.raises(FreeholdError) as raised:
        namespace_of(deployment(**wrong))
    assert raised.value.code == "kubernetes_name"
    assert f"deploy.{key}" in str(raised.value)
    assert value in str(raised.value)


@settings(max_examples=30, deadline=None)
@given(
    st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", fullmatch=True),
    st.sampled_from(["spot", "verify"]),
)
def test_further_names_fit_into_a_label(name: str, what: str) -> None:
    """However long the model's name is."""
    if name.lower() == "gateway":
        return
    (unit,) = deployment(BGE | {"id": name}).units
    assert len(further(unit, what)) <= 63
    assert further(unit, what).endswith(f"{unit.revision}-{what}")


def test_files_and_secrets_have_keys_that_kubernetes_takes() -> None:
    """A path without its slashes; a Secret below our own name."""
    assert config_key("/etc/freehold/freehold.yaml") == "etc.freehold.freehold.yaml"
    assert secret_of(SecretFile("corp-key")) == "freehold-corp-key"
