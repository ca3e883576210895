"""What Docker and Compose write, turned into our errors: texts of Docker 20.10 to 28 and docker-compose 1.29."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.compose.complaints import complaint

ENDPOINT = "driver failed programming external connectivity on endpoint e_1 (8de0017418aa)"


@pytest.mark.parametrize(
    ("said", "code", "details"),
    [
        (
            'ERROR: for x  Cannot start x: could not select device driver "nvidia" with capabilities: [[gpu]]\n',
            "compose_gpu_runtime",
            {"reason": 'could not select device driver "nvidia" with capabilities: [[gpu]]'},
        ),
        (
            "stderr: Auto-detected mode as 'legacy'\nnvidia-container-cli: device error: 7: unknown device: unknown",
            "compose_gpu_unknown",
            {"reason": "device error: 7: unknown device: unknown"},
        ),
        (
            "nvidia-container-cli: initialization error: nvml error: driver/library version mismatch: unknown.",
            "compose_gpu_driver",
            {"reason": "initialization error: nvml error: driver/library version mismatch: unknown"},
        ),
        (
            f"{ENDPOINT}: failed to bind host port for 127.0.0.1:8080:172.18.0.2:8080/tcp: address already in use",
            "compose_port_taken",
            {"host": "127.0.0.1", "port": "8080"},
        ),
        (
            f"{ENDPOINT}: failed to bind host port 10.9.8.7:8080/tcp: cannot assign requested address",
            "compose_address_missing",
            {"host": "10.9.8.7"},
        ),
        (
            'Error response from daemon: failed to resolve reference "h.example/x:2": h.example/x:2: not found',
            "compose_image_missing",
            {},
        ),
        (
            f"ERROR: for x  Cannot start x: {ENDPOINT}: Bind for 127.0.0.1:8080 failed: port is already allocated",
            "compose_port_taken",
            {"host": "127.0.0.1", "port": "8080"},
        ),
        (
            f"{ENDPOINT}: Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
            "compose_port_taken",
            {"host": "0.0.0.0", "port": "80"},
        ),
        (
            f"{ENDPOINT}: Error starting proxy: listen tcp4 10.9.8.7:80: bind: cannot assign requested address",
            "compose_address_missing",
            {"host": "10.9.8.7"},
        ),
        (
            'invalid mount config for type "bind": bind source path does not exist: /srv/models/x y\n',
            "compose_mount_missing",
            {"path": "/srv/models/x y"},
        ),
        (
            "write /var/lib/docker/tmp/GetImageBlob1: no space left on device",
            "compose_disk_full",
            {"reason": "write /var/lib/docker/tmp/GetImageBlob1: no space left on device"},
        ),
        (
            "Error response from daemon: pull access denied for org/x, repository does not exist or may require"
            " 'docker login': denied: requested access to the resource is denied",
            "compose_image_denied",
            {},
        ),
        (
            "Error response from daemon: manifest for harbor.corp.example/x:2 not found: manifest unknown",
            "compose_image_missing",
            {},
        ),
        (
            "Pulling minilm-1 (harbor.corp.example/x:2)...\n"
            'Get "https://harbor.corp.example/v2/": dial tcp: lookup harbor.corp.example: no such host',
            "compose_registry_unreachable",
            {"image": "harbor.corp.example/x:2"},
        ),
        (
            'Get "https://h.example/v2/": x509: certificate signed by unknown authority',
            "compose_registry_unreachable",
            {"image": "an image"},
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get"
            ' "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/containers/json": connect: permission denied',
            "compose_socket_denied",
            {"address": "unix:///x"},
        ),
        (
            "docker.errors.DockerException: Error while fetching server API version: ('Connection aborted.',"
            " PermissionError(13, 'Permission denied'))",
            "compose_socket_denied",
            {},
        ),
        (
            "docker.errors.DockerException: Error while fetching server API version: ('Connection aborted.',"
            " FileNotFoundError(2, 'No such file or directory'))",
            "compose_daemon_down",
            {"address": "unix:///x"},
        ),
    ],
)
def test_what_is_known_has_a_code(said: str, code: str, details: dict[str, str]) -> None:
    """Each with what it is about, as far as the words tell."""
    error = complaint(said, ["docker", "compose", "up"], address="unix:///x")
    assert error.code == code
    assert {name: error.details[name] for name in details} == details


def test_an_image_that_was_asked_for_is_named_with_its_registry() -> None:
    """Whoever pulls says which one, and the fix says where to log in."""
    said = "Error response from daemon: unauthorized: authentication required"
    error = complaint(said, ["docker", "pull"], image="harbor.corp.example/mirror/x:1")
    assert error.code == "compose_image_denied"
    assert "docker login harbor.corp.example" in error.fix


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Creating a ...\nERROR: for a  boom\nERROR: for a  boom\nEncountered errors.", "for a  boom"),
        ("one\ntwo\nthree\nfour", "two / three / four"),
        ("", "it said nothing"),
    ],
)
def test_what_is_not_known_is_passed_on_with_the_command(said: str, shown: str) -> None:
    """Word by word, and once."""
    error = complaint(said, ["docker", "compose", "up", "a b"])
    assert error.code == "compose_failed"
    assert error.details == {"said": shown, "command": "docker compose up 'a b'"}


@given(
    st.lists(
        st.sampled_from(
            [" ", "\n", ":", "bind", "listen tcp4 ", "host port ", 'Get "http://', "x.y:1", "é", "%", "{a}"]
        )
    )
)
@settings(max_examples=100)
def test_nothing_that_is_written_is_too_odd(parts: list[str]) -> None:
    """Every text has a code, a cause and a fix."""
    error = complaint("".join(parts), ["docker"])
    assert error.cause
    assert error.in_language("zh")
