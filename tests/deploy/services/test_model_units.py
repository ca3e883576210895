"""Services of models."""

from pathlib import Path

import pytest

from freehold import __version__
from freehold.config import load
from freehold.deploy.services.units import FILE, Facts, Mount, SecretFile
from tests.deploy.configured import DIGEST, GB, deployed, only

CLUSTER = "deploy: {target: kubernetes, pull_from: harbor.corp/models}\n"


def test_a_model_of_ours_is_served_by_a_file_of_its_own(tmp_path: Path) -> None:
    """The text, to the byte; it loads, beyond loopback, behind the key that the gateway has."""
    text = (
        "models: [{source: 'bge:1', kind: embed, limits: {concurrency: 4}, scale: {least: 2}, locality: eu,"
        " resources: {cpu: 2}}]\n"
        "limits: {queue: 8}\nserver: {grace_s: 12.5}\nobserve: {log_format: json}\ndeploy: {}\n"
    )
    unit = only(text, digest=DIGEST, bytes=2 * GB, memory_mb=3000)
    assert unit.files == {
        FILE: (
            "models:\n"
            "  - id: bge\n"
            f"    source: bge@{DIGEST}\n"
            "    kind: embed\n"
            "    limits:\n"
            "      concurrency: 4\n"
            "limits:\n"
            "  queue: 8\n"
            "server:\n"
            '  host: "0.0.0.0"\n'
            "  grpc: false\n"
            "  grace_s: 12.5\n"
            "access:\n"
            '  key: "${file:/run/secrets/internal}"\n'
            "observe:\n"
            "  log_format: json\n"
        )
    }
    (tmp_path / "freehold.yaml").write_text(unit.files[FILE])
    inside = load(None, {}, tmp_path)
    assert (inside.models[0].limits.concurrency, inside.models[0].limits.queue) == (4, 8)
    assert (unit.image, unit.command) == (f"freehold/freehold:{__version__}", ("serve", FILE))
    assert unit.secrets == (SecretFile("internal"),)
    assert unit.mounts == (
        Mount("/srv/data/freehold/bge", "/app/data", read_only=False),
        Mount("/home/ops/.freehold/store", "/app/data/store"),
    )
    assert (unit.cpu, unit.memory_mb, unit.shm_mb, unit.grace_s) == (2.0, 3301, 64, 18)
    assert unit.startup_s == 60 + 30
    assert unit.artifacts == {"bge": DIGEST}
    assert (unit.ready, unit.alive, unit.scale.least) == ("/readyz", "/livez", 2)


def test_a_model_with_a_gpu_has_the_image_that_has_cuda() -> None:
    """And a card of this machine; on a cluster the scheduler chooses."""
    text = "models: [{id: a, source: 'a:1', gpus: 1}]\n"
    here, there = only(text + "deploy: {}\n"), only(text + CLUSTER)
    assert here.image == f"freehold/freehold:{__version__}-cuda"
    assert here.gpus is not None
    assert (here.gpus.count, here.gpu_ids) == (1, ("0",))
    assert there.gpus == here.gpus
    assert there.gpu_ids == ()
    assert only(text + "deploy: {image: 'ours:1'}\n").image == "ours:1"


def test_on_a_cluster_a_model_of_ours_must_be_proven_unless_it_says_otherwise() -> None:
    """What vLLM runs is proven from outside."""
    text = "models: [{id: a, source: 'a:1', %s}]\n"
    assert "proof: always" in only(text % "" + CLUSTER).files[FILE]
    assert "proof: optional" in only(text % "require: {proof: optional}" + CLUSTER).files[FILE]
    assert "proof" not in only(text % "" + "deploy: {}\n").files[FILE]


@pytest.mark.parametrize(
    ("size", "speed", "expected"),
    [(0, 200.0, 60), (GB, 200.0, 75), (GB, 50.0, 120), (1, 200.0, 61), (None, 200.0, 1800)],
)
def test_the_startup_budget_is_three_readings_of_the_weights(size: int | None, speed: float, expected: int) -> None:
    """And what comes after; where nothing is known of the weights it is long."""
    text = f"models: [{{id: a, source: 'a:1'}}]\ndeploy: {{disk_mb_s: {speed}}}\n"
    assert only(text, bytes=size).startup_s == expected


def test_memory_that_is_not_known_is_not_bounded() -> None:
    """Of all models of a service one that is unknown is enough; what is said goes before what is computed."""
    unit = only("models: [{id: a, source: 'a:1', resources: {memory_mb: 100}}]\n", memory_mb=999)
    assert unit.memory_mb == 100
    both = "models: [{id: a, source: 'a:1', service: s, resources: {memory_mb: 1, cpu: 1}}, %s]\n"
    (mixed,) = deployed(both % "{id: b, source: 'b:1', service: s}").units
    assert (mixed.memory_mb, mixed.cpu) == (None, None)


