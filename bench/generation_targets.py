"""The numbers that were promised of text generation."""

from collections.abc import Sequence
from functools import partial

from bench.generation import GENAI_ENGINE, LLAMACPP, OPENVINO
from bench.generation_workloads import (
    CACHED,
    DIRECT,
    DRAFTED,
    FAST,
    INT4,
    PLAIN,
    SLICES_MS,
    THROUGH,
    UNCACHED,
    beside_name,
)
from bench.proxy import WORKLOAD
from bench.results import Results, Sample
from bench.target import Target, ratio

_INT4 = "Decode, int4 in blocks of 32 against llama.cpp's q4_0, streams: "
_FAST = "Decode, profile fast against llama.cpp's q4_0, streams: "


def _rate(sample: Sample) -> float:
    return sample.rate


def _decode(text: str, ours: str, wanted: Sequence[tuple[int, float]]) -> list[Target]:
    return [
        Target(f"{text}{count}", ratio("generate", ours, LLAMACPP.name, count, _rate), least=least)
        for count, least in wanted
    ]


def _over_gap(slice_ms: int, results: Results) -> float | None:
    """By how many slices the 95th percentile of the gaps exceeds the usual one."""
    name = beside_name(slice_ms)
    usual = results.median("generate-beside", name, 8, lambda sample: sample.p50_s)
    during = results.median("generate-beside", name, 8, lambda sample: sample.p99_s)
    return None if usual is None or during is None else (during - usual) / (slice_ms / 1e3)


def _kept(slice_ms: int, results: Results) -> float | None:
    return results.median(
        "generate-beside", beside_name(slice_ms), 8, lambda sample: sample.cpu_seconds / sample.seconds
    )


def _added_ms(results: Results) -> float | None:
    """What passing through adds to the 99th percentile of the first frame, in milliseconds."""
    direct = results.median(WORKLOAD, DIRECT, 1, lambda sample: sample.p99_s)
    through = results.median(WORKLOAD, THROUGH, 1, lambda sample: sample.p99_s)
    return None if direct is None or through is None else (through - direct) * 1e3


TARGETS: tuple[Target, ...] = (
    *_decode(_INT4, INT4, ((1, 0.92), (4, 0.92), (8, 0.92), (16, 0.86))),
    *_decode(_FAST, FAST, ((1, 1.0), (4, 1.1), (8, 1.2), (16, 1.0))),
    Target(
        "Prefill of 512 tokens, fast, to llama.cpp's",
        ratio("generate-prefill", FAST, LLAMACPP.name, 1, _rate),
        least=1.7,
    ),
    Target(
        "Prefill of 512 tokens, fast, to OpenVINO GenAI's (moonshot)",
        ratio("generate-prefill", FAST, OPENVINO.name, 1, _rate),
        least=1.0,
    ),
    *(
        Target(
            f"Decode, fast, to onnxruntime-genai's Engine, streams: {count}",
            ratio("generate", FAST, GENAI_ENGINE.name, count, _rate),
            least=2.3,
        )
        for count in (8, 16)
    ),
    Target(
        "Shared system prompt of 512 tokens: first token, with the prefix cache to without",
        ratio("generate-prefix", CACHED, UNCACHED, 1, lambda sample: sample.p50_s),
        most=0.15,
    ),
    Target(
        "Repetitive text, one stream: prompt lookup to plain decode",
        ratio("generate-lookup", DRAFTED, PLAIN, 1, _rate),
        least=2,
    ),
    *(
        Target(
            f"2,000 tokens enter beside 8 streams, slices of {ms} ms: p95 gap over the usual, in slices",
            partial(_over_gap, ms),
            most=1.5,
        )
        for ms in SLICES_MS
    ),
    *(
        Target(
            f"2,000 tokens enter beside 8 streams, slices of {ms} ms: speed of its prefill, to alone",
            partial(_kept, ms),
            least=0.4,
        )
        for ms in SLICES_MS
    ),
    Target(
        "Through us to an upstream, 16 streams: share of its own frames a second",
        ratio(WORKLOAD, THROUGH, DIRECT, 16, _rate),
        least=0.97,
        digits=3,
    ),
    Target("Through us to an upstream: added to the first frame (p99), ms", _added_ms, most=5),
)
