"""Train the normalizer from scratch: one command, minutes on two cores.

    python -m examples.normalizer.train [--output FOLDER]

Writes a Hugging Face folder (float32) and prints how many held-out questions it answers exactly. Needs the extra
`convert`. Everything is drawn from `--seed`; float sums differ between CPUs, so weights are alike, not equal.
"""

import argparse
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, Qwen2Config, Qwen2ForCausalLM
from transformers.utils.chat_template_utils import render_jinja_template

from examples.normalizer import tokens
from examples.normalizer.data import Conversation, Message, Tool, conversations, examination
from examples.normalizer.examine import report

TEMPLATE = Path(__file__).with_name("chat_template.jinja").read_text(encoding="utf-8")
CARD = """---
license: apache-2.0
---
Trained from scratch by `python -m examples.normalizer.train` on conversations that the script makes.
"""
POSITIONS = 1024
POOL = 4096  # conversations that are sorted by length together, so that a batch has little padding
QUESTIONS = 1200
IGNORED = -100  # what cross_entropy leaves out

Batch = tuple[torch.Tensor, torch.Tensor]


def new_model(seed: int) -> Qwen2ForCausalLM:
    """3.8 million parameters in the shape of Qwen2, tied."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=tokens.VOCABULARY,
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=4,
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
    longest = max(len(ids) for ids, _ in rows)
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


def train(model: Qwen2ForCausalLM, data: Iterator[Batch], steps: int, rate: float) -> None:
    """Rise for 3 % of the steps, stay, fall to nothing over the last 60 %."""
    chosen = optimizers(model, rate)

    def share(step: int) -> float:
        return min(1.0, (step + 1) / (0.03 * steps), (steps - step) / (0.6 * steps))

    schedules = [torch.optim.lr_scheduler.LambdaLR(one, share) for one in chosen]
    model.train()
    began, seen, smooth = time.monotonic(), 0, 0.0
    for step in range(1, steps + 1):
        batch = next(data)
        loss = loss_of(model, batch)
        loss.backward()  # type: ignore[no-untyped-call] # torch's own
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(chosen, schedules, strict=True):
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        seen += batch[0].numel()
        smooth = loss.item() if step == 1 else 0.95 * smooth + 0.05 * loss.item()
        if step % 20 == 0 or step == steps:
            spent = time.monotonic() - began
            left = spent / step * (steps - step)
            print(
                f"\rstep {step}/{steps}  loss {smooth:.4f}  {seen / spent:,.0f} tokens/s  {left:4.0f} s left ", end=""
            )
            sys.stdout.flush()
    print()


@torch.inference_mode()
def answers(model: Qwen2ForCausalLM, tokenizer: Tokenizer, prompts: Sequence[str], rows: int = 100) -> list[str]:
    """What the model says to each prompt, greedily."""
    model.eval()
    found = [""] * len(prompts)
    encoded = tokenizer.encode_batch(list(prompts), add_special_tokens=False)
    by_length = sorted(range(len(prompts)), key=lambda index: len(encoded[index].ids))
    for first in range(0, len(prompts), rows):
        chosen = by_length[first : first + rows]
        longest = len(encoded[chosen[-1]].ids)
        padding = [longest - len(encoded[index].ids) for index in chosen]
        ids = torch.tensor([[0] * gap + encoded[index].ids for gap, index in zip(padding, chosen, strict=True)])
        mask = torch.tensor([[0] * gap + [1] * (longest - gap) for gap in padding])
        said = model.generate(ids, attention_mask=mask, max_new_tokens=64, do_sample=False)
        for index, text in zip(chosen, said[:, longest:].tolist(), strict=True):
            kept = text[: text.index(tokens.END_ID)] if tokens.END_ID in text else text
            found[index] = tokenizer.decode(kept, skip_special_tokens=False)
    return found


def save(model: Qwen2ForCausalLM, tokenizer: Tokenizer, folder: Path) -> None:
    """A Hugging Face folder, whole or not at all."""
    aside = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    ends = [tokens.END_ID, model.config.pad_token_id]
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=ends, pad_token_id=ends[1])
    model.save_pretrained(aside)
    tokens.save(tokenizer, aside, positions=POSITIONS)
    (aside / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    (aside / "README.md").write_text(CARD, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def main(command_line: Sequence[str] | None = None) -> int:
    """Train, examine, save; 0 when done."""
    parser = argparse.ArgumentParser(description="Train the normalizer from scratch.")
    parser.add_argument("--output", type=Path, default=Path(".cache/normalizer"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=3072, help="tokens, padding included")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--texts", type=int, default=10_000, help="conversations that the tokenizer learns from")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    chosen = parser.parse_args(command_line)
    torch.set_num_threads(chosen.threads)
    began = time.monotonic()
    tokenizer = tokens.train(map(written, islice(conversations(f"tokenizer {chosen.seed}"), chosen.texts)))
    model = new_model(chosen.seed)
    print(f"{model.num_parameters():,} parameters, {tokenizer.get_vocab_size()} tokens")
    train(model, batches(tokenizer, f"training {chosen.seed}", chosen.batch), chosen.steps, chosen.rate)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    save(model, tokenizer, chosen.output)
    print(f"{chosen.output} written, {time.monotonic() - began:.0f} s since the start")
    questions = list(examination(f"examination {chosen.seed}", chosen.questions))
    prompts = [rendered(one.messages, one.tools, begin_answer=True) + one.begun for one in questions]
    print(report(questions, answers(model, tokenizer, prompts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
