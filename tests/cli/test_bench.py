"""`freehold bench`: what is measured, not how much it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.bench import CONCURRENCIES, Batches
from freehold.engine.batcher import Batch

Freehold = Callable[..., Any]


@pytest.mark.parametrize("kind", ["embed", "rerank", "tensor"])
def test_every_kind_is_measured_at_each_concurrency(
    freehold: Freehold, mlp: Path, tiny_bert_folder: Path, tiny_reranker_folder: Path, kind: str
) -> None:
    """Items and tokens a second, latencies, processor time: consistent with one another."""
    model = {"embed": tiny_bert_folder, "rerank": tiny_reranker_folder, "tensor": mlp}[kind]
    ran = freehold("bench", str(model), "--seconds", "0.05", "--no-tune", "--json")
    assert ran.code == 0
    assert (ran.data["kind"], ran.data["unit"]) == (kind, "rows" if kind == "tensor" else "texts")
    assert ran.data["cores"] >= 1
    assert tuple(level["concurrency"] for level in ran.data["levels"]) == CONCURRENCIES
    for level in ran.data["levels"]:
        assert level["items"] >= level["concurrency"]
        assert level["items_per_s"] == pytest.approx(level["items"] / level["seconds"], rel=0.01)
        assert 0 < level["p50_ms"] <= level["p99_ms"]
        assert level["cpu_ms_per_item"] > 0
        assert (level["tokens_per_s"] > level["items_per_s"]) == (kind != "tensor")


def test_the_table_has_a_line_a_concurrency(freehold: Freehold, mlp: Path) -> None:
    """With its head, the model and the processor."""
    lines = freehold("bench", str(mlp), "--seconds", "0.02").out.splitlines()
    assert lines[0] == "mlp: tensor, fp32, proof none"
    assert "cores" in lines[1]
    assert [line.split()[0] for line in lines[-4:]] == ["CALLERS", "1", "8", "64"]
    assert "ROWS/S" in lines[-4]


def test_batches_are_counted_between_readings() -> None:
    """The mean of items a batch; nothing when none ran."""
    batches = Batches()
    assert batches.take_mean() == 0.0
    batches.add(Batch((0.0,), 0.1, 3, 30, "tokens"))
    batches.add(Batch((0.0,), 0.1, 1, 10, "tokens"))
    assert batches.take_mean() == 2.0
    assert batches.take_mean() == 0.0
