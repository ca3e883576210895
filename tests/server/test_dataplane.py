"""The way of every request: admission, deadline, disconnect, counting."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from freehold.access import Key
from freehold.config import Limits
from freehold.engine.base import EmbedRequest, Engine, RerankRequest, TensorRequest
from freehold.engine.batcher import Batch
from freehold.engine.generation import GenerateRequest, Step
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.http import Call, MemoryBudget
from freehold.http.admission import Admission
from freehold.http.visit import Asked, Visit
from freehold.server.dataplane import BYTES_A_TEXT, DataPlane, batch_observer, footprint, step_observer
from freehold.server.generation import text_engine
from freehold.server.models import Models, Served
from freehold.server.statistics import Statistics
from freehold.telemetry import Telemetry

T = TypeVar("T")
TEXTS = st.lists(st.text(max_size=50) | st.lists(st.integers(0, 1 << 40), max_size=20), max_size=8)
NUMBERS = arrays.arrays(np.float32, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0))
STRINGS = arrays.arrays(object, arrays.array_shapes(max_dims=2, min_side=0, max_side=5), elements=st.binary())


@given(st.dictionaries(st.text(max_size=3), NUMBERS, max_size=3))
def test_a_tensor_holds_at_least_itself_and_the_batch_that_it_joins(inputs: dict[str, np.ndarray]) -> None:
    """Twice its bytes, whatever its shape."""
    assert footprint(TensorRequest(inputs)) == 2 * sum(array.nbytes for array in inputs.values())


@given(STRINGS)
def test_strings_in_a_tensor_count_with_their_bytes(array: np.ndarray) -> None:
    """Not only their addresses: one string of 100 MB is 100 MB."""
    assert footprint(TensorRequest({"x": array})) >= 2 * (array.nbytes + sum(map(len, array.ravel())))


@given(TEXTS, TEXTS)
def test_the_bytes_of_texts_add_up(first: list[str | list[int]], second: list[str | list[int]]) -> None:
    """Every text and every character costs, so that no way of asking for much looks cheap."""
    one, other, both = (footprint(EmbedRequest(texts)) for texts in (first, second, first + second))
    assert both == one + other
    assert one >= BYTES_A_TEXT * len(first) + 4 * sum(map(len, first))


@given(st.text(max_size=50), st.lists(st.text(max_size=50), max_size=8))
def test_a_query_counts_with_every_text(query: str, texts: list[str]) -> None:
    """It is tokenized with each."""
    assert footprint(RerankRequest(query, texts)) == footprint(EmbedRequest([query + text for text in texts]))


def test_batches_are_observed_in_their_unit() -> None:
    """Texts are rows and have tokens; tensors have rows only. Each request's wait is one observation."""
    telemetry = Telemetry(process=False)
    observe = batch_observer(telemetry.model("m"), Statistics())
    observe(Batch([0.1, 0.2, 0.3], 0.05, 3, 40, "tokens"))
    observe(Batch([0.1], 0.05, 1, 7, "rows"))
    text = telemetry.exposition()[0].decode()
    for line in (
        'freehold_queue_seconds_count{model="m"} 4.0',
        'freehold_compute_seconds_count{model="m"} 2.0',
        'freehold_batch_rows_count{model="m"} 2.0',
        'freehold_batch_rows_sum{model="m"} 10.0',
        'freehold_batch_tokens_count{model="m"} 1.0',
        'freehold_batch_tokens_sum{model="m"} 40.0',
    ):
        assert line in text


def test_steps_of_a_text_engine_are_observed() -> None:
    """Queue, computing, rows, guesses, and the memory that is promised."""
    telemetry = Telemetry(process=False)
    observe = step_observer(telemetry.model("m"), Statistics())
    observe(Step("prefill", 0.05, 1, 40, queued_s=0.1, kv_tokens=60, kv_capacity=100))
    observe(Step("crash", kv_tokens=30, kv_capacity=100))
    observe(Step("decode", 0.01, 2, 5, drafted=4, accepted=3, kv_tokens=30, kv_capacity=100))
    text = telemetry.exposition()[0].decode()
    for line in (
        'freehold_queue_seconds_count{model="m"} 1.0',
        'freehold_compute_seconds_count{model="m"} 2.0',
        'freehold_batch_rows_sum{model="m"} 3.0',
        'freehold_batch_tokens_sum{model="m"} 45.0',
        'freehold_drafted_tokens_total{model="m"} 4.0',
        'freehold_engine_crashes_total{model="m"} 1.0',
        'freehold_accepted_tokens_total{model="m"} 3.0',
        'freehold_kv_tokens{model="m"} 30.0',
        'freehold_kv_capacity_tokens{model="m"} 100.0',
    ):
        assert line in text


@pytest.mark.anyio
async def test_an_answer_holds_its_place_until_it_is_closed(talker_path: Path) -> None:
    """While pieces come it is in flight; closed in the midst it is not, and what came of it is counted."""

    def admission(engine: Engine) -> Admission:
        return Admission(Limits(), engine.capacity, MemoryBudget(1 << 28), kind="generate", model="talker")

    one = Served("talker", lambda: open_artifact(talker_path, EngineSettings(tune=False, threads=1)), admission)
    telemetry = Telemetry(process=False)
    plane = DataPlane(Models([one]), telemetry)
    await one.load()
    try:
        caller = Call.own("/v1/completions", b"", "1", MemoryBudget(1))
        pieces = plane.generate(caller, one, text_engine(one), GenerateRequest([40, 41, 42], 1000, ignore_end=True))
        first = await anext(pieces)
        assert one.admission.in_flight == 1
        assert first.prompt_tokens == 3
        await pieces.aclose()
        assert one.admission.in_flight == 0
    finally:
        await one.close(1)
    text = telemetry.exposition()[0].decode()
    assert 'freehold_prompt_tokens_total{model="talker"} 3.0' in text
    assert f'freehold_generated_tokens_total{{model="talker"}} {float(first.completion_tokens)}' in text
    assert 'freehold_first_token_seconds_count{model="talker"} 1.0' in text


