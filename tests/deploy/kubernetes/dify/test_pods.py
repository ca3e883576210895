"""Pods of a Dify: probes, what they wait for, what makes them anew."""

from dataclasses import replace
from typing import Any

from freehold.deploy.kubernetes.dify.pods import CHECKSUM, checksum, pod
from freehold.deploy.topology.service import Installation, Probe, Service
from tests.deploy.kubernetes.dify.cases import CASES, dify, pods_by_service


def container(service: Service, case: str = "dify") -> dict[str, Any]:
    made = pod(CASES[case], Installation("1.15.0", (service,), ()), service)
    found: dict[str, Any] = made["spec"]["containers"][0]
    return found


def test_what_needs_the_database_waits_for_the_migration() -> None:
    """The job for a database that answers, the application for the job; nobody else."""
    specs = pods_by_service("dify").items()
    first = {name: one["name"] for name, spec in specs for one in spec.get("initContainers", ())}
    waiting = ("api", "api_websocket", "worker", "worker_beat")
    assert first == {"migration": "database", **dict.fromkeys(waiting, "migrated")}
    waits = pods_by_service("dify")["api"]["initContainers"][0]
    assert "flask db current" in waits["command"][-1]
    assert "(head)" in waits["command"][-1]
    assert "args" not in waits


def test_probes_ask_by_http_by_a_command_or_by_the_port() -> None:
    """Until it was there once, nothing asks whether it lives."""
    asked = container(Service("a", "i:1", port=80, probe=Probe(port=80, path="/health", interval_s=30, startup_s=180)))
    assert asked["startupProbe"]["httpGet"] == {"path": "/health", "port": 80}
    assert asked["startupProbe"]["periodSeconds"] * asked["startupProbe"]["failureThreshold"] >= 180
    assert asked["livenessProbe"]["periodSeconds"] == 30
    by_command = container(Service("a", "i:1", probe=Probe(command=("ping",), interval_s=120, startup_s=240)))
    assert by_command["startupProbe"]["exec"] == {"command": ["ping"]}
    assert by_command["startupProbe"]["periodSeconds"] == 120
    assert container(Service("a", "i:1", port=80, probe=Probe(port=80)))["readinessProbe"]["tcpSocket"] == {"port": 80}
    assert "readinessProbe" not in container(Service("a", "i:1"))
    assert "readinessProbe" not in container(Service("a", "i:1", probe=Probe(command=("true",))))


def test_copies_end_after_their_last_requests() -> None:
    """By the kubelet, or where that does not know it by a program of the image."""
    service = Service("a", "i:1", port=80, scale="many")
    assert container(service)["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}
    assert container(service, "dify-qdrant")["lifecycle"]["preStop"] == {"exec": {"command": ["sleep", "5"]}}
    assert "lifecycle" not in container(replace(service, scale="one"))


def test_a_changed_configuration_makes_pods_anew() -> None:
    """Variables and files; whatever else changes is in the template itself."""
    service = Service("a", "i:1", environment={"A": "1"})
    made = pod(CASES["dify"], Installation("1.15.0", (service,), ()), service)
    assert made["metadata"]["annotations"] == {CHECKSUM: checksum(service)}
    assert checksum(service) != checksum(replace(service, environment={"A": "2"}))
    assert checksum(service) != checksum(replace(service, files={"/a": "1"}))


def test_memory_that_is_said_bounds_a_service() -> None:
    """Else the scheduler counts something."""
    assert container(Service("a", "i:1", memory_mb=2048))["resources"] == {
        "requests": {"cpu": "100m", "memory": "2048Mi"},
        "limits": {"memory": "2048Mi"},
    }
    assert "limits" not in container(Service("a", "i:1"))["resources"]


def test_words_of_commands_are_left_as_they_are() -> None:
    """The kubelet replaces `$(NAME)`, which a shell's own is not."""
    assert container(Service("a", "i:1", command=("sh", "-c", "echo $(date)")))["args"][-1] == "echo $$(date)"


def test_no_port_for_debugging_is_open() -> None:
    """The plugin daemon has its own alone."""
    assert [one["containerPort"] for one in pods_by_service("dify")["plugin_daemon"]["containers"][0]["ports"]] == [
        5002
    ]
    assert dify("dify").service("plugin_daemon").environment["PLUGIN_REMOTE_INSTALLING_HOST"] == "127.0.0.1"
