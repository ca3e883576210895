"""Graphs over slots: every token meets the same kernels wherever it is computed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from freehold.artifact import Artifact, write_manifest
from freehold.engine.decoder_session import DecoderSession, Row, open_decoder
from freehold.engine.kv_memory import KvMemory, Layout
from freehold.engine.providers import SessionOptions
from freehold.errors import FreeholdError

PROFILES = [("fp32", 32), ("int8", 32), ("int4", 32), ("int4", 128), ("w8a8", 32), ("fast", 128)]
PROMPT = np.random.default_rng(2).integers(0, 300, 200)


@pytest.fixture(params=PROFILES, ids=str)
def session(request: pytest.FixtureRequest, decoder_artifact: Callable[..., Path]) -> Iterator[DecoderSession]:
    """Four slots, ten rows, measured."""
    precision, block = request.param
    yield from opened(decoder_artifact(precision, block=block), threads=2)


def opened(path: Path, threads: int) -> Iterator[DecoderSession]:
    """A session whose memory is given back in the end."""
    artifact = Artifact.open(path)
    assert artifact.manifest.decoder is not None
    memory = KvMemory(Layout.of(artifact.manifest.decoder, 300), slots=4, rows=10)
    try:
        session = open_decoder(artifact, SessionOptions(threads=threads), memory)
        session.measure()
        yield session
    finally:
        memory.close()


def after(session: DecoderSession, slot: int, length: int, slices: int = 1000) -> np.ndarray:
    """The logits after so many tokens of the prompt, computed in slices."""
    for begin in range(0, length, slices):
        logits = session.prefill(slot, PROMPT[begin : min(begin + slices, length)], begin)
    return logits.copy()


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 127, 128, 129, 130, 193, 200])
def test_a_prompt_is_the_same_however_it_is_cut(session: DecoderSession, length: int) -> None:
    """To the bit: logits, keys and values, with slices that leave one token for the end too."""
    whole = after(session, 0, length)
    for slices in (16, 48, 64, 128, 192):
        assert np.array_equal(after(session, 1, length, slices), whole)
        base = session.memory.base[:, :, :, :, :length]
        assert np.array_equal(base[:, :, 1], base[:, :, 0])


def test_a_row_is_the_same_in_any_company(session: DecoderSession) -> None:
    """To the bit: alone, beside others of other and of the same lengths, first and last."""
    lengths = (40, 7, 130, 40)
    for slot, length in enumerate(lengths):
        after(session, slot, length)
    rows = [Row(slot, length, 11 + slot) for slot, length in enumerate(lengths)]
    alone = [session.decode([row])[0].copy() for row in rows]
    for company in ([0, 1], [1, 0], [0, 3], [0, 1, 2], [2, 1, 3], [0, 1, 2, 3], [3, 2, 1, 0]):
        together = session.decode([rows[index] for index in company])
        assert all(np.array_equal(together[place], alone[index]) for place, index in enumerate(company))


def test_drafts_are_the_same_as_tokens_one_by_one(session: DecoderSession) -> None:
    """To the bit, with as many rows of one slot as there are, beside another slot, and again after a wrong guess."""
    assert session.drafts_allowed
    after(session, 0, 100)
    after(session, 1, 33)
    other = Row(1, 33, 5)
    beside = session.decode([other])[0].copy()
    chain = [Row(0, 100 + place, 20 + place) for place in range(8)]
    single = [session.decode([row])[0].copy() for row in chain]
    for count in (2, 3, 5, 8):
        session.decode([row._replace(token=299) for row in chain[:count]])
        session.decode(chain[:1])
        together = session.decode([chain[0], other, *chain[1:count]])
        assert np.array_equal(together[1], beside)
        assert np.array_equal(np.delete(together, 1, axis=0), single[:count])


def test_measuring_leaves_nothing_behind(session: DecoderSession) -> None:
    """Slots are empty, and the speed of prompts is known."""
    assert not session.memory.base[:, :, : session.memory.slots].any()
    assert session.prefill_speed > 0
    assert session.row_multiple in (1, 2)
    assert session.slice_grain == 16


def test_more_threads_than_heads_change_nothing(decoder_artifact: Callable[..., Path]) -> None:
    """Where the runtime would split rows of one length over its threads."""
    for few, many in zip(opened(decoder_artifact(), 1), opened(decoder_artifact(), 16), strict=True):
        for length in (30, 250):
            tokens = np.tile(PROMPT, 2)[:length]
            answers = []
            for session in (few, many):
                session.prefill(0, tokens, 0)
                session.prefill(1, tokens, 0)
                alone = session.decode([Row(0, length, 3)]).copy()
                pair = session.decode([Row(0, length, 3), Row(1, length, 3)]).copy()
                assert np.array_equal(pair[0], alone[0])
                assert np.array_equal(pair[1], alone[0])
                answers.append(alone)
            assert np.array_equal(*answers)


def test_a_run_that_fails_is_an_error_with_its_reason(decoder_artifact: Callable[..., Path]) -> None:
    """And the session goes on."""
    for session in opened(decoder_artifact(), 1):
        after(session, 0, 10)
        expected = session.decode([Row(0, 10, 5)]).copy()
        with pytest.raises(FreeholdError, match="1000000") as failed:
            session.decode([Row(0, 10, 10**6)])
        assert failed.value.code == "inference_failed"
        assert np.array_equal(session.decode([Row(0, 10, 5)]), expected)


@pytest.mark.parametrize(
    "said", [{"layers": 3}, {"layers": 1}, {"kv_heads": 1}, {"head_size": 32}, {"vocab_size": 300}], ids=str
)
def test_a_manifest_of_another_graph_is_told(
    decoder_artifact: Callable[..., Path], tmp_path: Path, said: dict[str, int]
) -> None:
    """Memory is laid out by the manifest's word: both sides are shown before anything is bound to it."""
    folder = shutil.copytree(decoder_artifact(), tmp_path / "artifact")
    manifest = Artifact.open(folder).manifest
    assert manifest.decoder is not None
    write_manifest(folder, replace(manifest, decoder=replace(manifest.decoder, **said)))
    with pytest.raises(FreeholdError) as refused:
        next(opened(folder, 1))
    assert refused.value.code == "artifact_invalid"
    assert str(next(iter(said.values()))) in refused.value.cause
    assert "2 layers, 2 heads of 16, 320 tokens" in refused.value.cause
