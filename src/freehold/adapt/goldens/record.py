"""Record a raw golden: what transformers answers for a model folder. Needs the extra `convert`.

    python -m freehold.adapt.goldens.record MODEL_FOLDER [--kind embed|rerank] [--output FILE]

The default output is the packaged place, `<sha256 of the weights>.json` beside this script. Each text runs alone,
without padding, through transformers' own model class; pooling, dense layers and normalisation follow the folder's
files and are computed here with torch, apart from the code that they are to prove.
A text that the folder would truncate is left out. Decoders: see `record_text` and `record_causal`; `--kind` says which
where the folder does not.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

from freehold.adapt.architectures import architecture_of
from freehold.adapt.causal_folder import open_causal
from freehold.adapt.decoder_config import FORMS as DECODERS
from freehold.adapt.folder import ModelFolder, open_folder
from freehold.adapt.goldens import record_causal, record_text, weights_digest
from freehold.adapt.goldens.sentences import finished
from freehold.adapt.goldens.texts import QUERY, TEXTS
from freehold.artifact import Case, Golden, RecordedBy, Tensor, save_golden
from freehold.artifact.artifact import sha256_of


def record(folder: Path, kind: str = "auto") -> Golden:
    """Run every text through transformers. Raises FreeholdError as `open_folder`, `open_causal` or `open_decoder`."""
    reader = open_causal(folder, kind)
    if reader is not None:
        return record_causal.record(reader)
    if architecture_of(folder) in DECODERS:
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
        pooled = finished(pooled, source.sentence.after)
        cases.append(Case({"text": text}, {"embeddings": Tensor.of(pooled.numpy())}))
    return cases


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
    parser.add_argument(
        "--kind", default="auto", help="what a decoder is for where its files do not say: embed, rerank"
    )
    parser.add_argument("--output", type=Path, help="default: beside this script, by the digest of the weights")
    arguments = parser.parse_args(command_line)
    golden = record(arguments.folder, arguments.kind)
    name = f"{golden.recorded_by.source.removeprefix('sha256:')}.json"
    save_golden(arguments.output or Path(__file__).parent / name, golden)
    return 0


if __name__ == "__main__":
    sys.exit(main())
