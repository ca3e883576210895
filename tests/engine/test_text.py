"""The text engine, with real graphs: the right tokens, whoever else is there."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.artifact import Artifact, Limits, write_manifest
from freehold.engine.base import EmbedRequest, ScoreRequest
from freehold.engine.generation import Constraint, GenerateRequest, Piece, Sampling, Step, TokenLogprob
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine
from freehold.errors import FreeholdError

PLAIN = EngineSettings(cores=2, kv_mb=32)
FAR = 1e12
GREEDY = Sampling(temperature=0)
ANSWER = 32
LENGTHS = (5, 1, 64, 65, 129, 200, 17, 128)
PROFILES = [("fp32", 32), ("int8", 32), ("int4", 32), ("int4", 128), ("w8a8", 32), ("fast", 32), ("fast", 128)]

Ids = list[int]


def prompts() -> list[Ids]:
    """Of many lengths; the first half of the long ones is shared, and their ends repeat themselves."""
    rng = np.random.default_rng(3)
    shared = rng.integers(0, 300, 128).tolist()
    made = [rng.integers(0, 300, length).tolist() for length in LENGTHS]
    return [shared + one[128:] if len(one) > 128 else one for one in made] + [shared + [7, 8, 9, 10] * 6 + [7, 8]]


@dataclass
class Heard:
    """An answer put together."""

    ids: Ids
    text: str
    pieces: list[Piece]

    @property
    def last(self) -> Piece:
        """The piece with the finish."""
        return self.pieces[-1]


async def ask(engine: OnnxTextEngine, prompt: Ids, *, deadline: float = FAR, **options: Any) -> Heard:
    """A greedy answer past the end tokens, unless the options say otherwise."""
    usual: dict[str, Any] = {"max_tokens": ANSWER, "sampling": GREEDY, "ignore_end": True}
    request = GenerateRequest(prompt, **(usual | options))
    pieces = [piece async for piece in engine.generate(request, deadline)]
    return Heard([id_ for one in pieces for id_ in one.ids], "".join(one.text for one in pieces), pieces)


@asynccontextmanager
async def loaded(artifact: Path, settings: EngineSettings = PLAIN) -> AsyncIterator[OnnxTextEngine]:
    """An engine that is closed in the end."""
    engine = open_artifact(artifact, settings)
    assert isinstance(engine, OnnxTextEngine)
    await engine.load()
    try:
        yield engine
    finally:
        await engine.close(5.0)


def running(artifact: Path, talk: Callable[[OnnxTextEngine], Coroutine[Any, Any, Any]], **changes: Any) -> Any:
    """What `talk` returns of an engine with these settings."""

    async def run() -> Any:
        async with loaded(artifact, replace(PLAIN, **changes)) as engine:
            return await talk(engine)

    return asyncio.run(run())


async def crowd(engine: OnnxTextEngine) -> list[Ids]:
    """All prompts at once."""
    return [heard.ids for heard in await asyncio.gather(*(ask(engine, prompt) for prompt in prompts()))]


async def one_by_one(engine: OnnxTextEngine) -> list[Ids]:
    """All prompts, each alone."""
    return [(await ask(engine, prompt)).ids for prompt in prompts()]


@pytest.fixture(scope="module")
def expected(of_transformers: Callable[..., list[Ids]], decoder_folder: Path) -> list[Ids]:
    """What transformers answers, greedily, one prompt at a time."""
    return of_transformers(decoder_folder, prompts(), ANSWER)


@pytest.mark.parametrize(
    "changes",
    [
        {"slots": 1},
        {"slots": 4},
        {"slots": 8},
        {"slots": 4, "prefill_slice_ms": 0.001},
        {"slots": 4, "prefill_slice_ms": 1000.0},
        {"slots": 8, "prefix_cache_mb": 0},
        {"slots": 8, "prompt_lookup": False},
        {"slots": 8, "cores": 1},
    ],
    ids=str,
)
def test_tokens_are_those_of_transformers(
    decoder_artifact: Callable[..., Path], expected: list[Ids], changes: dict[str, Any]
) -> None:
    """At fp32, ragged prompts at once, whatever slots, slices, cache and drafts."""
    assert running(decoder_artifact(), crowd, **changes) == expected


@pytest.mark.parametrize(("precision", "block"), PROFILES)
def test_an_answer_depends_on_nothing_but_its_request(
    decoder_artifact: Callable[..., Path], precision: str, block: int
) -> None:
    """Alone, in a crowd, with a cold and a warm cache, with drafts and without, in long and in short slices."""
    artifact = decoder_artifact(precision, block=block)

    async def three_ways(engine: OnnxTextEngine) -> list[list[Ids]]:
        return [await one_by_one(engine), await crowd(engine), await one_by_one(engine)]

    alone, together, warm = running(artifact, three_ways)
    assert alone == together == warm
    settings: tuple[dict[str, Any], ...] = (
        {"slots": 1},
        {"slots": 3, "prefill_slice_ms": 0.001},
        {"prompt_lookup": False, "prefix_cache_mb": 0},
    )
    for changes in settings:
        assert running(artifact, crowd, **changes) == alone


FEW = {5: 60.0, 6: 60.0, 7: 60.0}
"""A bias to three tokens: drawn from them, an answer repeats itself often, and never for long."""


@pytest.mark.parametrize("precision", ["fp32", "int4", "fast"])
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(seed=1, logit_bias=FEW),
        Sampling(temperature=0, logit_bias=FEW),
        Sampling(seed=2, logit_bias=FEW, repetition_penalty=1.1, frequency_penalty=0.02, presence_penalty=0.5),
    ],
)
def test_drafts_come_true_in_part_and_change_nothing(
    decoder_artifact: Callable[..., Path], precision: str, sampling: Sampling
) -> None:
    """One answer or two at a time; fewer steps than tokens, and the very same tokens and probabilities."""
    steps: list[Step] = []
    options: dict[str, Any] = {"max_tokens": 150, "sampling": sampling, "logprobs": 2}

    async def talk(engine: OnnxTextEngine) -> list[list[TokenLogprob]]:
        alone = await ask(engine, prompts()[8], **options)
        beside = await asyncio.gather(*(ask(engine, prompts()[index], **options) for index in (0, 4)))
        return [[one for piece in heard.pieces for one in piece.logprobs] for heard in (alone, *beside)]

    drafted = running(decoder_artifact(precision), talk, on_step=steps.append)
    assert drafted == running(decoder_artifact(precision), talk, prompt_lookup=False)
    accepted = sum(step.accepted for step in steps)
    assert 50 < accepted < sum(step.drafted for step in steps)
    assert sum(step.tokens for step in steps if step.phase == "decode") == 3 * 149


def test_a_seeded_answer_is_the_same_in_any_company(decoder_artifact: Callable[..., Path]) -> None:
    """Sampling too: with a seed, at a high temperature, beside others and after them."""
    sampling = Sampling(temperature=1.5, top_p=0.95, seed=11)

    async def talk(engine: OnnxTextEngine) -> list[Ids]:
        alone = await ask(engine, prompts()[5], sampling=sampling)
        others = [ask(engine, prompt, sampling=Sampling(temperature=2.0)) for prompt in prompts()]
        beside, *_ = await asyncio.gather(ask(engine, prompts()[5], sampling=sampling), *others)
        return [alone.ids, beside.ids]

    alone, beside = running(decoder_artifact("int4"), talk)
    assert alone == beside
    assert running(decoder_artifact("int4"), talk, prompt_lookup=False)[0] == alone


def test_the_prefix_cache_is_used_and_counted(decoder_artifact: Callable[..., Path]) -> None:
    """In whole blocks, and never the last token."""

    async def talk(engine: OnnxTextEngine) -> list[int]:
        asked = [prompts()[5], prompts()[4], prompts()[7], prompts()[5]]
        return [(await ask(engine, prompt)).last.cached_tokens for prompt in asked]

    assert running(decoder_artifact(), talk) == [0, 128, 0, 192]
    assert running(decoder_artifact(), talk, prefix_cache_mb=0) == [0, 0, 0, 0]


def test_pieces_count_and_end(decoder_artifact: Callable[..., Path]) -> None:
    """Every piece says what there is so far; the last one how it ended."""

    async def talk(engine: OnnxTextEngine) -> Heard:
        return await ask(engine, prompts()[0], max_tokens=5)

    heard = running(decoder_artifact(), talk, prompt_lookup=False)
    assert [piece.completion_tokens for piece in heard.pieces] == [1, 2, 3, 4, 5]
    assert {piece.prompt_tokens for piece in heard.pieces} == {5}
    assert [piece.finish for piece in heard.pieces] == [None] * 4 + ["length"]
    assert not any(piece.logprobs for piece in heard.pieces)


def test_an_answer_ends_at_a_stop_id_a_stop_text_or_the_context(decoder_artifact: Callable[..., Path]) -> None:
    """A stop text is not part of the answer; a stop id has no text."""

    async def talk(engine: OnnxTextEngine) -> None:
        whole = await ask(engine, prompts()[0])
        place = next(index for index, id_ in enumerate(whole.ids) if index > 2 and id_ not in whole.ids[:index])
        by_id = await ask(engine, prompts()[0], stop_ids=frozenset({whole.ids[place]}))
        assert by_id.ids == whole.ids[: place + 1]
        assert by_id.last.finish == "stop"
        assert whole.text.startswith(by_id.text)
        stop = whole.text[4:6]
        by_text = await ask(engine, prompts()[0], stop=(stop,))
        assert by_text.text == whole.text[: whole.text.index(stop)]
        assert by_text.last.finish == "stop"
        assert len(by_text.ids) < len(whole.ids)
        to_the_end = await ask(engine, prompts()[5], max_tokens=None)
        assert len(to_the_end.ids) == engine.context_length - 200
        assert to_the_end.last.finish == "length"

    running(decoder_artifact(), talk, max_tokens=300)


def test_the_models_own_end_tokens_end_it(decoder_artifact: Callable[..., Path]) -> None:
    """Unless the request goes on past them; a bias makes one certain here."""

    async def talk(engine: OnnxTextEngine) -> list[Heard]:
        assert engine.manifest.decoder is not None
        sampling = Sampling(temperature=0, logit_bias={engine.manifest.decoder.ends[0]: 100.0})
        return [await ask(engine, [1, 2], max_tokens=4, sampling=sampling, ignore_end=on) for on in (False, True)]

    ended, went_on = running(decoder_artifact(), talk)
    assert (len(ended.ids), ended.text, ended.last.finish) == (1, "", "stop")
    assert (len(went_on.ids), went_on.text, went_on.last.finish) == (4, "", "length")


def test_logprobs_come_with_their_alternatives(decoder_artifact: Callable[..., Path]) -> None:
    """The token taken greedily is the most probable one; the model's own softmax says how probable."""

    async def talk(engine: OnnxTextEngine) -> Heard:
        return await ask(engine, prompts()[0], max_tokens=6, logprobs=3)

    heard = running(decoder_artifact(), talk)
    logprobs = [one for piece in heard.pieces for one in piece.logprobs]
    assert [one.id for one in logprobs] == heard.ids
    for one in logprobs:
        assert one.top[0] == (one.id, one.logprob)
        assert [value for _, value in one.top] == sorted((value for _, value in one.top), reverse=True)
        assert one.logprob < 0


