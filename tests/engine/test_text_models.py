"""The text engine over decoders of other shapes than the usual one."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt import graphs
from freehold.engine.generation import GenerateRequest, Piece, Sampling
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine

Ids = list[int]
Make = Callable[..., Path]

GREEDY = Sampling(temperature=0)
ANSWER = 24
SLIDING = {"use_sliding_window": True, "sliding_window": 40}
WINDOWS: dict[str, tuple[str, dict[str, Any]]] = {
    "every layer": ("MistralForCausalLM", {"sliding_window": 48}),
    "some layers": ("Qwen2ForCausalLM", {**SLIDING, "layer_types": ["sliding_attention", "full_attention"]}),
    "normalised heads": ("Qwen3ForCausalLM", {**SLIDING, "max_window_layers": 1}),
}


def prompts() -> list[Ids]:
    """Shorter and longer than a window and than a block of the prefix cache; two begin alike, one repeats itself."""
    rng = np.random.default_rng(5)
    shared = rng.integers(0, 300, 128).tolist()
    return [[7], shared[:47], shared, [*shared, 7, 8, 9], [*shared, *[11, 12, 13] * 8, 11]]


async def answers(artifact: Path, turns: int, **settings: Any) -> list[list[Ids]]:
    """What a fresh engine answers to all prompts at once, so many times."""
    engine = open_artifact(artifact, EngineSettings(**{"cores": 2, "kv_mb": 8, **settings}))
    assert isinstance(engine, OnnxTextEngine)
    await engine.load()

    async def ask(prompt: Ids) -> Ids:
        most = min(ANSWER, engine.context_length - len(prompt))
        request = GenerateRequest(prompt, max_tokens=most, sampling=GREEDY, ignore_end=True)
        pieces: list[Piece] = [piece async for piece in engine.generate(request, 1e12)]
        return [id_ for piece in pieces for id_ in piece.ids]

    try:
        fitting = [prompt for prompt in prompts() if len(prompt) < engine.context_length]
        return [await asyncio.gather(*map(ask, fitting)) for _ in range(turns)]
    finally:
        await engine.close(5.0)


@pytest.mark.parametrize("kind", WINDOWS)
def test_windows_slide_over_slices_cached_beginnings_and_drafts(
    kind: str, tiny_decoder: Make, of_transformers: Callable[..., list[Ids]], tmp_path: Path
) -> None:
    """The tokens of transformers, cold and warm; the same in `fast` in any company."""
    architecture, options = WINDOWS[kind]
    folder = tiny_decoder(architecture, **options)
    cold, warm = asyncio.run(answers(graphs.build(folder, tmp_path), 2, prefill_slice_ms=0.001))
    assert cold == warm == of_transformers(folder, prompts(), ANSWER)
    fast = graphs.build(folder, tmp_path, precision="fast")
    cold, warm = asyncio.run(answers(fast, 2, prefill_slice_ms=0.001))
    plain = asyncio.run(answers(fast, 1, slots=1, prompt_lookup=False, prefix_cache_mb=0, prefill_slice_ms=1000.0))
    assert [cold, warm] == plain * 2


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({"max_position_embeddings": 100}, {}),
        ({"max_position_embeddings": 201}, {"slots": 1}),
        ({"max_position_embeddings": 20}, {}),
        ({"head_dim": 128}, {"max_tokens": 6, "slots": 1}),
        ({"head_dim": 256}, {"max_tokens": 3, "slots": 1}),
    ],
    ids=str,
)
def test_a_context_may_be_short_and_end_within_a_page(
    options: dict[str, Any], settings: dict[str, Any], tiny_decoder: Make, tmp_path: Path
) -> None:
    """Positions that are no multiple of a page's tokens are loaded, and used to the last one."""
    artifact = graphs.build(tiny_decoder(**options), tmp_path)
    (heard,) = asyncio.run(answers(artifact, 1, **settings))
    context = settings.get("max_tokens", options.get("max_position_embeddings"))
    fitting = [prompt for prompt in prompts() if len(prompt) < context]
    assert [len(answer) for answer in heard] == [min(ANSWER, context - len(prompt)) for prompt in fitting]
    assert all(0 <= id_ < 320 for answer in heard for id_ in answer)
