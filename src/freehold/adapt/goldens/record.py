"""Record a raw golden: what transformers answers for a model folder. Needs the extra `convert`.

    python -m freehold.adapt.goldens.record MODEL_FOLDER [--output FILE]

The default output is the packaged place, `<sha256 of the weights>.json` beside this script. Each text runs alone,
without padding, through transformers' own model class; pooling, dense layers and normalisation follow the folder's
files and are computed here with torch, apart from the code that they are to prove.
A text that the folder would truncate is left out. Decoders: see `record_text`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

from freehold.adapt.architectures import architecture_of
from freehold.adapt.causal_folder import open_causal
from freehold.adapt.checkpoint import Checkpoint
from freehold.adapt.decoder_config import FORMS as DECODERS
from freehold.adapt.folder import Dense, ModelFolder, open_folder
from freehold.adapt.goldens import record_text, weights_digest
from freehold.artifact import Case, Golden, RecordedBy, Tensor, save_golden
from freehold.artifact.artifact import sha256_of

TEXTS = (
    "",
    "!",
    "How do I reset my password?",
    "The invoice of 2024-03-31 (EUR 1,249.50) is overdue: see https://example.com/pay?id=7.",
    "我们的售后政策是什么？七天内可以无理由退货。",
    "Ünïcödé, emoji 🚀 and a mixed 句子 in one line.",
    "def area(r):\n    return 3.14159 * r ** 2",
    "A long paragraph shows what short ones hide. "
    "The archive of the company holds forty years of letters, drawings and contracts; nobody has read all of it. "
    "Whoever looks for one clause asks a colleague, who asks another, until somebody remembers a folder in the cellar. "
    "Search by meaning should find it in a second, and should find it again tomorrow with the very same score.",
)
QUERY = "How long may goods be returned?"


def record(folder: Path) -> Golden:
    """Run every text through transformers. Raises FreeholdError as `open_folder` or `open_decoder`."""
    if architecture_of(folder) in DECODERS and open_causal(folder, "auto") is None:
        return record_text.record(folder)
    source = open_folder(folder)
    files = {str(file.relative_to(source.path)): sha256_of(file) for file in source.weight_files}
    tokenizer = transformers.AutoTokenizer.from_pretrained(source.transformer, local_files_only=True)
    with torch.inference_mode():
        cases = _embeddings(source, tokenizer) if source.kind == "embed" else _logits(source, tokenizer)
    recorder = RecordedBy("transformers", transformers.__version__, weights_digest(files))
    return Golden(recorder, tuple(cases))


def _embeddings(source: ModelFolder, tokenizer: "transformers.PreTrainedTokenizerBase") -> list[Case]:
    model = transformers.AutoModel.from_pretrained(source.transformer, local_files_only=True, dtype=torch.float32)
    model.eval()
    cases = []
    for text in TEXTS:
        tokens = tokenizer(text.lower() if source.lower_case else text, return_tensors="pt")
        if tokens["input_ids"].shape[1] > source.max_tokens:
            continue
        states = model(**tokens).last_hidden_state[0]
        pooled = states[0] if source.sentence.pooling == "cls" else states.mean(dim=0)
        for module in source.sentence.after:
            pooled = (
                _dense(pooled, module) if isinstance(module, Dense) else torch.nn.functional.normalize(pooled, dim=0)
            )
        cases.append(Case({"text": text}, {"embeddings": Tensor.of(pooled.numpy())}))
    return cases


def _dense(pooled: torch.Tensor, module: Dense) -> torch.Tensor:
    checkpoint = Checkpoint.open((module.file,))

    def tensor(name: str) -> torch.Tensor:
        return torch.cat([torch.from_numpy(block.copy()) for block in checkpoint.blocks(name)])

    result = torch.nn.functional.linear(pooled, tensor("linear.weight"), tensor("linear.bias") if module.bias else None)
    return torch.tanh(result) if module.activation == "tanh" else result


def _logits(source: ModelFolder, tokenizer: "transformers.PreTrainedTokenizerBase") -> list[Case]:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        source.transformer, local_files_only=True, dtype=torch.float32
    )
    model.eval()
    cases = []
    for text in TEXTS:
        pair = source.kind == "rerank"
        # In lists, as a cross-encoder is called: alone, transformers takes an empty second text for none.
        tokens = tokenizer([QUERY], [text], return_tensors="pt") if pair else tokenizer([text], return_tensors="pt")
        if tokens["input_ids"].shape[1] > source.max_tokens:
            continue
        logits = model(**tokens).logits[0]
        inputs: dict[str, str | Tensor] = {"query": QUERY, "text": text} if pair else {"text": text}
        cases.append(Case(inputs, {"logits": Tensor.of(logits.numpy())}))
    return cases


def main(command_line: Sequence[str] | None = None) -> int:
    """Record and write; 0 when done."""
    parser = argparse.ArgumentParser(description="Record a raw golden with transformers.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, help="default: beside this script, by the digest of the weights")
    arguments = parser.parse_args(command_line)
    golden = record(arguments.folder)
    name = f"{golden.recorded_by.source.removeprefix('sha256:')}.json"
    save_golden(arguments.output or Path(__file__).parent / name, golden)
    return 0


if __name__ == "__main__":
    sys.exit(main())
