"""The parent's goldens, replayed with the quantized artifact: what may differ from now on, and that no more does."""

import asyncio
import math

import msgspec

from freehold.adapt.quantize.quality import Quality
from freehold.adapt.quantize.report import Proof
from freehold.artifact import Artifact, Case, Golden, Manifest, Tolerance, load_goldens
from freehold.artifact.compare import apart
from freehold.engine.base import Answer, Engine
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.verify import replay, request_of
from freehold.errors import FreeholdError

MARGIN = 1.5
"""What may differ is this many times the worst that was measured: another processor rounds elsewhere."""
LEAST_GAP = 1e-4
REPLAY_S = 60.0


def prove(artifact: Artifact, measured: Quality) -> tuple[Manifest, Proof]:
    """The manifest with the tolerance that goldens and the `measured` examples call for, and what the goldens showed.

    The goldens are then replayed within it, as every start will do. Raises FreeholdError `quantize_proof_failed`, and
    what loading the artifact raises.
    """
    return asyncio.run(_prove(artifact, measured))


async def _prove(artifact: Artifact, measured: Quality) -> tuple[Manifest, Proof]:
    goldens = load_goldens(artifact.goldens)
    engine = open_artifact(artifact.path, EngineSettings(tune=False, prove=False))
    await engine.load()
    try:
        manifest, proof = _seen(artifact.manifest, goldens, engine, measured)
        shown = replay(engine.answer, manifest, goldens, engine.precision, REPLAY_S)
    finally:
        await engine.close(0.0)
    if shown.status == "failed" and shown.failure is not None:
        raise FreeholdError("quantize_proof_failed", name=manifest.name, reason=shown.failure.cause)
    return manifest, proof


def _seen(manifest: Manifest, goldens: list[Golden], engine: Engine, measured: Quality) -> tuple[Manifest, Proof]:
    cases = [case for golden in goldens for case in golden.cases]
    raw = any(golden.raw and golden.cases for golden in goldens)
    if manifest.kind == "generate":  # its goldens carry what they agree in
        return manifest, Proof(len(cases), raw)
    pairs = [pair for case in cases for pair in _differences(case, engine.answer(request_of(case, manifest)), manifest)]
    angles = [angle for angle, _ in pairs]
    gaps = [gap for _, gap in pairs]
    worst_angle = min([*angles, *([measured.cosine_min] if measured.cosine_min is not None else [])], default=None)
    worst_gap = max([*gaps, measured.max_abs or 0.0])
    if not all(map(math.isfinite, [worst_gap, *angles])):
        raise FreeholdError("quantize_proof_failed", name=manifest.name, reason="its outputs are not all numbers")
    if manifest.kind == "embed" and worst_angle is not None:
        allowed = Tolerance(cosine_min=math.floor(1e6 * (1 - MARGIN * (1 - worst_angle))) / 1e6)
    else:
        allowed = Tolerance(max_abs=float(f"{max(MARGIN * worst_gap, LEAST_GAP):.3g}"))
    angle, gap = (round(min(angles), 7), float(f"{max(gaps):.3g}")) if pairs else (None, None)
    proof = Proof(len(cases), raw, angle if manifest.kind == "embed" else None, gap, allowed)
    return msgspec.structs.replace(manifest, tolerance=allowed), proof


def _differences(case: Case, answer: Answer, manifest: Manifest) -> list[tuple[float, float]]:
    """Cosine and largest gap of every float output of a case."""
    seen = []
    for name, tensor in case.outputs.items():
        want, have = tensor.array(), answer.outputs[name]
        have = have if manifest.kind == "tensor" else have[0]
        if want.dtype.kind == "f" and want.shape == have.shape and want.size:
            seen.append(apart(want, have))
    return seen
