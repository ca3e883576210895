"""The second way to an engine: ONNX Runtime's TensorRT provider builds it, over the same graph and profiles."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxruntime

from freehold.adapt.tensorrt.profiles import shape_text
from freehold.adapt.tensorrt.trtexec import Build
from freehold.adapt.tensorrt.wrapper import ENGINE, PROVIDER, engine_of
from freehold.artifact.artifact import TENSORRT
from freehold.engine.session import LOAD_ERRORS
from freehold.errors import FreeholdError

VERSION = f"onnxruntime {onnxruntime.__version__}"
_NO_TF32 = "NVIDIA_TF32_OVERRIDE"
"""NVIDIA's own variable; this provider has no option for it."""


def provider_options(build: Build, folder: Path) -> dict[str, str]:
    """The provider's options for one build, whose files go into `folder`. Names as on ONNX Runtime's page of it."""
    options = {
        "device_id": str(build.gpu),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_dump_ep_context_model": "1",
        "trt_ep_context_file_path": str(folder / TENSORRT),
        "trt_dump_ep_context_embed_mode": "0",
    }
    for bound, name in (("least", "min"), ("usual", "opt"), ("most", "max")):
        shapes = [f"{profile.name}:{shape_text(getattr(profile, bound))}" for profile in build.profiles]
        if shapes:
            options[f"trt_profile_{name}_shapes"] = ",".join(shapes)
    if build.precision != "fp32":
        options[f"trt_{build.precision}_enable"] = "1"
    if build.workspace_mb:
        options["trt_max_workspace_size"] = str(build.workspace_mb << 20)
    if build.timing_cache is not None:
        options |= {"trt_timing_cache_enable": "1", "trt_timing_cache_path": str(build.timing_cache.parent)}
    return options


def check_provider() -> None:
    """Raises FreeholdError `tensorrt_provider_missing` where this ONNX Runtime cannot use TensorRT."""
    offered = onnxruntime.get_available_providers()
    if PROVIDER not in offered:
        raise FreeholdError("tensorrt_provider_missing", version=onnxruntime.__version__, granted=", ".join(offered))


def build_by_provider(build: Build, folder: Path) -> None:
    """Build the engine and its wrapper into the empty `folder`, as `TENSORRT` and `ENGINE`.

    Raises FreeholdError `tensorrt_provider_missing`, `device_not_granted`, `tensorrt_failed` and `tensorrt_partial`.
    """
    check_provider()
    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    with _exact(build.precision):
        try:
            session = onnxruntime.InferenceSession(
                str(build.graph), settings, providers=[(PROVIDER, provider_options(build, folder))], enable_fallback=0
            )
        except (*LOAD_ERRORS, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise FreeholdError("tensorrt_failed", reason=reason, operator="", log="-") from error
    granted = session.get_providers()[0]
    if granted != PROVIDER:
        raise FreeholdError("device_not_granted", model=build.graph.parent.name, asked="tensorrt", granted=granted)
    settle(folder)


def settle(folder: Path) -> None:
    """Give the engine that the provider wrote the name under which it is kept. Raises as `engine_of`."""
    wrapper = folder / TENSORRT
    engine = engine_of(wrapper)
    model = onnx.load(wrapper, load_external_data=False)
    attribute = next(one for one in model.graph.node[0].attribute if one.name == "ep_cache_context")
    attribute.s = ENGINE.encode()
    engine.replace(folder / ENGINE)
    wrapper.write_bytes(model.SerializeToString())


@contextlib.contextmanager
def _exact(precision: str) -> Iterator[None]:
    """Without TF32 where fp32 is asked for, whose goldens it would fail."""
    before = os.environ.get(_NO_TF32)
    if precision == "fp32":
        os.environ[_NO_TF32] = "0"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_NO_TF32, None)
        else:
            os.environ[_NO_TF32] = before
