"""What transformers continues is what a decoder's artifact continues, and comes into it as a raw golden."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt.goldens.record import main, record
from freehold.adapt.goldens.record_text import NEW_TOKENS, PROMPTS, QUESTIONS
from freehold.adapt.graphs import build
from freehold.artifact import Artifact, Case, Golden, load_goldens
from freehold.artifact.artifact import sha256_of
from freehold.engine.base import Answer, ScoreRequest
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine

pytestmark = pytest.mark.usefixtures("one_torch_thread")

Make = Callable[..., Any]


def ids_of(case: Case) -> tuple[list[int], list[int]]:
    return case.inputs["prompt_ids"].array().tolist(), case.outputs["token_ids"].array().tolist()


@pytest.fixture(scope="module")
def folder(tiny_decoder: Make) -> Path:
    """A decoder whose own settings would change what it says; goldens heed none of them."""
    made: Path = tiny_decoder("Qwen3ForCausalLM")
    settings = json.loads((made / "generation_config.json").read_text())
    settings |= {"repetition_penalty": 1.5, "do_sample": True, "temperature": 0.7}
    (made / "generation_config.json").write_text(json.dumps(settings))
    return made


@pytest.fixture(scope="module")
def golden(folder: Path) -> Golden:
    """What is recorded of `folder`."""
    return record(folder)


def test_what_is_recorded_is_what_the_artifact_continues(
    golden: Golden, folder: Path, tmp_path: Path, slot_run: Make
) -> None:
    """Plain prompts and chat prompts, every token, whatever sampling the folder recommends."""
    assert golden.raw
    assert golden.recorded_by.source == f"sha256:{sha256_of(folder / 'model.safetensors')}"
    assert len(golden.cases) == len(PROMPTS) + len(QUESTIONS)
    run = slot_run(build(folder, tmp_path), capacity=512)
    for case in golden.cases:
        prompt, answer = ids_of(case)
        assert run.greedy([prompt], len(answer)) == [answer]


def test_it_is_recorded_how_sure_the_framework_was(golden: Golden, folder: Path, tmp_path: Path) -> None:
    """Logarithms of the probabilities of its tokens, which are those of the artifact too."""
    for case in golden.cases:
        logprobs = case.outputs["logprobs"].array()
        assert logprobs.dtype == np.float32
        assert logprobs.shape == case.outputs["token_ids"].shape
    engine = OnnxTextEngine(Artifact.open(build(folder, tmp_path)), EngineSettings(kv_mb=8))

    async def scored() -> Answer:
        await engine.load()
        answer = engine.answer(ScoreRequest(*ids_of(golden.cases[0])))
        await engine.close(0.0)
        return answer

    ours = asyncio.run(scored()).outputs["logprobs"]
    assert np.allclose(golden.cases[0].outputs["logprobs"].array(), ours, atol=1e-4)


def test_chat_prompts_are_those_of_the_template(golden: Golden) -> None:
    """They begin with the template's first token."""
    firsts = [ids_of(case)[0][0] for case in golden.cases]
    assert [first == 269 for first in firsts] == [False] * len(PROMPTS) + [True] * len(QUESTIONS)


def test_a_continuation_ends_with_the_end_token(tiny_decoder: Make) -> None:
    """Once it is the most probable; the token itself belongs to the case."""
    folder = tiny_decoder()
    _, answer = ids_of(record(folder).cases[0])
    assert len(answer) <= NEW_TOKENS
    end = answer[5]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [end]}))
    _, shorter = ids_of(record(folder).cases[0])
    assert shorter == answer[: answer.index(end) + 1]


def test_prompts_that_leave_no_room_stay_out(tiny_decoder: Make) -> None:
    """The tiny tokenizer makes a token of nearly every letter; without a template no question is asked."""
    folder = tiny_decoder(max_position_embeddings=80)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert 0 < len(record(folder).cases) < len(PROMPTS)


def test_the_command_writes_a_golden_that_artifacts_take(folder: Path, golden: Golden, tmp_path: Path) -> None:
    """From a folder's goldens, in every precision; a shorter artifact takes the cases that fit."""
    path = folder / "goldens" / "ours.json"
    assert main([str(folder), "--output", str(path)]) == 0
    (written,) = load_goldens(path.parent)
    (carried,) = load_goldens(build(folder, tmp_path, precision="int4") / "goldens")
    for each in (written, carried):
        assert each.recorded_by == golden.recorded_by
        assert [ids_of(case) for case in each.cases] == [ids_of(case) for case in golden.cases]
    (fewer,) = load_goldens(build(folder, tmp_path, max_tokens=80) / "goldens")
    assert 0 < len(fewer.cases) < len(golden.cases)
    path.unlink()
