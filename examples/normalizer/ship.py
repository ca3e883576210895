"""From the trained folder to the artifact that is shipped: raw goldens, quantized graphs, and how well those agree.

    python -m examples.normalizer.ship [--source .cache/normalizer] [--target examples/normalizer/model]

transformers answers a few questions in float32; these answers travel with the artifact, and are replayed wherever it is
loaded. Of a quantized artifact each case also holds the share of tokens in which it agrees. Needs the extra `convert`.
"""

import argparse
import math
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer

from examples.normalizer.data import Question, examination
from examples.normalizer.learning import rendered
from freehold.adapt import graphs
from freehold.adapt.decoder_agreement import note_agreement
from freehold.adapt.goldens import weights_digest
from freehold.adapt.goldens.record_text import continued
from freehold.artifact import Artifact, Golden, RecordedBy, load_goldens, save_golden, write_manifest
from freehold.artifact.artifact import sha256_of

GOLDEN = "transformers.json"
CASES = 48  # every form, kind and language
WEIGHTS = "model.safetensors"


def record(folder: Path, questions: Sequence[Question]) -> Golden:
    """What transformers answers to `questions`, greedily, in float32."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    cases = []
    for one in questions:
        prompt = tokenizer.encode(rendered(one.messages, one.tools, begin_answer=True) + one.begun).ids
        cases.append(continued(model, prompt, model.generation_config.eos_token_id))
    source = weights_digest({WEIGHTS: sha256_of(folder / WEIGHTS)})
    return Golden(RecordedBy("transformers", transformers.__version__, source), tuple(cases))


def least_agreement(artifact: Path) -> float:
    """The least share of tokens in which `artifact` agrees with a golden case, after measuring every one."""
    manifest = Artifact.open(artifact).manifest
    note_agreement(Artifact.open(artifact), math.inf)
    write_manifest(artifact, manifest)
    (golden,) = load_goldens(artifact / "goldens")
    return min(float(case.outputs["agreement"].array()[0]) for case in golden.cases)


def ship(source: Path, target: Path, precision: str, seed: str, cases: int = CASES) -> float:
    """Write the artifact of `source` to `target`, replacing what is there; the least agreement of a golden case."""
    shutil.rmtree(source / "goldens", ignore_errors=True)  # of weights that were trained before
    save_golden(source / "goldens" / GOLDEN, record(source, list(examination(seed, cases))))
    with tempfile.TemporaryDirectory() as cache:
        aside = Path(cache) / "artifact"
        shutil.copytree(graphs.build(source, Path(cache), precision=precision), aside)
        least = least_agreement(aside) if precision != "fp32" else 1.0
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(aside, target)
    return least


def main(command_line: Sequence[str] | None = None) -> int:
    """Record, build, measure, copy; 0 when done."""
    parser = argparse.ArgumentParser(description="Make the artifact that is shipped.")
    parser.add_argument("--source", type=Path, default=Path(".cache/normalizer"))
    parser.add_argument("--target", type=Path, default=Path(__file__).parent / "model")
    parser.add_argument("--precision", default="int8", help="fp32, int8, int4, w8a8 or fast")
    parser.add_argument("--seed", default="goldens 7")
    chosen = parser.parse_args(command_line)
    least = ship(chosen.source, chosen.target, chosen.precision, chosen.seed)
    size = sum(file.stat().st_size for file in chosen.target.rglob("*") if file.is_file())
    print(f"{chosen.target}: {chosen.precision}, {size / 1e6:.1f} MB, least agreement of a golden case {least:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
