"""Recorded cases laid out for each graph."""

from pathlib import Path

import numpy as np
import pytest

from freehold.adapt.trace_feeds import LONGEST, Sample, sample_of
from freehold.artifact import Case, Limits, MadeBy, Manifest, PairText, Tensor, TensorSpec
from freehold.errors import FreeholdError

IDS = Sample("short", (2, 7, 3), (0, 0, 0))


def specs(*names: str) -> list[TensorSpec]:
    return [TensorSpec(name, "INT64", (-1, -1)) for name in names]


def manifest(kind: str, pair: PairText | None = None) -> Manifest:
    made = MadeBy("test", "1", "sha256:aa")
    return Manifest(1, "m", kind, "tensor", "fp32", (), (), made, {}, limits=Limits(512, 512), pair=pair)  # type: ignore[arg-type]  # any kind


def test_one_sequence_alone_is_packed_or_padded() -> None:
    """[tokens] for a graph that packs, [1, tokens] for one that pads; only what the graph takes is fed."""
    packed = IDS.feeds(specs("input_ids", "sequence_ids", "sequence_starts"))
    assert {name: array.tolist() for name, array in packed.items()} == {
        "input_ids": [2, 7, 3],
        "sequence_ids": [0, 0, 0],
        "sequence_starts": [0],
    }
    padded = IDS.feeds(specs("input_ids", "attention_mask", "token_type_ids", "position_ids"))
    assert {name: array.tolist() for name, array in padded.items()} == {
        "input_ids": [[2, 7, 3]],
        "attention_mask": [[1, 1, 1]],
        "token_type_ids": [[0, 0, 0]],
        "position_ids": [[0, 1, 2]],
    }


def test_a_decoder_gets_an_empty_slot_or_an_empty_past() -> None:
    """A slot as long as the sequence, and logits wanted at every token; or a past of no tokens."""
    past = TensorSpec("past.0.key", "FP32", (-1, 2, -1, 4))
    slots = IDS.feeds(
        [*specs("input_ids", "logits_at"), *(TensorSpec(n, "INT32", ()) for n in ("seqlens_k", "total_length")), past]
    )
    assert slots["past.0.key"].shape == (1, 2, 3, 4)
    assert (slots["seqlens_k"].tolist(), slots["seqlens_k"].dtype) == ([2], np.int32)
    assert (slots["total_length"].tolist(), slots["logits_at"].tolist()) == (3, [0, 1, 2])
    thin = IDS.feeds([*specs("input_ids"), TensorSpec("past_key_values.0.key", "FP32", (-1, 2, -1, 4))])
    assert thin["past_key_values.0.key"].shape == (1, 2, 0, 4)


def test_arrays_go_by_name_else_in_their_order() -> None:
    """Another export of the same model may have renamed its inputs."""
    sample = Sample("batch 1", arrays={"a": np.zeros(1), "b": np.ones(1)})
    assert list(sample.feeds(specs("b", "a"))) == ["b", "a"]
    assert sample.feeds(specs("p", "q"))["q"].tolist() == [1.0]


@pytest.mark.parametrize("sample", [IDS, Sample("batch 1", arrays={"a": np.zeros(1)})])
def test_inputs_that_nothing_is_known_for_are_named(sample: Sample) -> None:
    """A graph of another kind of model."""
    with pytest.raises(FreeholdError) as caught:
        sample.feeds(specs("pixel_values", "mask"))
    assert caught.value.code == "trace_inputs_unsuited"
    assert "pixel_values" in caught.value.cause


def test_texts_are_read_as_the_engine_reads_them(tiny_bert_folder: Path) -> None:
    """With special tokens, pairs with their types or laid out as one text, and cut where a trace is long enough."""
    tokenizer = tiny_bert_folder / "tokenizer.json"
    embed = sample_of(Case({"text": "ab"}, {}, "short"), manifest("embed"), tokenizer)
    assert (embed.label, embed.ids[0], embed.ids[-1], len(embed.ids)) == ("short", 2, 3, 4)
    pair = sample_of(Case({"query": "a", "text": "b"}, {}), manifest("rerank"), tokenizer)
    assert pair.types == (0, 0, 0, 1, 1)
    laid_out = sample_of(Case({"query": "a", "text": "b"}, {}), manifest("rerank", PairText("c", "d")), tokenizer)
    assert set(laid_out.types) == {0}
    long = sample_of(Case({"text": "a" * 5000}, {}), manifest("embed"), tokenizer)
    assert len(long.ids) <= LONGEST


def test_a_recorded_answer_follows_its_prompt() -> None:
    """One sequence, as a decoder is taught it."""
    ids = {name: Tensor.of(np.array(values)) for name, values in (("prompt_ids", [1, 2]), ("token_ids", [3]))}
    case = Case({"prompt_ids": ids["prompt_ids"]}, {"token_ids": ids["token_ids"]})
    assert sample_of(case, manifest("generate"), Path("unread")).ids == (1, 2, 3)
