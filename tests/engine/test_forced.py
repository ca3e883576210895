"""Teacher-forced replay: when a recorded token is still what comes next."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, save_golden, write_manifest
from freehold.engine.base import Answer, Proof
from freehold.engine.forced import fitting, length_of, unlikely
from freehold.engine.generation import GenerateRequest, Sampling
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine
from freehold.errors import FreeholdError

RECORDED = [5, 6, 7, 8]


def case(agreement: float | None = None) -> Case:
    """A recorded answer of four tokens."""
    outputs = {"token_ids": Tensor.of(np.array(RECORDED))}
    if agreement is not None:
        outputs["agreement"] = Tensor.of(np.array([agreement], np.float32))
    return Case({"prompt_ids": Tensor.of(np.array([1, 2]))}, outputs)


def scored(best: list[int], margins: list[float]) -> Answer:
    """What a decoder thinks of it."""
    return Answer({"token_ids": np.array(best), "margins": np.array(margins, np.float32)})


def test_at_fp32_a_near_tie_passes_and_anything_else_is_shown() -> None:
    """Processors differ in the last bits."""
    assert unlikely(case(), scored(RECORDED, [0.0] * 4), "fp32") is None
    assert unlikely(case(), scored([5, 6, 9, 8], [0, 0, 0.005, 0]), "fp32") is None
    difference = unlikely(case(), scored([5, 6, 9, 8], [0, 0, 0.5, 0]), "fp32")
    assert difference is not None
    assert (difference.index, difference.expected, difference.seen) == ((2,), "7", "9")
    assert "0.5" in difference.measure


@pytest.mark.parametrize(
    ("agreement", "best", "passes"),
    [
        (0.75, [5, 6, 9, 8], True),
        (1.0, [5, 6, 9, 8], True),  # a single token may drift
        (1.0, [5, 9, 9, 8], False),
        (0.5, [5, 9, 9, 9], True),
        (None, [5, 9, 9, 9], True),
        (None, [9, 9, 9, 9], True),
    ],
)
def test_a_quantised_decoder_is_held_to_the_agreement_that_was_recorded(
    agreement: float | None, best: list[int], passes: bool
) -> None:
    """Within 0.02 of it, or a token."""
    difference = unlikely(case(agreement), scored(best, [0, 3.0, 3.0, 0]), "int4")
    assert (difference is None) == passes
    if difference is not None:
        assert (difference.index, difference.expected, difference.seen) == ((1,), "6", "9")
        assert (difference.measure, difference.allowed) == ("agreement 0.500", ">= 0.750")


def test_without_a_record_a_wrong_model_is_still_told() -> None:
    """Which agrees by chance alone."""
    recorded = Case({}, {"token_ids": Tensor.of(np.arange(48))})
    wrong = scored([0, *range(2, 49)], [0.0] * 48)
    assert unlikely(recorded, wrong, "int4") is not None
    near = scored([*range(8), *range(9, 49)], [0.0] * 48)
    assert unlikely(recorded, near, "int4") is None


ANSWER = 32


async def loaded(folder: Path, prove: bool = True) -> OnnxTextEngine:
    """An engine of that artifact."""
    engine = open_artifact(folder, EngineSettings(cores=1, kv_mb=8, prove=prove))
    assert isinstance(engine, OnnxTextEngine)
    await engine.load()
    return engine


async def answered(folder: Path) -> list[int]:
    """What it says to a prompt."""
    engine = await loaded(folder, prove=False)
    request = GenerateRequest([1, 2, 3], max_tokens=ANSWER, sampling=Sampling(temperature=0), ignore_end=True)
    ids = [id_ async for piece in engine.generate(request, 1e12) for id_ in piece.ids]
    await engine.close(1.0)
    return ids


async def proven(folder: Path, prove: bool = True) -> Proof:
    """What replaying its goldens shows."""
    engine = await loaded(folder, prove)
    await engine.close(1.0)
    return engine.proof


@pytest.mark.parametrize(
    ("precision", "framework", "wrong", "status"),
    [
        ("fp32", "transformers", 0, "raw"),
        ("fp32", "freehold", 0, "self"),
        ("fp32", "transformers", 1, "failed"),
        ("int4", "transformers", 1, "raw"),
        ("int4", "transformers", ANSWER, "failed"),
    ],
)
def test_recorded_answers_prove_a_decoder(
    decoder_artifact: Callable[..., Path], tmp_path: Path, precision: str, framework: str, wrong: int, status: str
) -> None:
    """Replayed when it is loaded; a proof that fails says which token was expected, and which is more probable."""
    answer = asyncio.run(answered(decoder_artifact(precision)))
    recorded = [(id_ + 1) % 320 for id_ in answer[:wrong]] + answer[wrong:]
    folder = tmp_path / "artifact"
    shutil.copytree(decoder_artifact(precision), folder)
    manifest = Artifact.open(folder).manifest
    tensors = [Tensor.of(np.array(ids)) for ids in ([1, 2, 3], recorded)]
    cases = (Case({"prompt_ids": tensors[0]}, {"token_ids": tensors[1]}),)
    save_golden(folder / "goldens" / "one.json", Golden(RecordedBy(framework, "1", manifest.made_by.source), cases))
    write_manifest(folder, manifest)
    proof = asyncio.run(proven(folder))
    assert (proof.status, proof.cases, proof.replayed) == (status, 1, 1)
    if status == "failed":
        assert proof.failure is not None
        assert str(answer[0]) in proof.failure.cause
    assert asyncio.run(proven(folder, prove=False)).status == "none"


def test_cases_longer_than_the_context_are_left_out() -> None:
    """They were recorded with more memory, or before somebody shortened it."""
    golden = Golden(RecordedBy("x", "1", ""), (case(), case(agreement=0.5)))
    assert [len(one.cases) for length in (5, 6) for one in fitting([golden], length)] == [0, 2]


def test_a_golden_of_another_kind_is_said(decoder_artifact: Callable[..., Path], tmp_path: Path) -> None:
    """A text in place of tokens is nothing that a decoder could replay."""
    folder = tmp_path / "artifact"
    shutil.copytree(decoder_artifact(), folder)
    manifest = Artifact.open(folder).manifest
    save_golden(folder / "goldens" / "one.json", Golden(RecordedBy("x", "1", ""), (Case({"text": "a"}, {}),)))
    write_manifest(folder, manifest)
    with pytest.raises(FreeholdError, match="golden_invalid"):
        asyncio.run(proven(folder))


def test_the_length_of_a_case_is_that_of_prompt_and_answer() -> None:
    """What else is recorded takes no place among the positions."""
    assert (length_of(case()), length_of(case(0.5)), length_of(Case({"text": "a"}, {}))) == (6, 6, 0)
