"""How a decoder judges a given answer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from freehold.artifact import Artifact
from freehold.engine.decoder_session import open_decoder
from freehold.engine.kv_memory import KvMemory, Layout
from freehold.engine.providers import SessionOptions
from freehold.engine.scoring import SLICE, score


def test_scores_do_not_depend_on_how_many_tokens_are_computed_at_once(decoder_artifact: Callable[..., Path]) -> None:
    """Eight rows a step or one; a prompt of one token, and an answer of one."""
    artifact = Artifact.open(decoder_artifact())
    assert artifact.manifest.decoder is not None
    memory = KvMemory(Layout.of(artifact.manifest.decoder, 400), slots=2, rows=10)
    session = open_decoder(artifact, SessionOptions(threads=1), memory)
    session.measure()
    rng = np.random.default_rng(4)
    for prompt, answer in ((100, 21), (1, 9), (3, 1), (301, 2)):
        given = rng.integers(0, 300, prompt).tolist(), rng.integers(0, 300, answer).tolist()
        session.drafts_allowed = True
        fast = score(session, 0, *given)
        session.drafts_allowed = False
        slow = score(session, 1, *given)
        assert fast.tokens == prompt + answer
        for name in ("token_ids", "margins", "logprobs"):
            assert fast.outputs[name].shape == (answer,)
            assert np.array_equal(fast.outputs[name], slow.outputs[name])
        agree = fast.outputs["token_ids"] == np.array(given[1])
        assert np.array_equal(agree, fast.outputs["margins"] == 0)
    memory.close()


def test_logprobs_are_those_of_the_whole_vocabulary(decoder_artifact: Callable[..., Path]) -> None:
    """Of every token that might be the next one, scored one by one, the probabilities are 1 together."""
    artifact = Artifact.open(decoder_artifact())
    assert artifact.manifest.decoder is not None
    memory = KvMemory(Layout.of(artifact.manifest.decoder, 40), slots=1, rows=10)
    session = open_decoder(artifact, SessionOptions(threads=1), memory)
    session.measure()
    vocabulary = range(artifact.manifest.decoder.vocab_size)
    nexts = [score(session, 0, [1, 2, 3], [token]).outputs for token in vocabulary]
    logprobs = np.array([each["logprobs"][0] for each in nexts])
    assert logprobs.dtype == np.float32
    assert np.isclose(np.exp(logprobs).sum(), 1, atol=1e-4)
    assert logprobs.argmax() == nexts[0]["token_ids"][0]
    memory.close()


def test_a_slice_is_whole_blocks() -> None:
    """So that a score takes the same borders as an answer may."""
    assert SLICE % 64 == 0
