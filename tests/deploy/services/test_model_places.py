"""Where a service finds the files of its models."""

import pytest

from freehold.config import ModelConfig, parse
from freehold.config.deploying import Deploy
from freehold.deploy.services.model_places import folder_inside, inside, mounts, pulls, state
from freehold.deploy.services.units import Facts, Mount, Pull

HOME = "/home/ops/.freehold"
CLUSTER = Deploy(target="kubernetes", pull_from="harbor.corp/models")
DIGEST = f"sha256:{'1f' * 32}"


def model(source: str) -> ModelConfig:
    return ModelConfig(id="m", source=source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/models/bge-m3", Mount("/models/bge-m3", "/models/bge-m3")),
        ("/models/a/model.onnx", Mount("/models/a", "/models/a")),
        (
            "/hub/models--BAAI--bge-m3/snapshots/5617a9",
            Mount("/hub/models--BAAI--bge-m3", "/hub/models--BAAI--bge-m3"),
        ),
        ("bge:1", Mount(f"{HOME}/store", "/app/data/store")),
        ("hf://BAAI/bge-m3@main", Mount(f"{HOME}/models/BAAI/bge-m3", "/app/data/models/BAAI/bge-m3")),
    ],
)
def test_a_machine_s_files_are_mounted_to_be_read(source: str, expected: Mount) -> None:
    """A path at its own path, with all that belongs to it; the store and fetched models where our image looks."""
    assert mounts([model(source)], Deploy(), HOME) == (expected,)
    assert expected.read_only


def test_what_models_of_a_service_share_is_mounted_once() -> None:
    """Two artifacts of one store; two files of one folder."""
    sources = ("a:1", "b:1", "/m/a.onnx", "/m/b.onnx")
    found = mounts([model(source) for source in sources], Deploy(), HOME)
    assert [mount.target for mount in found] == ["/app/data/store", "/m"]


def test_a_pod_pulls_what_is_in_the_store_and_mounts_paths() -> None:
    """By digest where that is known, else by tag, else the newest; a machine pulls nothing."""
    models = [model("a:1"), model("b:2"), model(f"c@{DIGEST}"), model("/models/d")]
    facts = [Facts(oci_digest=DIGEST), Facts(), Facts(), Facts()]
    assert pulls(models, facts, CLUSTER) == (
        Pull(f"oci://harbor.corp/models/a@{DIGEST}", "a"),
        Pull("oci://harbor.corp/models/b:2", "b"),
        Pull("oci://harbor.corp/models/c", "c"),
    )
    assert mounts(models, CLUSTER, HOME) == (Mount("/models/d", "/models/d"),)
    assert pulls(models, facts, Deploy(pull_from="h/r")) == ()
    assert pulls(models, facts, Deploy(target="kubernetes")) == ()


def test_inside_an_artifact_is_named_by_its_digest() -> None:
    """A tag may move while the service runs, or between two of its copies."""
    assert str(inside(parse("bge:1"), Facts(digest=DIGEST))) == f"bge@{DIGEST}"
    assert str(inside(parse("bge:1"), Facts())) == "bge:1"
    assert str(inside(parse("/models/a"), Facts(digest=DIGEST))) == "/models/a"


def test_another_server_is_told_a_folder() -> None:
    """It knows nothing of our store of fetched repositories."""
    assert str(folder_inside(parse("ms://Qwen/Qwen3-8B"))) == "/app/data/models/Qwen/Qwen3-8B"
    assert str(folder_inside(parse("/models/Qwen3-8B"))) == "/models/Qwen3-8B"


def test_state_is_kept_on_a_machine_and_not_in_a_cluster() -> None:
    """All versions of a service have the same folder: what one wrote the next need not make again.

    Another deployment has another one, and `data` itself may be a folder that others pass.
    """
    assert state("bge", Deploy(data="/srv")) == (Mount("/srv/freehold/bge", "/app/data", read_only=False),)
    assert state("bge", Deploy(data="/srv", name="b")) == (Mount("/srv/b/bge", "/app/data", read_only=False),)
    assert state("bge", CLUSTER) == ()
