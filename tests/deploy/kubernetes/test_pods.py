"""What every pod has, whatever it runs, and what single ones are given."""

from dataclasses import replace

import pytest

from freehold.deploy.kubernetes.pods import DRAIN_S, USER, environment_of, pod, resources
from tests.deploy.kubernetes.deployments import BGE, CASES, deployment
from tests.deploy.kubernetes.test_objects import everything
from tests.deploy.kubernetes.trees import Tree, containers, of_kind, pod_specs


@pytest.mark.parametrize("case", CASES)
def test_every_pod_is_nobody(case: str) -> None:
    """Not root, with no token of the cluster, under the runtime's seccomp profile, as `restricted` demands."""
    for spec in pod_specs(everything(CASES[case])):
        assert spec["serviceAccountName"] == "freehold"
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == USER
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert not any("hostPath" in volume for volume in spec["volumes"])


@pytest.mark.parametrize("case", CASES)
def test_every_container_is_walled_in_and_counted(case: str) -> None:
    """No privilege, nothing to write but what is mounted, and something for the scheduler to count."""
    for container in containers(everything(CASES[case])):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        limits = container["resources"].get("limits", {})
        assert {key: container["resources"]["requests"].get(key) for key in limits if "/" in key} == {
            key: value for key, value in limits.items() if "/" in key
        } or container["name"] == "doctor"


@pytest.mark.parametrize("case", CASES)
def test_every_server_is_probed_and_drained(case: str) -> None:
    """A unit has started when it is ready, a gateway when it lives; liveness never asks whether a model is loaded."""
    units = {unit.host: unit for unit in CASES[case].units} | {"gateway": CASES[case].gateway}
    for name, workload in of_kind(CASES[case], "Deployment").items():
        spec = workload["spec"]["template"]["spec"]
        unit = units[workload["metadata"]["labels"]["app.kubernetes.io/instance"]]
        (container,) = spec["containers"]
        startup, ready, live = (container[f"{probe}Probe"] for probe in ("startup", "readiness", "liveness"))
        began = live if name == "gateway" else ready
        assert startup["httpGet"] == began["httpGet"], name
        assert ready["httpGet"]["path"] == unit.ready
        assert live["httpGet"]["path"] == unit.alive
        assert 0 <= startup["periodSeconds"] * startup["failureThreshold"] - unit.startup_s < startup["periodSeconds"]
        assert container["lifecycle"]["preStop"]
        assert spec["terminationGracePeriodSeconds"] == DRAIN_S + unit.grace_s
        assert workload["spec"]["progressDeadlineSeconds"] > unit.startup_s


def test_the_startup_budget_follows_the_size_of_the_weights() -> None:
    """65 GB at 200 MB/s, three times, and what comes after: more than a quarter of an hour."""
    (unit,) = CASES["vllm"].units
    (container,) = pod(CASES["vllm"], unit)["spec"]["containers"]
    assert container["startupProbe"]["failureThreshold"] * 5 >= 3 * 65_000_000_000 / 200e6


def test_probes_are_asked_by_https_where_the_server_has_nothing_else() -> None:
    """A gateway with a certificate of its own; its units have none."""
    case = CASES["tls"]
    for unit, scheme in ((case.gateway, "HTTPS"), (case.units[0], None)):
        template = pod(case, unit)
        (container,) = template["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"].get("scheme") == scheme
        assert ("prometheus.io/scheme" in template["metadata"]["annotations"]) == (scheme is not None)


def test_old_clusters_drain_by_a_program() -> None:
    """Before 1.30 the kubelet cannot wait by itself."""

    def pause(version: str) -> Tree:
        case = deployment(BGE, kubernetes=version)
        (container,) = pod(case, case.units[0])["spec"]["containers"]
        found: Tree = container["lifecycle"]["preStop"]
        return found

    assert pause("1.29") == {"exec": {"command": ["sleep", "5"]}}
    assert pause("1.30") == {"sleep": {"seconds": 5}}


def test_accelerators_are_asked_for_and_their_nodes_taint_tolerated() -> None:
    """By the vendor's own names."""
    specs = [workload["spec"]["template"]["spec"] for workload in of_kind(CASES["gpu"], "Deployment").values()]
    asked = [spec["containers"][0]["resources"].get("limits", {}) for spec in specs]
    assert asked[0] == {"cpu": "4000m", "memory": "8192Mi", "nvidia.com/gpu": 1}
    assert asked[1]["huawei.com/Ascend910"] == 2
    assert specs[0]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert "tolerations" not in specs[2]


def test_shared_memory_counts() -> None:
    """What vLLM's processes share lies in memory, so the limit has room for it."""
    (unit,) = CASES["vllm"].units
    bounded = deployment(
        {"id": "Qwen3-32B", "source": "/models/q", "engine": "vllm", "gpus": 2, "resources": {"memory_mb": 1000}}
    ).units[0]
    assert "memory" not in resources(unit)["limits"]
    assert resources(bounded)["limits"]["memory"] == f"{1000 + bounded.shm_mb}Mi"


def test_cores_that_nobody_asked_for_are_not_promised() -> None:
    """They bound what was computed for so many; one that was asked for is promised."""
    (counted,) = (
        replace(unit, cpu=8.0) for unit in deployment({"id": "m", "source": "/models/m", "kind": "embed"}).units
    )
    asked = deployment({"id": "m", "source": "/models/m", "resources": {"cpu": 2}}).units[0]
    assert [resources(unit)["requests"]["cpu"] for unit in (counted, asked)] == ["250m", "2000m"]
    assert [resources(unit)["limits"]["cpu"] for unit in (counted, asked)] == ["8000m", "2000m"]


def test_foreign_servers_have_a_home_and_a_name() -> None:
    """They run as a user that their image does not know."""
    tgi = next(unit for unit in CASES["hpa"].units if unit.role == "other")
    for unit in (tgi, CASES["vllm"].units[0]):
        named = {variable["name"]: variable.get("value") for variable in environment_of(unit)}
        assert named["HOME"] == "/tmp"
        assert named["USER"]
    assert environment_of(CASES["cpu"].units[0]) == []


def test_the_kubelet_replaces_nothing_in_words() -> None:
    """`$(NAME)` reaches the program as it was written."""
    unit = next(unit for unit in CASES["hpa"].units if unit.name == "tgi")
    (container,) = pod(CASES["hpa"], unit)["spec"]["containers"]
    assert container["args"][-1] == "$$(HOSTNAME)"


def test_only_what_pulls_sees_the_login() -> None:
    """The server has neither the registry's password nor a reason to; an own authority vouches for the registry."""
    spec = pod(CASES["pull"], CASES["pull"].units[0])["spec"]
    (pulling,) = spec["initContainers"]
    assert pulling["args"][:2] == ["models", "pull"]
    named = {variable["name"]: variable["value"] for variable in pulling["env"]}
    assert named == {"DOCKER_CONFIG": "/run/registry", "SSL_CERT_FILE": "/run/authority/ca.pem"}
    assert [mount["name"] for mount in pulling["volumeMounts"]] == ["tmp", "data", "login", "authority"]
    assert {"login", "authority"}.isdisjoint(mount["name"] for mount in spec["containers"][0]["volumeMounts"])
    assert {"login", "authority"} <= {volume["name"] for volume in spec["volumes"]}
    assert spec["imagePullSecrets"] == [{"name": "harbor"}]
