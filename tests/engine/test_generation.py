"""What a text engine promises a server: it is one, and says what it cannot do before it begins."""

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.engine.generation import Constraint, GenerateRequest, Sampling, TextEngine
from freehold.engine.opening import open_artifact
from freehold.engine.settings import EngineSettings
from freehold.engine.text import OnnxTextEngine
from freehold.errors import FreeholdError

FAR = 1e12
SETTINGS = EngineSettings(cores=1, kv_mb=8, max_tokens=300, max_output_tokens=100)


def refusal(artifact: Path, request: GenerateRequest) -> FreeholdError:
    """What an engine of 300 tokens, 100 of them an answer's, says to a request."""

    async def run() -> FreeholdError:
        engine = open_artifact(artifact, SETTINGS)
        assert isinstance(engine, OnnxTextEngine)
        await engine.load()
        try:
            with pytest.raises(FreeholdError) as refused:
                async for _ in engine.generate(request, FAR):
                    pass
            assert engine.capacity().queued == engine.capacity().running == 0
            return refused.value
        finally:
            await engine.close(1.0)

    return asyncio.run(run())


def test_the_engine_is_what_the_protocol_says() -> None:
    """Every method, with the parameters of the Protocol."""
    methods = [name for name in dir(TextEngine) if not name.startswith("_")]
    assert {"generate", "encode", "decode", "chat_template", "special_tokens", "load", "answer"} <= set(methods)
    for name in methods:
        promised = inspect.signature(getattr(TextEngine, name))
        assert list(inspect.signature(getattr(OnnxTextEngine, name)).parameters) == list(promised.parameters), name


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"prompt": []}, "input_empty"),
        ({"prompt": [1, 320]}, "token_out_of_range"),
        ({"prompt": [1, -1]}, "token_out_of_range"),
        ({"prompt": [1] * 300, "max_tokens": 1}, "context_overflow"),
        ({"prompt": [1] * 250, "max_tokens": 51}, "context_overflow"),
        ({"prompt": [1], "max_tokens": 0}, "answer_too_short"),
        ({"prompt": [1], "max_tokens": 101}, "answer_too_long"),
        ({"prompt": [1], "sampling": Sampling(logit_bias={320: 1.0})}, "logit_bias_out_of_range"),
        ({"prompt": [1], "constraint": Constraint("json_schema", '{"type": 3}')}, "constraint_invalid"),
    ],
)
def test_what_cannot_be_answered_is_refused_at_once(
    decoder_artifact: Callable[..., Path], request_: dict[str, Any], code: str
) -> None:
    """And nothing of it is left in the engine."""
    assert refusal(decoder_artifact(), GenerateRequest(**request_)).code == code


def test_a_context_overflow_names_both_numbers(decoder_artifact: Callable[..., Path]) -> None:
    """What was asked, and what there is."""
    cause = refusal(decoder_artifact(), GenerateRequest([1] * 250, max_tokens=51)).cause
    assert all(number in cause for number in ("250", "51", "300"))
