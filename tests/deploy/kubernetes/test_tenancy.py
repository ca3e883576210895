"""What an administrator makes once: names, walls, rights."""

from freehold.deploy.kubernetes.tenancy import foundation
from tests.deploy.kubernetes.deployments import CASES
from tests.deploy.kubernetes.trees import Tree, of_kind


def rules(case: str) -> list[Tree]:
    found: list[Tree] = of_kind(CASES[case], "Role")["freehold-deployer"]["rules"]
    return found


def test_only_restricted_pods_start() -> None:
    """The namespace says so to PodSecurity."""
    labels = next(foundation(CASES["tenant-a"]))["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_pods_may_do_nothing() -> None:
    """The one role is bound to the one account that no pod has, and no account is mounted."""
    (binding,) = of_kind(CASES["cpu"], "RoleBinding").values()
    assert [subject["name"] for subject in binding["subjects"]] == ["freehold-deployer"]
    accounts = of_kind(CASES["cpu"], "ServiceAccount")
    assert accounts.keys() == {"freehold", "freehold-deployer"}
    assert not any(account["automountServiceAccountToken"] for account in accounts.values())


def test_the_deployer_has_no_more_than_it_needs() -> None:
    """No wildcards, no rights to rights, no way into pods, no secrets but the deployment's."""
    for rule in rules("vllm"):
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
        assert not {"roles", "rolebindings", "pods/exec", "pods/attach", "serviceaccounts/token"} & set(
            rule["resources"]
        )
        if "secrets" in rule["resources"] and rule["verbs"] == ["delete"]:
            assert rule["resourceNames"] == ["freehold-internal", "freehold-access"]
        elif "secrets" in rule["resources"] and rule["verbs"] != ["create"]:
            assert rule["resourceNames"] == ["freehold-internal", "freehold-access", "freehold-corp-key"]
    assert all("delete" not in rule["verbs"] for rule in rules("gpu") if "persistentvolumeclaims" in rule["resources"])


def test_the_deployer_may_write_every_kind_that_is_rendered() -> None:
    """All but what the administrator makes."""
    made = ("Namespace", "ServiceAccount", "Role", "RoleBinding")
    plurals = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}
    for case in CASES:
        writable = {name for rule in rules(case) if "patch" in rule["verbs"] for name in rule["resources"]}
        for kind in {"Deployment", "Service", "ConfigMap", "NetworkPolicy", "Ingress", "ServiceMonitor", "Middleware"}:
            if of_kind(CASES[case], kind) and kind not in made:
                assert plurals.get(kind, f"{kind.lower()}s") in writable
