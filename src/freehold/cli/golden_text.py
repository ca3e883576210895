"""Goldens of models that generate text: how our own runtime continues prompts, greedily, token by token."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any

import numpy as np

from freehold.artifact import Case, Tensor
from freehold.cli.inputs import Prompt
from freehold.cli.progress import Say
from freehold.engine.agreement import agreement_with
from freehold.engine.base import ScoreRequest
from freehold.engine.generation import GenerateRequest, Sampling, TextEngine
from freehold.server.chat_template import ChatTemplate

NEW_TOKENS = 32


def prompt_ids(engine: TextEngine, prompt: Prompt, model: str, variables: Mapping[str, Any]) -> list[int]:
    """A text with the tokenizer's special tokens; messages as the chat template writes them, given `variables`.

    Raises FreeholdError as `ChatTemplate` and its `render`.
    """
    if isinstance(prompt, str):
        return engine.encode(prompt, add_special_tokens=True)
    template = ChatTemplate(engine.chat_template(), engine.special_tokens(), model)
    return engine.encode(template.render(prompt, None, kwargs=variables))


async def continue_all(engine: TextEngine, prompts: Sequence[Sequence[int]], say: Say) -> list[Case]:
    """Up to 32 tokens of greedy answer to each prompt, as cases {"prompt_ids"} -> {"token_ids", "logprobs"}.

    An end token is the last of its answer. Logarithms are as `ScoreRequest` says. A quantised decoder also notes its
    `agreement` with itself, which a later replay is then held to. Raises FreeholdError as `TextEngine.generate`.
    """
    cases = []
    for number, prompt in enumerate(prompts, 1):
        say(f"case {number} of {len(prompts)}")
        answer = await _continuation(engine, prompt)
        scored = await asyncio.to_thread(engine.answer, ScoreRequest(prompt, answer))
        outputs = {"token_ids": _packed(answer, np.int64), "logprobs": Tensor.of(scored.outputs["logprobs"])}
        case = Case({"prompt_ids": _packed(prompt, np.int64)}, outputs)
        if engine.precision != "fp32":
            outputs["agreement"] = _packed([agreement_with(case, scored).share], np.float32)
        cases.append(case)
    return cases


async def _continuation(engine: TextEngine, prompt: Sequence[int]) -> list[int]:
    room = max(1, engine.context_length - len(prompt))  # a prompt that leaves none is refused by the engine
    request = GenerateRequest(
        prompt, max_tokens=min(NEW_TOKENS, engine.max_output_tokens, room), sampling=Sampling(temperature=0)
    )
    async with aclosing(engine.generate(request, math.inf)) as pieces:
        return [token async for piece in pieces for token in piece.ids]


def _packed(values: Sequence[float], dtype: type[np.generic]) -> Tensor:
    return Tensor.of(np.array(values, dtype))
