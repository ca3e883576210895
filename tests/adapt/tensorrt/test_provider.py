"""ONNX Runtime's TensorRT provider as the builder. What needs a GPU is marked so, and has not run on one yet."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from freehold.adapt.tensorrt.profiles import Profile
from freehold.adapt.tensorrt.provider import build_by_provider, provider_options, settle
from freehold.adapt.tensorrt.subject import Port
from freehold.adapt.tensorrt.trtexec import Build
from freehold.adapt.tensorrt.wrapper import ENGINE, engine_of, write_wrapper
from freehold.artifact.artifact import TENSORRT
from freehold.errors import FreeholdError

from .conftest import write_dense

BUILD = Build(Path("/m/model.onnx"), Path("/e") / ENGINE, (Profile("x", (1, 8), (16, 8), (64, 8)),), "fp16", "")


def test_the_options_word_for_word() -> None:
    """An engine that is kept, of these shapes, in this precision."""
    build = replace(BUILD, gpu=1, workspace_mb=2, timing_cache=Path("/c/timing"))
    assert provider_options(build, Path("/e")) == {
        "device_id": "1",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "/e",
        "trt_dump_ep_context_model": "1",
        "trt_ep_context_file_path": "/e/model.tensorrt.onnx",
        "trt_dump_ep_context_embed_mode": "0",
        "trt_profile_min_shapes": "x:1x8",
        "trt_profile_opt_shapes": "x:16x8",
        "trt_profile_max_shapes": "x:64x8",
        "trt_fp16_enable": "1",
        "trt_max_workspace_size": str(2 << 20),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": "/c",
    }
    assert "trt_fp32_enable" not in provider_options(replace(BUILD, precision="fp32"), Path("/e"))


def test_a_runtime_without_the_provider_is_refused(tmp_path: Path) -> None:
    """Never a session on another provider; and nothing is written."""
    with pytest.raises(FreeholdError) as caught:
        build_by_provider(replace(BUILD, graph=write_dense(tmp_path / "m.onnx")), tmp_path / "engine")
    assert caught.value.code == "tensorrt_provider_missing"
    assert not (tmp_path / "engine").exists()


def test_the_providers_engine_gets_the_name_that_is_kept(tmp_path: Path) -> None:
    """In the file that stands for it, too."""
    wrapper = write_wrapper(tmp_path, (Port("x", "FP32", (1,)),), (Port("y", "FP32", (1,)),), "10", "9.0")
    model = onnx.load(wrapper)
    made = "TensorrtExecutionProvider_TRTKernel_graph_0_sm90.engine"
    next(one for one in model.graph.node[0].attribute if one.name == "ep_cache_context").s = made.encode()
    onnx.save(model, wrapper)
    (tmp_path / made).write_bytes(b"an engine")
    settle(tmp_path)
    assert engine_of(tmp_path / TENSORRT).read_bytes() == b"an engine"
    assert (tmp_path / ENGINE).is_file()
    assert not (tmp_path / made).exists()


@pytest.mark.gpu
def test_an_engine_is_built_on_a_gpu(tmp_path: Path) -> None:
    """One node, with its engine beside it."""
    graph = write_dense(tmp_path / "m.onnx")
    folder = tmp_path / "engine"
    folder.mkdir()
    build_by_provider(replace(BUILD, graph=graph, engine=folder / ENGINE, precision="fp32"), folder)
    assert engine_of(folder / TENSORRT).name == ENGINE