def test_a_constraint_holds_with_and_without_drafts(decoder_artifact: Callable[..., Path]) -> None:
    """A random model writes JSON of the schema then, the same with speculation."""
    schema = {"type": "object", "properties": {"n": {"enum": ["ab", "ba"]}}, "required": ["n"]}
    constraint = Constraint("json_schema", json.dumps(schema | {"additionalProperties": False}))

    async def talk(engine: OnnxTextEngine) -> str:
        heard = await ask(engine, prompts()[0], constraint=constraint, max_tokens=100)
        assert heard.last.finish == "stop"
        return heard.text

    texts = {running(decoder_artifact(), talk, prompt_lookup=lookup) for lookup in (True, False)}
    assert len(texts) == 1
    assert json.loads(texts.pop())["n"] in {"ab", "ba"}


def test_a_context_is_no_longer_than_its_memory(decoder_artifact: Callable[..., Path]) -> None:
    """So that nothing is ever admitted that could not be computed."""
    artifact = decoder_artifact()
    decoder = Artifact.open(artifact).manifest.decoder
    assert decoder is not None
    wide = open_artifact(artifact, replace(PLAIN, kv_mb=1, slots=64))
    assert isinstance(wide, OnnxTextEngine)
    assert wide.context_length == wide.max_output_tokens == wide.max_tokens == 512


