"""What a compilation will do."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from freehold.adapt import graphs
from freehold.adapt.tensorrt.plan import Compilation, Machine, plan
from freehold.adapt.tensorrt.subject import Subject, open_subject
from freehold.artifact import Artifact
from freehold.errors import FreeholdError
from freehold.machine import Gpu


@pytest.fixture
def subject(dense: Artifact, tmp_path: Path) -> Subject:
    """x [batch, 8] -> y [batch, 4]."""
    return open_subject(dense.path, "dense", tmp_path, lambda _: None)


def test_on_a_machine_with_all_the_key_is_whole(subject: Subject, gpu: Gpu, tmp_path: Path) -> None:
    """Model, version, architecture and the driver's major version; the timing cache is of that machine."""
    asked = Compilation(tmp_path, "m", precision="fp16", program="/usr/bin/trtexec")
    planned = plan(subject, asked, Machine("10.13.3", gpu), Path("/e"), Path("/c"))
    key = planned.key
    assert (key.artifact, key.version, key.capability, key.driver) == (subject.artifact.digest, "10.13.3", "9.0", "550")
    assert planned.unknown == []
    assert planned.command[0] == "/usr/bin/trtexec"
    assert "--timingCacheFile=/c/timing-10.13.3-9.0.cache" in planned.command
    assert planned.as_data()["key"] == key.digest
    assert key.digest in planned.as_text()


def test_without_a_machine_what_is_not_known_is_said(subject: Subject, tmp_path: Path) -> None:
    """And the command line is that of a version which is named."""
    planned = plan(subject, Compilation(tmp_path, "m"), Machine(), Path(), Path("/c"))
    assert planned.unknown == ["TensorRT", "GPU", "driver"]
    assert planned.as_data()["key"] is None
    assert "there is no trtexec to ask" in planned.as_text()
    assert "min 1x8  opt 16x8  max 64x8" in planned.as_text()


def test_the_provider_has_options_in_place_of_a_command(subject: Subject, tmp_path: Path) -> None:
    """Its version is ONNX Runtime's."""
    planned = plan(subject, Compilation(tmp_path, "m", builder="onnxruntime"), Machine(), Path("/e"), Path("/c"))
    assert planned.as_data()["options"]["trt_engine_cache_path"] == "/e"
    assert planned.key.version.startswith("onnxruntime ")
    assert "trt_profile_max_shapes=x:64x8" in planned.as_text()


@pytest.mark.parametrize(
    ("own", "explicit", "precision"), [("bf16", False, "bf16"), ("int8", True, "int8"), ("fp32", False, "fp32")]
)
def test_precision_is_the_models_where_none_is_asked_for(
    subject: Subject, tmp_path: Path, own: str, explicit: bool, precision: str
) -> None:
    """int8 where the graph has its scales."""
    artifact = replace(subject.artifact, manifest=msgspec.structs.replace(subject.artifact.manifest, precision=own))
    changed = replace(subject, artifact=artifact, explicit=explicit)
    assert plan(changed, Compilation(tmp_path, "m"), Machine("10.13.3"), Path(), Path()).build.precision == precision


def test_what_cannot_be_is_refused_in_the_plan(subject: Subject, tmp_path: Path) -> None:
    """Before anybody waits for a GPU."""
    with pytest.raises(FreeholdError) as caught:
        plan(subject, Compilation(tmp_path, "m", precision="int8"), Machine(), Path(), Path())
    assert caught.value.code == "tensorrt_int8_uncalibrated"


def test_a_graph_of_indices_is_not_measured_by_trtexec(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """It would draw them at random."""
    packed = open_subject(graphs.build(tiny_bert_folder, tmp_path / "graphs"), "m", tmp_path, lambda _: None)
    assert plan(packed, Compilation(tmp_path, "m"), Machine(), Path(), Path()).command[-1] == "--skipInference"
