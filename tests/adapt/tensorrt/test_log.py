"""What trtexec prints, in the words of TensorRT 8.6, 10 and 11."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.tensorrt.log import MOST_KEPT, Times, parse_log, step_of, version_of

GOOD_8 = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --onnx=m.onnx --saveEngine=m.plan --fp16
[11/28/2024-10:38:50] [I] === Model Options ===
[11/28/2024-10:38:50] [I] Format: ONNX
[11/28/2024-10:38:52] [I] TensorRT version: 8.6.1
[11/28/2024-10:38:53] [I] Start parsing network model.
[11/28/2024-10:38:53] [W] [TRT] onnx2trt_utils.cpp:374: Your ONNX model has been generated with INT64 weights.
[11/28/2024-10:38:53] [W] [TRT] onnx2trt_utils.cpp:374: Your ONNX model has been generated with INT64 weights.
[11/28/2024-10:38:53] [I] Finished parsing network model. Parse time: 0.116
[11/28/2024-10:39:21] [I] Engine built in 28.3071 sec.
[11/28/2024-10:39:21] [I] [TRT] Loaded engine size: 22 MiB
[11/28/2024-10:39:24] [I] === Performance summary ===
[11/28/2024-10:39:24] [I] Throughput: 1337.46 qps
[11/28/2024-10:39:24] [I] Latency: min = 0.74 ms, max = 1.93 ms, mean = 0.76 ms, median = 0.75 ms, \
percentile(90%) = 0.77 ms, percentile(95%) = 0.78 ms, percentile(99%) = 0.81 ms
[11/28/2024-10:39:24] [I] GPU Compute Time: min = 0.70 ms, max = 1.88 ms, mean = 0.72 ms, median = 0.71 ms, \
percentile(99%) = 0.77 ms
&&&& PASSED TensorRT.trtexec [TensorRT v8601] # trtexec --onnx=m.onnx --saveEngine=m.plan --fp16
"""
GOOD_10 = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v101303] [b9] # trtexec --onnx=m.onnx --saveEngine=m.plan
[02/11/2026-09:00:01] [I] Start parsing network model.
[02/11/2026-09:00:02] [I] Finished parsing network model. Parse time: 0.0231
[02/11/2026-09:00:02] [I] Set shape of input tensor x for optimization profile 0 to: MIN=1x16 OPT=16x16 MAX=64x16
[02/11/2026-09:00:09] [I] [TRT] Engine generation completed in 6.71 seconds.
[02/11/2026-09:00:09] [I] Created engine with size: 1.50391 MiB
[02/11/2026-09:00:09] [I] Engine built in 7.02 sec.
[02/11/2026-09:00:13] [I] Throughput: 12054.3 qps
[02/11/2026-09:00:13] [I] Latency: min = 0.08 ms, max = 0.2 ms, mean = 0.09 ms, median = 8.5e-02 ms
[02/11/2026-09:00:13] [W] * GPU compute time is unstable, with coefficient of variance = 1.4%.
&&&& PASSED TensorRT.trtexec [TensorRT v101303] [b9] # trtexec --onnx=m.onnx --saveEngine=m.plan
"""
GOOD_11 = """\
&&&& RUNNING TensorRT.trtexec [TensorRT v110400] [b12] # trtexec --onnx=m.onnx --saveEngine=m.plan --skipInference
[09/01/2026-09:00:01] [I] Start parsing network model.
[09/01/2026-09:00:30] [I] Created engine with size: 2.1 GiB
[09/01/2026-09:00:30] [I] Engine built in 28.9 sec.
[09/01/2026-09:00:30] [I] Skipped inference phase since --skipInference is added.
&&&& PASSED TensorRT.trtexec [TensorRT v110400] [b12] # trtexec --onnx=m.onnx --saveEngine=m.plan --skipInference
"""
FAILED = "&&&& FAILED TensorRT.trtexec [TensorRT v101303] # trtexec"


def failed(*errors: str) -> str:
    return "\n".join([*(f"[02/11/2026-09:00:02] [E] {error}" for error in errors), FAILED])


def test_a_build_of_tensorrt_8() -> None:
    """Version, time, size, speed, and each warning once."""
    log = parse_log(GOOD_8)
    assert (log.version, log.passed, log.built_s, log.engine_bytes) == ("8.6.1", True, 28.3071, 22 << 20)
    assert log.throughput == 1337.46
    assert log.latency == Times(0.74, 1.93, 0.76, 0.75, 0.77, 0.78, 0.81)
    assert log.compute is not None
    assert (log.compute.p90, log.compute.p99) == (None, 0.77)
    assert len(log.warnings) == 1
    assert (log.errors, log.failure) == ((), "")


def test_a_build_of_tensorrt_10() -> None:
    """That a profile is set is no failure; numbers may have exponents."""
    log = parse_log(GOOD_10)
    assert (log.version, log.passed, log.built_s) == ("10.13.3", True, 7.02)
    assert log.engine_bytes == int(1.50391 * (1 << 20))
    assert log.latency is not None
    assert log.latency.median == 0.085
    assert log.warnings == ("* GPU compute time is unstable, with coefficient of variance = 1.4%.",)


def test_a_build_of_tensorrt_11_that_is_not_measured() -> None:
    """No speed, and still passed."""
    log = parse_log(GOOD_11)
    assert (log.version, log.passed, log.throughput, log.latency) == ("11.4.0", True, None, None)
    assert log.engine_bytes == int(2.1 * (1 << 30))


@pytest.mark.parametrize(
    ("errors", "failure", "operator"),
    [
        (["[TRT] ModelImporter.cpp:773: [8] No importer registered for op: DCNv2"], "operator", "DCNv2"),
        (
            [
                '[TRT] ModelImporter.cpp:768: While parsing node number 7 [NMSRotated -> "out"]:',
                "[TRT] ModelImporter.cpp:773: builtin_op_importers.cpp:5404 In function importFallbackPluginImporter:",
            ],
            "operator",
            "NMSRotated",
        ),
        (
            ["[TRT] In node 12 with name: /a and operator: Celu (checkFallbackPluginImporter): UNSUPPORTED_NODE: x"],
            "operator",
            "Celu",
        ),
        (["[TRT] UNSUPPORTED_NODE: something else"], "operator", "?"),
        (["[TRT] 1: [defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)"], "memory", ""),
        (["[TRT] Requested amount of GPU memory (34359738368 bytes) could not be allocated."], "memory", ""),
        (
            ["[TRT] IBuilder::buildSerializedNetwork: Error Code 2: OutOfMemory (Requested size was 1 bytes.)"],
            "memory",
            "",
        ),
        (["Dynamic dimensions required for input: x, but no shapes were provided."], "profile", ""),
        (["Static dimension mismatch while setting input shape for x."], "profile", ""),
        (
            ["[TRT] Error Code 4: x: kMIN dimensions in profile 0 are [1,3] but input has static dimensions"],
            "profile",
            "",
        ),
        (['Cannot find input tensor with name "x" in the network inputs!'], "profile", ""),
        (["Unknown option: --fp16"], "option", ""),
        (["[TRT] CUDA initialization failure with error: 35"], "driver", ""),
        (
            ["[TRT] The engine plan file is not compatible with this version of TensorRT, expecting 10.2"],
            "incompatible",
            "",
        ),
        (
            ["[TRT] The engine plan file is generated on an incompatible device, expecting 8.6 got 9.0"],
            "incompatible",
            "",
        ),
        (["Engine could not be created from network"], "other", ""),
        ([], "", ""),
    ],
)
def test_what_failed_is_told_apart(errors: list[str], failure: str, operator: str) -> None:
    """Operators by name, memory, shapes, options, drivers, other engines, and the rest."""
    log = parse_log(failed(*errors))
    assert (log.passed, log.failure, log.operator) == (False, failure, operator)


def test_a_log_that_ends_early_neither_passed_nor_failed() -> None:
    """A process that was killed leaves no verdict."""
    assert parse_log(GOOD_10[:400]).passed is None


def test_endless_warnings_are_cut() -> None:
    """Some graphs have one for every node."""
    text = "\n".join(f"[02/11/2026-09:00:02] [W] [TRT] node {number}" for number in range(500))
    assert len(parse_log(text).warnings) == MOST_KEPT


@pytest.mark.parametrize(
    ("digits", "version"), [("8601", "8.6.1"), ("8503", "8.5.3"), ("100200", "10.2.0"), ("101303", "10.13.3")]
)
def test_versions_are_read_from_banners(digits: str, version: str) -> None:
    """One digit a part up to 8, two from 10 on."""
    assert version_of(digits) == version


def test_lines_that_begin_a_step_are_told() -> None:
    """And no other."""
    assert [step for line in GOOD_8.splitlines() if (step := step_of(line))] == [
        "parsing the graph",
        "building the engine",
        "measuring the engine",
    ]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.sampled_from("VIWEF"))
def test_any_text_is_read(text: str, level: str) -> None:
    """Garbage is no error, as a line of its own or behind a time."""
    parse_log(text)
    parse_log(f"[02/11/2026-09:00:02] [{level}] {text}\n&&&& FAILED TensorRT.trtexec [TensorRT v8601]")