def test_another_server_s_image_is_started_as_the_configuration_says() -> None:
    """Its words filled in, the first in place of the image's entrypoint; the key lies beside for one that wants it."""
    unit = only(
        "models: [{id: q4, source: /models/q4.gguf, image: 'ghcr.io/ggml-org/llama.cpp:server',"
        " command: [llama-server, -m, '{model}', --port, '{port}', --alias, '{id}', --host, 0.0.0.0]}]\n",
        bytes=GB,
    )
    assert (unit.role, unit.image) == ("other", "ghcr.io/ggml-org/llama.cpp:server")
    assert unit.entrypoint == ("llama-server",)
    assert unit.command == ("-m", "/models/q4.gguf", "--port", "8080", "--alias", "q4", "--host", "0.0.0.0")
    assert (unit.files, unit.environment, unit.secrets) == ({}, {}, (SecretFile("internal"),))
    assert unit.mounts == (Mount("/models/q4.gguf", "/models/q4.gguf"),)
    assert (unit.ready, unit.startup_s) == ("/health", 315)


def test_a_program_of_our_own_image_is_started_by_our_server() -> None:
    """Where the image was made from ours: it is watched and started again there, as on any machine."""
    unit = only("models: [{id: a, source: /m/a, command: [x, '{port}']}]\ndeploy: {image: 'ours-and-x:1'}\n")
    assert (unit.role, unit.image, unit.command) == ("models", "ours-and-x:1", ("serve", FILE))
    assert 'command: [x, "{port}"]' in unit.files[FILE]


def test_public_keys_of_signatures_are_files_of_the_service() -> None:
    """At a path that exists in the container."""
    unit = only("models: [{id: a, source: 'a:1', require: {signed: true, keys: [/etc/keys/ops.pem]}}]\n")
    assert unit.secrets == (SecretFile("internal"), SecretFile("ops-pem", "${file:/etc/keys/ops.pem}"))
    assert "keys: [/run/secrets/ops-pem]" in unit.files[FILE]


def test_a_decoder_is_told_what_its_memory_was_computed_with() -> None:
    """Unless the user says how much, or bounds the container: then its engine divides what it finds."""
    text = "models: [{id: a, source: 'a:1', kind: generate, %s}]\ndeploy: {}\n"
    told = only(text % "precision: int4", memory_mb=2000, kv_mb=805)
    assert "    generation:\n      kv_mb: 805\n" in told.files[FILE]
    own = only(text % "generation: {kv_mb: 64, slots: 4}", memory_mb=2000, kv_mb=805)
    assert "kv_mb: 64\n" in own.files[FILE]
    assert "kv_mb" not in only(text % "resources: {memory_mb: 900}", memory_mb=2000, kv_mb=805).files[FILE]


def test_files_that_were_changed_in_place_are_another_version() -> None:
    """Where they lie on this machine; of what is on a cluster's volume another copy may be here."""
    text = "models: [{id: a, source: /models/a}]\ndeploy: {%s}\n"
    before, after = (only(text % "", fingerprint=f"files:{one}") for one in "12")
    assert before.artifacts == {"a": "files:1"}
    assert before.revision != after.revision
    there = "target: kubernetes, storage: {claim: models}"
    volume = [only(text % there, fingerprint=f"files:{one}") for one in "12"]
    assert volume[0] == volume[1]
    assert volume[0].artifacts == {}


def test_a_node_with_many_cores_lends_a_pod_those_that_its_memory_was_computed_for() -> None:
    """Unless cores or memory are said; on one machine the cores are known, and Docker takes no bound above them."""
    text = "models: [{id: a, source: 'a:1', %s}, {id: b, source: 'b:1', %s}]\n"
    facts = {"a": Facts(memory_mb=500, cores=8), "b": Facts(memory_mb=500, kv_mb=5)}

    def bounds(first: str, second: str, place: str) -> list[float | None]:
        return [unit.cpu for unit in deployed(text % (first, second) + place, facts).units]

    assert bounds("kind: embed", "kind: generate", CLUSTER) == [8, None]
    assert bounds("service: s", "service: s", CLUSTER) == [8]
    assert bounds("resources: {cpu: 2}", "resources: {cpu: 3}", CLUSTER) == [2, 3]
    assert bounds("resources: {memory_mb: 900}", "kind: generate", CLUSTER) == [None, None]
    assert bounds("kind: embed", "kind: generate", "deploy: {}\n") == [None, None]
