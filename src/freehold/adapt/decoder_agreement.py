"""How many recorded tokens a quantised decoder still chooses: measured where it is written, kept in its goldens.

Without it a start could only tell the model from another one; with it, it tells a graph that computes less well than
the one that was written.
"""

import time
from contextlib import closing

import msgspec
import numpy as np

from freehold.artifact import Artifact, Case, Golden, Tensor, save_golden
from freehold.artifact.golden import load_golden
from freehold.engine.agreement import Agreement, agreement_with
from freehold.engine.base import ScoreRequest
from freehold.engine.decoder_session import DecoderSession, open_decoder
from freehold.engine.forced import length_of
from freehold.engine.providers import SessionOptions
from freehold.engine.scoring import memory_for, score
from freehold.engine.verify import request_of
from freehold.errors import FreeholdError
from freehold.machine import read_cpu

BUDGET_S = 10.0
"""A first start waits for it: beyond, the rest of the cases says nothing of agreement."""
MEASURED = ("agreement", "perplexity_ratio")


def note_agreement(artifact: Artifact, budget_s: float = BUDGET_S) -> None:
    """Score the recorded answers for about `budget_s` seconds, at least one, and write into each scored golden case
    `agreement` FP32 [1] and, where the recorder's logprobs are there, `perplexity_ratio` FP32 [1] (`Agreement`).

    What cases said of another precision is dropped. The manifest must pin the goldens anew. Raises OSError, and
    FreeholdError `golden_invalid`, `decoder_manifest_invalid` or as `open_decoder`, `memory_for` and `score`.
    """
    goldens = {path: load_golden(path) for path in sorted(artifact.goldens.glob("*.json"))}
    cases = [case for golden in goldens.values() for case in golden.cases]
    if not cases:
        return
    decoder = artifact.manifest.decoder
    if decoder is None:
        raise FreeholdError("decoder_manifest_invalid", path=artifact.path)
    with closing(memory_for(decoder, max(length_of(case) for case in cases))) as memory:
        session = open_decoder(artifact, SessionOptions(threads=read_cpu().usable_cores), memory)
        session.measure()
        limit = time.monotonic() + budget_s
        for path, golden in goldens.items():
            save_golden(path, _measured(artifact, session, golden, limit))


def _measured(artifact: Artifact, session: DecoderSession, golden: Golden, limit: float) -> Golden:
    cases: list[Case] = []
    for case in golden.cases:
        late = cases and time.monotonic() > limit
        cases.append(_with(case, None if late else _agreement(artifact, session, case)))
    return msgspec.structs.replace(golden, cases=tuple(cases))


def _agreement(artifact: Artifact, session: DecoderSession, case: Case) -> Agreement:
    request = request_of(case, artifact.manifest)
    assert isinstance(request, ScoreRequest)  # of kind generate
    return agreement_with(case, score(session, 0, request.prompt, request.answer))


def _with(case: Case, agreement: Agreement | None) -> Case:
    outputs = {name: tensor for name, tensor in case.outputs.items() if name not in MEASURED}
    if agreement is not None:
        for name, value in zip(MEASURED, (agreement.share, agreement.perplexity_ratio), strict=True):
            if value is not None:
                outputs[name] = Tensor.of(np.array([value], np.float32))
    return msgspec.structs.replace(case, outputs=outputs)
