"""Replay goldens: the proof that what is loaded here computes what its raw framework computed."""

import random
import time
from collections.abc import Callable, Sequence

import numpy as np

from freehold.artifact import (
    Case,
    Difference,
    Golden,
    Manifest,
    RecordedBy,
    Tensor,
    Tolerance,
    compare,
    tolerance_for,
)
from freehold.engine.base import Answer, EmbedRequest, Proof, Request, RerankRequest, ScoreRequest, TensorRequest
from freehold.engine.forced import unlikely
from freehold.errors import FreeholdError

REPLAY_BUDGET_S = 10.0


def request_of(case: Case, manifest: Manifest) -> Request:
    """The request that a recorded case stands for. Raises FreeholdError `golden_invalid`."""
    inputs = case.inputs
    texts = {name: value for name, value in inputs.items() if isinstance(value, str)}
    if manifest.kind in ("embed", "classify") and set(texts) == {"text"}:
        return EmbedRequest([texts["text"]])
    if manifest.kind == "rerank" and set(texts) == {"query", "text"}:
        return RerankRequest(texts["query"], [texts["text"]])
    tensors = {name: value.array() for name, value in inputs.items() if isinstance(value, Tensor)}
    if manifest.kind == "generate" and set(tensors) == {"prompt_ids"} and "token_ids" in case.outputs:
        return ScoreRequest(tensors["prompt_ids"].tolist(), case.outputs["token_ids"].array().tolist())
    if manifest.kind == "tensor" and len(tensors) == len(inputs):
        return TensorRequest(tensors)
    raise FreeholdError(
        "golden_invalid",
        path=manifest.name,
        reason=f"a case with inputs {sorted(inputs)} does not suit kind {manifest.kind}",
    )


def tolerance_of(manifest: Manifest, precision: str) -> Tolerance:
    """What outputs may differ by when they are computed in `precision`.

    A tolerance that a quality report measured, and the manifest carries, comes before every row of the table. Weights
    in less than fp32 that are computed in fp32 have the row of what they are held in.
    """
    if manifest.tolerance is not None:
        return manifest.tolerance
    return tolerance_for(held_in(manifest, precision))


def held_in(manifest: Manifest, precision: str) -> str:
    """What to call a model that is computed in `precision`: by its weights, where they are held in less than fp32."""
    return manifest.precision if precision == "fp32" else precision


def first_difference(case: Case, answer: Answer, manifest: Manifest, precision: str) -> Difference | None:
    """Where `answer` leaves the recorded outputs by more than `tolerance_of` allows; None when nowhere."""
    if manifest.kind == "generate":
        return unlikely(case, answer, precision)
    tolerance = tolerance_of(manifest, precision)
    for name, tensor in case.outputs.items():
        expected = tensor.array()
        if name not in answer.outputs:
            return Difference(name, (), str(list(expected.shape)), "no such output", "missing", "present")
        seen = answer.outputs[name]
        difference = compare(name, expected, seen if manifest.kind == "tensor" else seen[0], tolerance)
        if difference is not None:
            return difference
    return None


def order_of(golden: Golden, manifest: Manifest) -> list[int]:
    """The places of its cases in the order, seeded by the model's source, of a replay that may not reach the last."""
    places = list(range(len(golden.cases)))
    random.Random(manifest.made_by.source).shuffle(places)  # a reproducible subset, not a secret
    return places


def judge(
    answer: Callable[[Request], Answer], golden: Golden, place: int, manifest: Manifest, precision: str
) -> tuple[Answer, FreeholdError | None]:
    """Replay the case at `place`: what was answered, and the error `proof_failed` where that leaves the record.

    Raises FreeholdError `golden_invalid` and what `answer` raises.
    """
    case = golden.cases[place]
    seen = answer(request_of(case, manifest))
    difference = first_difference(case, seen, manifest, precision)
    return seen, None if difference is None else _failure(manifest.name, place, difference)


def replay(
    answer: Callable[[Request], Answer],
    manifest: Manifest,
    goldens: Sequence[Golden],
    precision: str,
    budget_s: float = REPLAY_BUDGET_S,
) -> Proof:
    """Run the recorded cases through `answer` for at most `budget_s` seconds.

    When there are more than fit, a subset in an order seeded by the model's source is replayed and counted, at least
    one case of every golden. The status is `raw` when a golden of another framework was among them.
    """
    total = sum(len(golden.cases) for golden in goldens)
    limit = time.monotonic() + budget_s
    replayed = 0
    for golden in goldens:
        for turn, place in enumerate(order_of(golden, manifest)):
            if turn and time.monotonic() > limit:
                break
            _, failure = judge(answer, golden, place, manifest, precision)
            replayed += 1
            if failure is not None:
                return Proof("failed", total, replayed, _who(golden.recorded_by), failure)
    return shown_by(goldens, replayed)


def shown_by(goldens: Sequence[Golden], replayed: int) -> Proof:
    """What it proves that `replayed` cases of `goldens`, some of each, came out as they were recorded."""
    with_cases = [golden for golden in goldens if golden.cases]
    if not with_cases:
        return Proof("none")
    raw = [golden for golden in with_cases if golden.raw]
    total = sum(len(golden.cases) for golden in with_cases)
    return Proof("raw" if raw else "self", total, replayed, _who((raw or with_cases)[0].recorded_by))


def record(answer: Callable[[Request], Answer], manifest: Manifest, requests: Sequence[Case], version: str) -> Golden:
    """Our own runtime's outputs for the inputs of `requests`: shows later drift, proves no conversion (`self`)."""
    cases = []
    for case in requests:
        outputs = answer(request_of(case, manifest)).outputs
        rows = outputs if manifest.kind == "tensor" else {name: value[0] for name, value in outputs.items()}
        cases.append(Case(case.inputs, {name: Tensor.of(np.asarray(value)) for name, value in rows.items()}))
    return Golden(RecordedBy("freehold", version, manifest.made_by.source), tuple(cases))


def _failure(model: str, place: int, difference: Difference) -> FreeholdError:
    return FreeholdError(
        "proof_failed",
        model=model,
        case=place,
        output=difference.output,
        index=list(difference.index),
        expected=difference.expected,
        seen=difference.seen,
        measure=difference.measure,
        allowed=difference.allowed,
    )


def _who(recorded_by: RecordedBy) -> str:
    return f"{recorded_by.framework} {recorded_by.version}".strip()
