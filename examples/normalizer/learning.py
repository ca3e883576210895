"""What is learnt and how: the model, batches of conversations, the loss, and the steps, in one process or several."""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import distributed
from transformers import Qwen2Config, Qwen2ForCausalLM
from transformers.utils.chat_template_utils import render_jinja_template

from examples.normalizer import tokens
from examples.normalizer.data import Conversation, Message, Tool, conversations

TEMPLATE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
POSITIONS = 1024
POOL = 4096  # conversations that are sorted by length together, so that a batch has little padding
ROUND = 8  # lengths are padded to a multiple of it: the kernels of a shape are made once
IGNORED = -100  # what cross_entropy leaves out

Batch = tuple[torch.Tensor, torch.Tensor]


def new_model(seed: int) -> Qwen2ForCausalLM:
    """2.4 million parameters in the shape of Qwen2, tied."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=tokens.VOCABULARY,
        hidden_size=256,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=2,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=0,
        use_cache=True,
        dtype="float32",
        # On short rows twice as fast as the fused attention, whose backward pass is slow on processors.
        attn_implementation="eager",
    )
    return Qwen2ForCausalLM(config)


def written(conversation: Conversation) -> str:
    """The text of a whole conversation."""
    return rendered(conversation.messages, conversation.tools, begin_answer=False)


def rendered(messages: Sequence[Message], tools: Sequence[Tool], *, begin_answer: bool) -> str:
    """What the chat template makes of messages, as transformers renders it."""
    (text,), _ = render_jinja_template(
        [list(messages)], tools=list(tools) or None, chat_template=TEMPLATE, add_generation_prompt=begin_answer
    )
    return str(text)


def batches(tokenizer: Tokenizer, seed: str, size: int) -> Iterator[Batch]:
    """Endless batches of about `size` tokens, padding included: ids and labels, INT64 [rows, longest].

    Labels are the ids of what the assistant says, each at the position that predicts it. Padding stands behind the
    text, where causal attention never looks.
    """
    opening = tokenizer.encode(tokens.OPENING, add_special_tokens=False).ids
    drawn = conversations(seed)
    dice = random.Random(seed)
    while True:
        pool = list(islice(drawn, POOL))
        encoded = tokenizer.encode_batch(list(map(written, pool)), add_special_tokens=False)
        rows = [(text.ids, labels(text.ids, opening, one)) for text, one in zip(encoded, pool, strict=True)]
        rows.sort(key=lambda row: len(row[0]))
        made = []
        while rows:
            count = max(1, size // len(rows[-1][0]))
            made.append(_padded(rows[-count:]))
            del rows[-count:]
        dice.shuffle(made)
        yield from made


def labels(ids: list[int], opening: list[int], conversation: Conversation) -> list[int]:
    """What each position is to predict: the assistant's tokens and the end of each answer, nothing else."""
    wanted = [IGNORED] * len(ids)
    place = 0
    while place < len(ids):
        if ids[place : place + len(opening)] == opening:
            place += len(opening)
            end = ids.index(tokens.END_ID, place)
            wanted[place - 1 : end] = ids[place : end + 1]
            if conversation.forced:
                wanted[place - 1] = IGNORED
            place = end
        place += 1
    return wanted


def _padded(rows: Sequence[tuple[list[int], list[int]]]) -> Batch:
    longest = -(-max(len(ids) for ids, _ in rows) // ROUND) * ROUND
    ids = torch.tensor([row + [0] * (longest - len(row)) for row, _ in rows])
    wanted = torch.tensor([row + [IGNORED] * (longest - len(row)) for _, row in rows])
    return ids, wanted


def loss_of(model: Qwen2ForCausalLM, batch: Batch) -> torch.Tensor:
    """Mean cross entropy of the labels; the head runs only where there is one. Products in bfloat16, weights not."""
    ids, wanted = batch
    places = wanted != IGNORED
    with torch.autocast("cpu", torch.bfloat16):
        states = model.model(input_ids=ids, use_cache=False).last_hidden_state
        logits = model.lm_head(states[places])
    return torch.nn.functional.cross_entropy(logits.float(), wanted[places])


def optimizers(model: Qwen2ForCausalLM, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for the rest."""
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    chosen = {id(weight) for weight in matrices}
    rest = [weight for weight in model.parameters() if id(weight) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def average(model: Qwen2ForCausalLM, processes: int) -> None:
    """Make the gradients of all processes their mean."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) / processes
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def train(model: Qwen2ForCausalLM, data: Iterator[Batch], steps: int, rate: float) -> None:
    """The rate rises for 3 % of the steps, stays, and falls to nothing over the last 60 %.

    Where a process group is there, each process has its own `data`, and all make the same steps.
    """
    chosen = optimizers(model, rate)
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    speaks = processes == 1 or distributed.get_rank() == 0

    def share(step: int) -> float:
        return min(1.0, (step + 1) / (0.03 * steps), (steps - step) / (0.6 * steps))

    schedules = [torch.optim.lr_scheduler.LambdaLR(one, share) for one in chosen]
    model.train()
    began, seen, smooth = time.monotonic(), 0, 0.0
    for step in range(1, steps + 1):
        batch = next(data)
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        if processes > 1:
            average(model, processes)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(chosen, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        seen += batch[0].numel() * processes
        smooth = loss.item() if step == 1 else 0.95 * smooth + 0.05 * loss.item()
        if speaks and (step % 20 == 0 or step == steps):
            spent = time.monotonic() - began
            left = spent / step * (steps - step)
            speed, end = f"{seen / spent:,.0f} tokens/s", "\n" if step == steps else ""
            print(f"\rstep {step}/{steps}  loss {smooth:.4f}  {speed}  {left:4.0f} s left ", end=end)
            sys.stdout.flush()