@pytest.mark.anyio
async def test_how_prompts_begin_is_remembered_for_one_tenant_and_one_salt(talker_path: Path) -> None:
    """Whoever sends the same prompt reads of its `cached_tokens`, and of its time, nothing of anybody else's."""

    def admission(engine: Engine) -> Admission:
        return Admission(Limits(), engine.capacity, MemoryBudget(1 << 28), kind="generate", model="talker")

    one = Served("talker", lambda: open_artifact(talker_path, EngineSettings(tune=False, threads=1)), admission)
    plane = DataPlane(Models([one]), Telemetry(process=False))
    asked = Asked("infer", "POST", "/v1/completions", "r", "")

    async def cached(tenant: str, salt: str = "") -> int:
        caller = Call.own("/v1/completions", b"", "1", MemoryBudget(1))
        caller.visit = Visit(Key("k", "client", 0.0, b"", tenant), asked, {}, None, None)
        request = GenerateRequest([40, 41, 42] * 40, 1, sharing=salt)
        return [piece async for piece in plane.generate(caller, one, text_engine(one), request)][-1].cached_tokens

    await one.load()
    try:
        firsts = [await cached(*who) for who in (("us",), ("them",), ("us", "a"), ("them", "a"), ("", "us"))]
        again = [await cached(*who) for who in (("us",), ("them", "a"))]
    finally:
        await one.close(1)
    assert firsts == [0] * 5
    assert all(again)


class Replacing:
    """A client during whose request another engine takes the place of the one that it asked."""

    def __init__(self, place: Served, coming: Served) -> None:
        self.visit = Visit(Key("k", "client", 0.0, b""), Asked("infer", "POST", "/", "1", ""), {}, None, None)
        self._place, self._coming = place, coming

    def sees(self, model: str) -> bool:
        return True

    async def while_connected(self, awaitable: Awaitable[T]) -> T:
        answer = await awaitable
        self._place.take_over(self._coming)
        return answer


@pytest.mark.anyio
async def test_an_answer_belongs_to_the_engine_that_gave_it(
    model_paths: dict[str, Path], serve_one: Callable[..., Served]
) -> None:
    """Its digest is what the visit hears, and its statistics count it, though another one is there when it comes."""
    one, coming = serve_one("m", model_paths["fp32"]), serve_one("m", model_paths["log"])
    await one.load()
    await coming.load()
    digest, other = one.engine.digest, coming.engine.digest
    before, client = one.statistics, Replacing(one, coming)
    asked = TensorRequest({"x": np.ones((1, 3), np.float32)})
    await DataPlane(Models([one]), Telemetry(process=False)).infer(client, one, asked)
    assert (client.visit.digest, one.engine.digest) == (digest, other)
    counted = [statistics.told("m", "1").inference_stats.success.count for statistics in (before, one.statistics)]
    assert counted == [1, 0]
    await one.close(0)


@pytest.mark.anyio
async def test_a_prompt_goes_to_the_engine_that_made_its_tokens(
    talker_path: Path, model_paths: dict[str, Path], serve_one: Callable[..., Served]
) -> None:
    """Though something else is there by the time that its turn comes."""
    one, coming = serve_one("m", talker_path), serve_one("m", model_paths["fp32"])
    await one.load()
    await coming.load()
    engine, caller = text_engine(one), Call.own("/v1/completions", b"", "1", MemoryBudget(1))
    plane = DataPlane(Models([one]), Telemetry(process=False))
    pieces = plane.generate(caller, one, engine, GenerateRequest([40, 41, 42], 2, ignore_end=True))
    one.take_over(coming)
    try:
        assert [piece async for piece in pieces][-1].completion_tokens == 2
    finally:
        await engine.close(1)
        await one.close(0)


@pytest.fixture
def series(serve_only: Callable[..., httpx.Client]) -> tuple[httpx.Client, Callable[[], dict[str, float]]]:
    """A client of a node with a text model and a tensor model, and its metrics as they are now."""
    client = serve_only("tiny", "fp32")

    def read() -> dict[str, float]:
        lines = client.get("/metrics").text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    return client, read


def test_answers_and_refusals_are_counted(series: Any) -> None:
    """Tokens and cut texts by model, refused input by code; nothing stays in flight."""
    client, read = series
    answer = client.post("/v1/embeddings", json={"model": "tiny", "input": ["word", "word " * 500]})
    assert answer.status_code == 200
    assert client.post("/v1/embeddings", json={"model": "tiny", "input": []}).status_code == 400
    seen = read()
    assert seen['freehold_tokens_total{model="tiny"}'] == answer.json()["usage"]["total_tokens"]
    assert seen['freehold_truncated_texts_total{model="tiny"}'] == 1
    assert seen['freehold_model_requests_in_flight{model="tiny"}'] == 0
    assert sum(value for name, value in seen.items() if name.startswith("freehold_errors_total")) == 1


def test_a_load_is_counted(series: Any) -> None:
    """How long it took, whether the model answers, and what its proof came to."""
    _, read = series
    seen = read()
    for model in ("tiny", "fp32"):
        assert seen[f'freehold_model_load_seconds{{model="{model}"}}'] > 0
        assert seen[f'freehold_model_ready{{model="{model}"}}'] == 1
        assert seen[f'freehold_model_proof{{model="{model}",state="none"}}'] == 1
