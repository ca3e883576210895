"""Whether models fit: the table, the verdicts, the largest that fits, the refusal."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Config
from freehold.deploy.fitting.fit import Card, Fit, Machine, Row, fitting, largest_of
from freehold.deploy.fitting.model_files import ModelFiles
from freehold.deploy.fitting.needs import MIB, PROCESS_BYTES, Load, kv_bytes
from freehold.deploy.services.deployment import Deployment
from tests.deploy.fitting.models import BERT, DECODER, QWEN

GIB = 1 << 30
ENCODER = ModelFiles(
    "folder", "embed", 95_823_472, values={"F32": 23_953_920}, shape=BERT, max_tokens=512, tokenizer="WordPiece"
)
L4 = Card(0, "NVIDIA L4", 24 * GIB, 23 * GIB)


def fit(machine: Machine, *models: dict[str, Any], apart: bool = False) -> Fit:
    """Models, of which those that begin with "e" are encoders."""
    config = msgspec.convert({"models": [{"source": f"/models/{one['id']}", **one} for one in models]}, Config)
    files = {one.id: ENCODER if one.id.startswith("e") else DECODER for one in config.models}
    deployment = Deployment.of(config) if apart else None
    return fitting(config, files, machine, deployment and (*deployment.units, deployment.gateway))


def row(found: Fit, model: str) -> Row:
    """The row of a model."""
    return next(one for one in found.rows if one.model == model)


def test_what_fits_is_told_row_by_row() -> None:
    """Exactly as it is printed."""
    stated = {"kv_mb": 256, "prefix_cache_mb": 0}
    small = {"id": "chat", "precision": "int4", "context_length": 1024, "generation": stated}
    found = fit(Machine(8 * GIB, 2, (L4,)), {"id": "embed"}, small)
    assert found.table().splitlines() == [
        "model     where   weights   KV  workspace  sum  available  verdict",
        "(server)  memory        0    0        115  115      8,192  fits",
        "embed     memory       92    0         50  141      8,077  fits",
        "chat      memory      435  195        162  792      7,936  fits",
    ]
    assert (found.ok, found.refusal()) == (True, None)


def test_each_model_takes_from_what_those_before_it_left() -> None:
    """The same encoder fits twice and not three times."""
    found = fit(Machine(PROCESS_BYTES + 300 * MIB, 2), *({"id": f"e{number}"} for number in range(3)))
    assert [one.verdict for one in found.rows] == ["fits", "fits", "fits", "no"]


def test_the_refusal_carries_the_table_and_what_would_fit() -> None:
    """For `deploy`, which stops there."""
    found = fit(Machine(1 * GIB, 2), {"id": "chat"}, {"id": "e1"})
    refusal = found.refusal()
    assert refusal is not None
    assert (refusal.code, refusal.details["model"]) == ("fit_too_large", "chat")
    assert found.table() in refusal.cause
    assert "nothing of it" in refusal.fix


def test_a_decoder_that_nobody_gave_a_length_takes_what_there_is() -> None:
    """Its engine shortens the context by itself: no refusal, and what it can bear is told."""
    one = row(fit(Machine(2 * GIB, 2), {"id": "chat", "precision": "int4"}), "chat")
    assert (one.verdict, one.most_concurrency) == ("less", 0)
    assert one.most_context is not None
    assert 1000 < one.most_context < 32768


def test_a_length_that_was_asked_for_must_be_borne() -> None:
    """One sequence of it at least, or as many as `limits.concurrency` says."""
    asked = {"id": "chat", "precision": "int4", "context_length": 32768}
    assert row(fit(Machine(2 * GIB, 2), asked), "chat").verdict == "no"
    assert row(fit(Machine(6 * GIB, 2), asked), "chat").verdict == "less"
    assert row(fit(Machine(6 * GIB, 2), {**asked, "limits": {"concurrency": 8}}), "chat").verdict == "no"


@settings(max_examples=25, deadline=None)
@given(st.integers(900, 40_000), st.sampled_from(["int4", "int8", "fast"]))
def test_the_largest_fits_and_one_more_does_not(mebibytes: int, precision: str) -> None:
    """Context at this concurrency, and concurrency at this context."""
    machine = Machine(mebibytes * MIB, 2)
    model = {"id": "chat", "precision": precision, "context_length": 2048, "generation": {"slots": 4}}
    one = row(fit(machine, model), "chat")
    assert one.load is not None
    if one.most_context and one.most_context < QWEN.positions:
        smaller, larger = (
            row(fit(machine, {**model, "context_length": one.most_context + more}), "chat") for more in (0, 64)
        )
        assert (smaller.verdict, larger.verdict == "fits") == ("fits", False)
    if one.most_concurrency:
        slots = {"slots": one.most_concurrency}
        again = row(fit(machine, {**model, "generation": slots, "limits": {}}), "chat")
        assert kv_bytes(QWEN, one.load) > 0
        assert again.verdict in ("fits", "less", "no")


def test_vllm_takes_its_share_of_each_card() -> None:
    """Two models share a card by `gpu_memory`; a third finds it full, and a card that is not there is told."""
    shared = {"engine": "vllm", "gpus": 1, "context_length": 4096}
    half = [{"id": f"v{number}", "gpu_memory": 0.45, **shared} for number in range(2)]
    found = fit(Machine(8 * GIB, 2, (L4,)), *half)
    assert [one.verdict for one in found.rows] == ["fits"] * 3
    assert [one.place for one in found.rows[1:]] == ["GPU 0", "GPU 0"]
    third = row(fit(Machine(8 * GIB, 2, (L4,)), *half, {"id": "v2", **shared}), "v2")
    assert (third.verdict, third.note) == ("no", "there is no GPU 1")


def test_a_card_that_others_use_is_refused_as_vllm_would() -> None:
    """It asks for its whole share before anything else."""
    busy = Card(0, "NVIDIA L4", 24 * GIB, 8 * GIB)
    one = row(fit(Machine(8 * GIB, 2, (busy,)), {"id": "v", "engine": "vllm", "gpus": 1}), "v")
    assert (one.verdict, one.note.startswith("only 8,192 MiB are free")) == ("no", True)
    alone = row(fit(Machine(8 * GIB, 2), {"id": "v", "engine": "vllm", "gpus": 1}), "v")
    assert (alone.verdict, alone.note) == ("unknown", "no GPU was found here")


def test_our_engines_on_a_card_take_its_memory() -> None:
    """Weights, workspace and CUDA's own."""
    one = row(fit(Machine(8 * GIB, 2, (L4,)), {"id": "e1", "device": "cuda", "gpus": 1}), "e1")
    assert (one.place, one.verdict, one.available) == ("GPU 0", "fits", 23 * GIB)
    assert one.need.workspace > 500 * MIB


