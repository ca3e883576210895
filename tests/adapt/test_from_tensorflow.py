"""SavedModels and Keras files become proven artifacts, one is served, and payloads stay where they cannot act."""

import re
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import Converted, convert
from freehold.adapt.from_tensorflow import digest_of
from freehold.artifact import Tensor, load_goldens
from freehold.errors import FreeholdError

FREEHOLD = Path(sysconfig.get_path("scripts")) / "freehold"
PATIENCE_S = 60.0  # only a broken test waits this long

Convert = Callable[..., Converted]


def unheard(_: str) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def converted(
    tensorflow_models: Path, tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Convert]:
    """`converted(name, **asked)` converts what tensorflow_models.py made, in TensorFlow's environment."""

    def one(name: str, **asked: Any) -> Converted:
        work = tmp_path_factory.mktemp("work")
        return convert(Conversion(tensorflow_models / name, "mine", work, **asked), unheard)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FREEHOLD_TENSORFLOW_PYTHON", str(tensorflow_python))
        patch.setenv("FREEHOLD_HOME", str(tmp_path_factory.mktemp("state")))
        yield one


@pytest.fixture(scope="module")
def images(converted: Convert) -> Converted:
    """The functional CNN of a .keras file."""
    return converted("images.keras")


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "labels"),
    [
        ("two_answers", {"x"}, {"states", "chances"}, ["batch 1", "batch 3"]),
        ("recurrent", {"series"}, {"output_0"}, ["batch 1", "batch 3", "long"]),
        ("sequential.h5", {"input_layer"}, {"dense_1"}, ["batch 1", "batch 3"]),
    ],
)
def test_each_format_is_converted_and_proven(
    converted: Convert, name: str, inputs: set[str], outputs: set[str], labels: list[str]
) -> None:
    """A module's SavedModel, Keras' SavedModel and an .h5 file: raw goldens, replayed within 1e-5."""
    made = converted(name)
    assert made.proof.status == "raw"
    assert max(row.max_abs for row in made.parity) <= 1e-5
    manifest = made.artifact.manifest
    assert {spec.name for spec in manifest.inputs} == inputs
    assert {spec.name for spec in manifest.outputs} == outputs
    assert {spec.shape[0] for spec in (*manifest.inputs, *manifest.outputs)} == {-1}
    assert [case.label for case in load_goldens(made.artifact.goldens)[0].cases] == labels


def test_a_functional_cnn_keeps_its_layout(images: Converted) -> None:
    """Channels last, sizes free and named, both heads; the manifest says with which versions and from which file."""
    assert images.proof.status == "raw"
    assert images.dimensions["image"] == ("batch", "height", "width", 3)
    assert set(images.dimensions) == {"image", "label", "place"}
    assert max(row.max_abs for row in images.parity) <= 1e-5
    manifest = images.artifact.manifest
    assert {"tensorflow", "keras", "tf2onnx", "onnx", "opset", "exporter"} <= set(manifest.made_with)
    assert manifest.made_with["opset"] == "18"
    assert manifest.ancestors[0].name == "images.keras"
    assert manifest.ancestors[0].digest == digest_of(images.detected.path)


def test_the_cnn_is_served(images: Converted, tmp_path: Path) -> None:
    """Over the Open Inference Protocol, with the answers that TensorFlow gave."""
    out, home = tmp_path / "out", {"FREEHOLD_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with out.open("w") as file:
        command = [FREEHOLD, "serve", images.artifact.path, "--port", "0"]
        process = subprocess.Popen(command, env=home, cwd=tmp_path, stdout=file, stderr=subprocess.STDOUT)
    try:
        limit, found = time.monotonic() + PATIENCE_S, None
        while found is None and time.monotonic() < limit:
            time.sleep(0.05)
            found = re.search(r"^Freehold serves on (http://\S+)$", out.read_text(), re.MULTILINE)
            assert process.poll() is None, out.read_text()
        assert found is not None, out.read_text()
        case = load_goldens(images.artifact.goldens)[0].cases[1]
        image = case.inputs["image"]
        assert isinstance(image, Tensor)
        tensor = {"name": "image", "datatype": "FP32", "shape": image.shape, "data": image.array().ravel().tolist()}
        with httpx.Client(base_url=found[1], trust_env=False, timeout=PATIENCE_S) as client:
            (model,) = client.get("/v1/models").json()["data"]
            while client.get("/v2/health/ready").status_code != 200 and time.monotonic() < limit:
                time.sleep(0.05)
            answer = client.post(f"/v2/models/{model['id']}/infer", json={"inputs": [tensor]}).json()
        seen = {one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in answer["outputs"]}
        for name, expected in case.outputs.items():
            np.testing.assert_allclose(seen[name], expected.array(), atol=1e-5)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_nothing_acts_unless_it_is_trusted(converted: Convert, tensorflow_models: Path) -> None:
    """Refused with what was found; tests/adapt/children/test_tensorflow_source.py asks for every payload."""
    with pytest.raises(FreeholdError) as caught:
        converted("writer")
    assert caught.value.code == "tensorflow_acts"
    assert "WriteFile" in caught.value.cause
    assert not (tensorflow_models / "ran").exists()


@pytest.mark.parametrize(("name", "output"), [("lambda.keras", "twice"), ("writer", "y")])
def test_what_is_trusted_acts_only_inside_its_child(
    converted: Convert, tensorflow_models: Path, name: str, output: str
) -> None:
    """A Lambda's bytecode and a WriteFile run, and compute; the file that they write is not to be seen from outside."""
    made = converted(name, trust_code=True)
    assert made.proof.status == "raw"
    case = load_goldens(made.artifact.goldens)[0].cases[0]
    given, answer = case.inputs["x"], case.outputs[output]
    assert isinstance(given, Tensor)
    np.testing.assert_allclose(answer.array(), 2 * given.array(), rtol=1e-6)
    assert not (tensorflow_models / "ran").exists()


def test_other_kinds_are_refused_before_anything_starts(converted: Convert) -> None:
    """A SavedModel has no tokenizer: it is no embedding model."""
    with pytest.raises(FreeholdError) as caught:
        converted("two_answers", kind="embed")
    assert caught.value.code == "tensorflow_kind"


def test_without_an_environment_the_lines_that_make_one(
    tensorflow_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is installed unasked."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FREEHOLD_TENSORFLOW_PYTHON", raising=False)
    (tmp_path / "work").mkdir()
    with pytest.raises(FreeholdError) as caught:
        convert(Conversion(tensorflow_models / "two_answers", "mine", tmp_path / "work"), unheard)
    assert caught.value.code == "environment_missing"
    assert not (tmp_path / "home").exists()


def test_the_digest_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    """A file alone has its own; in a folder every name and byte counts."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "model" / "variables").write_bytes(b"weights")
    before = digest_of(tmp_path / "model")
    (tmp_path / "model" / "variables").write_bytes(b"Weights")
    assert digest_of(tmp_path / "model") != before
    assert digest_of(tmp_path / "model" / "variables").startswith("sha256:")
