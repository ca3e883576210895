"""Variables with secrets in them."""

from freehold.deploy.kubernetes.dify.environment import dify_secrets, encoded, is_encoded, secret_variables
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.service import Installation, Service

YOURS = SecretFile("dify-redis-password", "${env:REDIS}")


def listed(secrets: dict[str, str], given: dict[str, SecretFile] | None = None) -> list[dict[str, object]]:
    service = Service("api", "i:1", secrets=secrets)
    return secret_variables(Installation("1.15.0", (service,), ("one", "two"), given or {}), service)


def read(name: str, secret: str, key: str) -> dict[str, object]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def test_a_whole_secret_is_read_as_it_is() -> None:
    """From the one Secret of those that the deployment made, or from the user's own."""
    assert listed({"A": "{one}"}) == [read("A", "dify-secrets", "one")]
    assert listed({"A": "{one}"}, {"one": YOURS}) == [read("A", "freehold-dify-redis-password", "value")]


def test_parts_stand_before_what_is_made_of_them() -> None:
    """Each once; what an address has of the user's own is percent-encoded."""
    texts = {"URL": "redis://:{one:url}@redis/1", "PAIR": "{one}:{two}", "COST": "$(5) {two}"}
    assert listed(texts, {"one": YOURS}) == [
        read("FREEHOLD_PART_ONE", "freehold-dify-redis-password", "value"),
        read("FREEHOLD_PART_ONE_URL", "freehold-dify-redis-password-url", "value"),
        read("FREEHOLD_PART_TWO", "dify-secrets", "two"),
        {"name": "COST", "value": "$$(5) $(FREEHOLD_PART_TWO)"},
        {"name": "PAIR", "value": "$(FREEHOLD_PART_ONE):$(FREEHOLD_PART_TWO)"},
        {"name": "URL", "value": "redis://:$(FREEHOLD_PART_ONE_URL)@redis/1"},
    ]


def test_the_users_own_are_listed_with_what_is_made_of_them() -> None:
    """Variables, then files; of a password in an address the encoded form too."""
    ca = SecretFile("dify-ca", "${file:/ca.pem}")
    service = Service("api", "i:1", secrets={"A": "{one}", "B": "x{one:url}"}, secret_files={"/run/secrets/ca": ca})
    found = dify_secrets(Installation("1.15.0", (service, service), (), {"one": YOURS, "unread": ca}))
    assert found == (YOURS, encoded(YOURS), ca)
    assert [is_encoded(secret) for secret in found] == [False, True, False]