def test_a_deployment_has_a_process_for_each_service() -> None:
    """And the gateway; models of one `service` share theirs."""
    models = [{"id": "e1", "service": "texts"}, {"id": "e2", "service": "texts"}, {"id": "chat"}]
    assert fit(Machine(None, 2), *models, apart=True).rows[0].need.sum == 3 * PROCESS_BYTES
    assert fit(Machine(None, 2), *models).rows[0].need.sum == PROCESS_BYTES


def test_a_service_gets_what_it_is_told_or_is_refused() -> None:
    """Keys and values of its whole load: it does not adapt to what the machine has left, as one server of all does."""
    chat = {"id": "chat", "precision": "int4"}
    alone, apart = (row(fit(Machine(2 * GIB, 2), chat, apart=one), "chat") for one in (False, True))
    assert (alone.verdict, apart.verdict) == ("less", "fits")
    assert apart.load == Load(4096, 8)
    small = row(fit(Machine(1 * GIB, 2), chat, apart=True), "chat")
    assert (small.verdict, small.most_concurrency) == ("no", 1)
    assert row(fit(Machine(1 * GIB, 2), {**chat, "generation": {"kv_mb": 128}}, apart=True), "chat").verdict == "less"


def test_a_service_counts_the_cores_that_it_may_use() -> None:
    """`resources.cpu`, as its engine's threads do; never more than there are."""
    sums = [
        row(fit(Machine(8 * GIB, 4), {"id": "e1", "resources": {"cpu": cpu}}, apart=True), "e1").need.workspace
        for cpu in (0.5, 1, 2, 4, 9)
    ]
    assert sums[0] == sums[1] < sums[2] < sums[3] == sums[4]


def test_a_service_is_on_the_cards_that_it_was_given() -> None:
    """Not on those that would be free in an empty machine."""
    cards = tuple(Card(index, "L4", 24 * GIB, 23 * GIB) for index in range(2))
    models = [{"id": f"v{number}", "engine": "vllm", "gpus": 1, "context_length": 4096} for number in range(2)]
    config = msgspec.convert({"models": [{"source": "/m", **one} for one in models]}, Config)
    second = Deployment.of(config).units[1]
    alone = msgspec.structs.replace(config, models=second.models)
    found = fitting(alone, {"v1": DECODER}, Machine(8 * GIB, 2, cards), [second])
    assert [one.place for one in found.rows] == ["memory", "GPU 1"]


def test_nothing_is_refused_where_nothing_is_known() -> None:
    """A cluster whose nodes nobody asked."""
    found = fit(Machine(None, 2), {"id": "chat"}, {"id": "e1"})
    assert {one.verdict for one in found.rows} == {"unknown"}
    assert found.refusal() is None


@pytest.mark.parametrize("elsewhere", [{"source": "https://llm/v1"}, {"command": ["serve", "{port}"]}])
def test_what_runs_elsewhere_is_left_out(elsewhere: dict[str, Any]) -> None:
    """Upstreams, and servers whose need only they know."""
    assert len(fit(Machine(GIB, 2), {"id": "chat", **elsewhere}).rows) == 1


def test_words_for_the_largest() -> None:
    """Both ways out, or none."""
    one = row(fit(Machine(40 * GIB, 2), {"id": "chat", "context_length": 2048}), "chat")
    assert largest_of(one).startswith("context_length ")
    assert " at a time at context_length 2,048" in largest_of(one)