def test_it_speaks_with_its_own_tokenizer_and_files(decoder_artifact: Callable[..., Path]) -> None:
    """Nothing is truncated, specials are kept in texts, templates and settings come from the folder."""

    async def talk(engine: OnnxTextEngine) -> None:
        text = "<|im_start|>user\nthe water 你们<|im_end|>" * 40
        assert engine.decode(engine.encode(text)) == text
        assert len(engine.encode(text)) > engine.context_length
        template = engine.chat_template()
        assert template is not None
        assert "<|im_start|>" in template
        assert engine.special_tokens()["eos_token"] == "<|im_end|>"
        assert engine.defaults == Sampling(temperature=0)
        assert engine.at_once(EmbedRequest(["x"])) is None
        with pytest.raises(TypeError):
            await engine.infer(EmbedRequest(["x"]), FAR)
        with pytest.raises(TypeError):
            engine.answer(EmbedRequest(["x"]))

    running(decoder_artifact(), talk)


def test_scores_are_those_of_the_answers_that_it_generates(decoder_artifact: Callable[..., Path]) -> None:
    """Its own greedy answer is the most probable one at every place, in `fast` too; another one is not."""
    for precision in ("fp32", "fast"):

        async def talk(engine: OnnxTextEngine) -> None:
            heard = await ask(engine, prompts()[5])
            score = engine.answer(ScoreRequest(prompts()[5], heard.ids))
            assert score.outputs["token_ids"].tolist() == heard.ids
            assert not score.outputs["margins"].any()
            wrong = [*heard.ids[:9], (heard.ids[9] + 1) % 320, *heard.ids[10:]]
            margins = engine.answer(ScoreRequest(prompts()[5], wrong)).outputs["margins"]
            assert not margins[:9].any()
            assert margins[9] > 0

        running(decoder_artifact(precision), talk)


