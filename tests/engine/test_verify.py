"""Replaying goldens against an answering function."""

import itertools

import msgspec
import numpy as np
import pytest

from freehold.artifact import (
    Case,
    Golden,
    MadeBy,
    Manifest,
    RecordedBy,
    Tensor,
    TensorSpec,
    Tolerance,
    tolerance_for,
)
from freehold.engine.base import Answer, EmbedRequest, Request, RerankRequest, TensorRequest
from freehold.engine.verify import record, replay, request_of, tolerance_of
from freehold.errors import FreeholdError


def manifest(kind: str = "embed") -> Manifest:
    source = MadeBy("test", "1", "sha256:aa")
    outputs = (TensorSpec("embeddings", "FP32", (-1, 3)),)
    return Manifest(1, "tiny", kind, "packed", "fp32", (), outputs, source, {})  # type: ignore[arg-type]  # any kind


def vector(text: str) -> np.ndarray:
    return np.array([len(text), 1, 2], np.float32)


def truthful(request: Request) -> Answer:
    assert isinstance(request, EmbedRequest)
    return Answer({"embeddings": np.stack([vector(str(text)) for text in request.texts])})


def golden(*texts: str, framework: str = "transformers") -> Golden:
    cases = tuple(Case({"text": text}, {"embeddings": Tensor.of(vector(text))}) for text in texts)
    return Golden(RecordedBy(framework, "5.0", "sha256:aa"), cases)


def test_a_golden_of_another_framework_proves_raw() -> None:
    """All cases are replayed, and who recorded them is told."""
    proof = replay(truthful, manifest(), [golden("a", "bb")], "fp32")
    assert (proof.status, proof.cases, proof.replayed, proof.recorded_by) == ("raw", 2, 2, "transformers 5.0")


def test_our_own_goldens_prove_self() -> None:
    """They show drift, no conversion; beside a raw one the proof is raw."""
    assert replay(truthful, manifest(), [golden("a", framework="freehold")], "fp32").status == "self"
    both = [golden("a", framework="freehold"), golden("b")]
    assert replay(truthful, manifest(), both, "fp32").status == "raw"


def test_no_goldens_prove_nothing() -> None:
    """Neither an absent file nor one without cases."""
    assert replay(truthful, manifest(), [], "fp32").status == "none"
    assert replay(truthful, manifest(), [golden()], "fp32").status == "none"


def test_a_difference_names_output_index_expected_and_seen() -> None:
    """The failure is the error that readiness and verify show."""

    def wrong(request: Request) -> Answer:
        answer = truthful(request)
        answer.outputs["embeddings"][0, 1] += 0.25
        return answer

    proof = replay(wrong, manifest(), [golden("abc")], "fp32")
    assert proof.status == "failed"
    assert proof.failure is not None
    details = proof.failure.details
    assert (details["output"], details["index"], details["expected"], details["seen"]) == (
        "embeddings",
        [1],
        "1.0",
        "1.25",
    )


def test_a_missing_output_is_a_difference() -> None:
    """A graph that lost an output fails by its name."""
    proof = replay(lambda _request: Answer({}), manifest(), [golden("a")], "fp32")
    assert proof.failure is not None
    assert proof.failure.details["seen"] == "no such output"


@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_the_budget_bounds_the_replay_and_is_told(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least one case of every golden is replayed; a seeded order decides which, the same each time."""
    seen: list[str] = []

    def noting(request: Request) -> Answer:
        assert isinstance(request, EmbedRequest)
        seen.append(str(request.texts[0]))
        return truthful(request)

    def run() -> int:
        clock = itertools.count()
        monkeypatch.setattr("freehold.engine.verify.time.monotonic", lambda: float(next(clock)))
        texts = [str(n) for n in range(50)]
        proof = replay(noting, manifest(), [golden(*texts), golden(*texts)], "fp32", budget_s=seconds)
        assert (proof.cases, proof.status) == (100, "raw")
        return proof.replayed

    first = run()
    assert 2 <= first < 10
    assert run() == first
    assert seen[:first] == seen[first:]


def test_requests_are_built_by_kind() -> None:
    """A text, a pair, named tensors; anything else is an invalid golden."""
    assert request_of(Case({"text": "a"}, {}), manifest()) == EmbedRequest(["a"])
    assert request_of(Case({"query": "q", "text": "t"}, {}), manifest("rerank")) == RerankRequest("q", ["t"])
    array = np.arange(3, dtype=np.int64)
    request = request_of(Case({"x": Tensor.of(array)}, {}), manifest("tensor"))
    assert isinstance(request, TensorRequest)
    np.testing.assert_array_equal(request.inputs["x"], array)
    with pytest.raises(FreeholdError, match="golden_invalid"):
        request_of(Case({"query": "q"}, {}), manifest())


def test_recording_keeps_inputs_and_names_us() -> None:
    """What we record replays, as `self`."""
    ours = record(truthful, manifest(), golden("a", "b").cases, "0.1.0")
    assert ours.recorded_by == RecordedBy("freehold", "0.1.0", "sha256:aa")
    assert replay(truthful, manifest(), [ours], "fp32").status == "self"


def test_a_measured_tolerance_comes_before_the_row_of_the_precision() -> None:
    """Else weights in less than fp32 have the row of what they are held in, whatever computes them."""
    measured = Tolerance(cosine_min=0.9)
    quantized = msgspec.structs.replace(manifest(), precision="int8")
    assert tolerance_of(manifest(), "fp32") == tolerance_for("fp32")
    assert tolerance_of(manifest(), "bf16") == tolerance_for("bf16")
    assert tolerance_of(quantized, "fp32") == tolerance_for("int8")
    assert tolerance_of(msgspec.structs.replace(quantized, tolerance=measured), "fp32") == measured


def test_a_proof_is_judged_by_the_measured_tolerance() -> None:
    """What fp32 would refuse passes in an artifact whose quality report allows it, and nothing beyond."""

    def near(request: Request) -> Answer:
        answer = truthful(request)
        return Answer({name: value * np.float32(1.01) for name, value in answer.outputs.items()})

    loose = msgspec.structs.replace(manifest(), tolerance=Tolerance(cosine_min=0.99))
    assert replay(near, manifest(), [golden("a")], "fp32").status == "failed"
    assert replay(near, loose, [golden("a")], "fp32").status == "raw"
    tight = msgspec.structs.replace(manifest(), tolerance=Tolerance(max_abs=1e-6))
    assert replay(near, tight, [golden("a")], "fp32").status == "failed"
