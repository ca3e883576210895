"""The OCI documents of an artifact."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from freehold.artifact import Artifact
from freehold.artifact.artifact import MANIFEST
from freehold.store.oci import (
    ARTIFACT,
    CONFIG,
    EMPTY,
    FILE_PATH,
    TITLE,
    Descriptor,
    ImageManifest,
    describe,
    digest_of,
    image_of,
    layer_type,
    mismatch,
    referrer_of,
)


def image(folder: Path) -> bytes:
    return image_of((folder / MANIFEST).read_bytes(), Artifact.open(folder).manifest)


def test_an_artifact_has_one_image(make_artifact: Callable[..., Path]) -> None:
    """The same bytes from two folders with the same content, and not one byte different in a later version."""
    one, other = make_artifact(b"same"), make_artifact(b"same")
    assert image(one) == image(other)
    assert digest_of(image(one)) == "sha256:11b40ef98b529e0b39cc2b9c2ba2397cdc98859c59ff270296d76eeb7460359c"


def test_the_config_is_the_manifest_and_layers_are_files(make_artifact: Callable[..., Path]) -> None:
    """So the config's digest is the artifact's, and tools that read titles write the same files."""
    folder = make_artifact(license="mit")
    artifact = Artifact.open(folder)
    document = msgspec.json.decode(image(folder))
    assert document["schemaVersion"] == 2
    assert document["artifactType"] == ARTIFACT
    assert (document["config"]["mediaType"], document["config"]["digest"]) == (CONFIG, artifact.digest)
    assert document["annotations"]["org.opencontainers.image.licenses"] == "mit"
    layers = {layer["annotations"][TITLE]: layer for layer in document["layers"]}
    assert list(layers) == ["README.md", "goldens/raw.json", "model.onnx"]
    for name, layer in layers.items():
        entry = artifact.manifest.files[name]
        assert (layer["digest"], layer["size"]) == (f"sha256:{entry.sha256}", entry.size)
        assert layer["annotations"][FILE_PATH] == name


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("model.onnx", "weight"),
        ("model.onnx.data", "weight"),
        ("tokenizer.json", "weight.config"),
        ("goldens/raw.json", "dataset"),
        ("README.md", "doc"),
        ("LICENSE", "doc"),
    ],
)
def test_layers_have_modelpack_types(name: str, sort: str) -> None:
    """By what a file is for."""
    assert layer_type(name) == f"application/vnd.cncf.model.{sort}.v1.raw"


def test_an_image_that_is_not_its_manifest_is_told(make_artifact: Callable[..., Path]) -> None:
    """A layer too many, with other content, or twice."""
    folder = make_artifact()
    manifest = Artifact.open(folder).manifest
    decoded = msgspec.json.decode(image(folder), type=ImageManifest)
    assert mismatch(decoded, manifest) == ""
    extra = msgspec.structs.replace(decoded, layers=(*decoded.layers, describe(b"x", "text/plain", "extra.py")))
    assert "extra.py" in mismatch(extra, manifest)
    other = msgspec.structs.replace(decoded, layers=(*decoded.layers[:-1], describe(b"x", "a/b", "model.onnx")))
    assert "model.onnx" in mismatch(other, manifest)
    twice = msgspec.structs.replace(decoded, layers=(*decoded.layers, decoded.layers[0]))
    assert "one title" in mismatch(twice, manifest)


def test_a_referrer_names_its_subject_and_nothing_else_of_it() -> None:
    """Annotations of the subject's descriptor stay out: the same words give the same digest."""
    subject = Descriptor(media_type="a/b", digest=digest_of(b"x"), size=1, annotations={"k": "v"})
    raw = referrer_of(subject, "application/vnd.freehold.report.v1+json", (describe(b"{}", "application/json"),), {})
    document = msgspec.json.decode(raw)
    assert document["subject"] == {"mediaType": "a/b", "digest": digest_of(b"x"), "size": 1}
    assert document["config"]["mediaType"] == EMPTY
    assert "annotations" not in document