def test_a_device_and_a_manifest_that_cannot_be_run_are_said(
    decoder_artifact: Callable[..., Path], tmp_path: Path
) -> None:
    """The first with the way to vLLM."""
    artifact = decoder_artifact()
    with pytest.raises(FreeholdError) as device:
        open_artifact(artifact, replace(PLAIN, device="cuda"))
    assert device.value.code == "decoder_device_unsupported"
    assert "vllm" in device.value.fix
    import msgspec

    (tmp_path / "model.onnx").write_bytes(b"")
    known = Artifact.open(artifact).manifest
    for less in ({"decoder": None}, {"limits": Limits()}):
        write_manifest(tmp_path, msgspec.structs.replace(known, **less))
        with pytest.raises(FreeholdError) as manifest:
            open_artifact(tmp_path, PLAIN)
        assert manifest.value.code == "decoder_manifest_invalid"


def test_nothing_is_answered_before_load_and_after_close(decoder_artifact: Callable[..., Path]) -> None:
    """And closing fails what still runs, within its grace."""

    async def run() -> None:
        engine = open_artifact(decoder_artifact(), PLAIN)
        assert isinstance(engine, OnnxTextEngine)
        assert not engine.ready()
        assert engine.capacity().per_second == 0.0
        await engine.close(0.0)
        with pytest.raises(FreeholdError, match="shutting_down"):
            await ask(engine, [1])
        await engine.load()
        assert engine.ready()
        asked = [asyncio.create_task(ask(engine, [index], max_tokens=400)) for index in range(12)]
        await asyncio.sleep(0.01)
        await engine.close(0.0)
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        stopped = [one for one in outcomes if isinstance(one, FreeholdError)]
        assert stopped
        assert {one.code for one in stopped} == {"shutting_down"}
        with pytest.raises(FreeholdError, match="shutting_down"):
            engine.answer(ScoreRequest([1], [2]))

    asyncio.run(run())
