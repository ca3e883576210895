"""Train the normalizer from scratch: one command, minutes on two cores.

    python -m examples.normalizer.train [--output FOLDER]

Writes a Hugging Face folder (float32) and prints how many held-out questions it answers exactly. Needs the extra
`convert`. Everything is drawn from `--seed`; float sums differ between CPUs, so weights are alike, not equal.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, Qwen2ForCausalLM

from examples.normalizer import tokens
from examples.normalizer.data import conversations, examination
from examples.normalizer.examine import report
from examples.normalizer.learning import POSITIONS, TEMPLATE, batches, new_model, rendered, train, written

CARD = """---
license: apache-2.0
---
Trained from scratch by `python -m examples.normalizer.train` on conversations that the script makes.
"""
QUESTIONS = 1200


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


def work(rank: int, chosen: argparse.Namespace, vocabulary: str, meeting: str) -> None:
    """One of the processes that train; the first one saves what all have."""
    torch.set_num_threads(1)
    if chosen.processes > 1:
        torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=chosen.processes)
    tokenizer, model = Tokenizer.from_str(vocabulary), new_model(chosen.seed)
    if rank == 0:
        print(f"{model.num_parameters():,} parameters, {tokenizer.get_vocab_size()} tokens")
    data = batches(tokenizer, f"training {chosen.seed} {rank}", chosen.batch // chosen.processes)
    train(model, data, chosen.steps, chosen.rate)
    if rank == 0:
        save(model, tokenizer, chosen.output)
    if chosen.processes > 1:
        torch.distributed.destroy_process_group()


def main(command_line: Sequence[str] | None = None) -> int:
    """Train, save, examine; 0 when done."""
    parser = argparse.ArgumentParser(description="Train the normalizer from scratch.")
    parser.add_argument("--output", type=Path, default=Path(".cache/normalizer"))
    parser.add_argument("--steps", type=int, default=3300)
    parser.add_argument("--batch", type=int, default=3072, help="tokens of a step, padding included")
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--processes", type=int, default=2, help="of one thread each, which take a step together")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--texts", type=int, default=10_000, help="conversations that the tokenizer learns from")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    chosen = parser.parse_args(command_line)
    began = time.monotonic()
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    vocabulary = tokens.train(map(written, islice(conversations(f"tokenizer {chosen.seed}"), chosen.texts))).to_str()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        torch.multiprocessing.spawn(work, (chosen, vocabulary, f"{folder}/meeting"), chosen.processes)
    print(f"{chosen.output} written, {time.monotonic() - began:.0f} s since the start")
    questions = list(examination(f"examination {chosen.seed}", chosen.questions))
    prompts = [rendered(one.messages, one.tools, begin_answer=True) + one.begun for one in questions]
    model = Qwen2ForCausalLM.from_pretrained(chosen.output, local_files_only=True)
    print(report(questions, answers(model, Tokenizer.from_str(vocabulary), prompts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
