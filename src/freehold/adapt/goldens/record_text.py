"""Raw goldens of decoders: how transformers continues prompts, greedily. Needs the extra `convert`.

`record.py` calls it for the folders whose architecture it is for.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from freehold.adapt.decoder_folder import open_decoder
from freehold.adapt.goldens import weights_digest
from freehold.artifact import Case, Golden, RecordedBy, Tensor
from freehold.artifact.artifact import sha256_of

PROMPTS = (
    "The capital of France is",
    "def area(r):\n    return",
    "Invoice 2024-03-31, EUR 1,249.50, due in 14 days. In words: one thousand",
    "我们的售后政策是",
    "1, 2, 3, 5, 8, 13,",
    "Once upon a time, in a company whose archive held forty years of letters, drawings and contracts, somebody asked",
)
QUESTIONS = ("Name three colours.", "用一句话介绍你自己。", 'Answer in JSON: {"sum": 17 + 25}')
NEW_TOKENS = 48


def record(folder: Path) -> Golden:
    """Continue every prompt, and answer every question through the chat template where there is one.

    Cases are what `continued` gives. Prompts that leave no room among the positions stay out. Raises FreeholdError as
    `open_decoder`.
    """
    source = open_decoder(folder)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    model.eval()
    prompts = [tokenizer(prompt)["input_ids"] for prompt in PROMPTS]
    if source.chat_template is not None:
        for question in QUESTIONS:
            chat = [{"role": "user", "content": question}]
            prompts.append(
                tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
            )
    room = source.config.max_position_embeddings - NEW_TOKENS
    cases = [continued(model, prompt, source.ends) for prompt in prompts if len(prompt) <= room]
    files = {str(file.relative_to(source.path)): sha256_of(file) for file in source.weights}
    return Golden(RecordedBy("transformers", transformers.__version__, weights_digest(files)), tuple(cases))


def continued(model: Any, prompt: Sequence[int], ends: Sequence[int], count: int = NEW_TOKENS) -> Case:
    """The most probable token, `count` times or up to one of `ends`, which is then the last.

    The case is {"prompt_ids" INT64 [p]} -> {"token_ids" INT64 [n], "logprobs" FP32 [n]}: natural logarithms of the
    probabilities that the framework gave these tokens. Not through `generate`, which would heed the folder's own
    penalties and processors.
    """
    answer: list[int] = []
    logprobs: list[float] = []
    ids, cache = torch.tensor([list(prompt)]), None
    with torch.inference_mode():
        while len(answer) < count and not (answer and answer[-1] in ends):
            step = model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache = step.past_key_values
            ids = step.logits[:, -1:].argmax(dim=-1)
            answer.append(int(ids))
            logprobs.append(float(step.logits[0, -1].log_softmax(dim=-1)[answer[-1]]))
    outputs = {
        "token_ids": Tensor.of(np.array(answer, np.int64)),
        "logprobs": Tensor.of(np.array(logprobs, np.float32)),
    }
    return Case({"prompt_ids": Tensor.of(np.array(prompt, np.int64))}, outputs)
