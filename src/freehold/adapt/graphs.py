"""From a model folder to an artifact that the engines read, in seconds and without torch.

The artifact lies under the cache by the digest of everything that shapes it, so a second start finds it there.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from freehold.adapt.architectures import architecture_of
from freehold.adapt.causal_artifact import CausalArtifact
from freehold.adapt.causal_folder import open_causal
from freehold.adapt.decoder_artifact import DecoderArtifact
from freehold.adapt.decoder_config import FORMS as DECODERS
from freehold.adapt.decoder_folder import open_decoder
from freehold.adapt.digests import DigestMemo
from freehold.adapt.encoder_artifact import EncoderArtifact
from freehold.adapt.folder import open_folder
from freehold.adapt.recipe import Plan
from freehold.artifact import Artifact, write_manifest
from freehold.artifact.artifact import FULL, sync_folder
from freehold.errors import FreeholdError

# How a decoder's weights may be held; everything else is written in fp32, whatever it is computed in later.
DECODER_PRECISIONS = ("fp32", "int8", "int4", "w8a8", "fast")
COMPUTED_IN = ("fp32", "bf16", "auto")
BLOCK = 32


def build(
    folder: Path,
    cache: Path,
    *,
    kind: str = "auto",
    max_tokens: int | None = None,
    precision: str = "fp32",
    block: int = BLOCK,
) -> Path:
    """Write the artifact of a Hugging Face folder of a known architecture, or find the one written before; its path.

    Of an encoder, `max_tokens` is where texts are truncated; without it `sentence_bert_config.json` says, else the
    tokenizer's `model_max_length`, else the positions. A folder without `modules.json` and without a classification
    head gets mean pooling without normalisation, as sentence-transformers does. Of a decoder, `max_tokens` is the
    longest prompt and answer together; `precision` is fp32, int8, int4, w8a8 or fast (`decoder_graph.graphs_of`) and
    `block` the block size of int4. `kind` (auto, embed, rerank, generate) says what a decoder is for where its files do
    not: `open_causal`. Processes may build the same folder at once: one writes, the others wait for it.

    Raises FreeholdError: what `open_folder`, `open_causal`, `open_decoder`, `write_graph`, `write_causal`,
    `write_decoder`, `write_tokenizer`, `goldens.collect` and `note_agreement` raise, `max_tokens_beyond_positions`,
    `graph_precision_unknown`, and `cache_full`, `cache_unwritable`.
    """
    plan = _plan(folder, kind, max_tokens, precision, block, DigestMemo(cache / "digests"))
    target = cache / plan.digest
    if _usable(target):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f".{target.name}.lock"):
            if not _usable(target):
                _write(plan, target)
    except OSError as error:
        if error.errno in FULL:
            raise FreeholdError("cache_full", path=cache, needed=plan.megabytes) from error
        raise FreeholdError("cache_unwritable", path=cache, reason=error.strerror or str(error)) from error
    return target


def _plan(folder: Path, kind: str, max_tokens: int | None, precision: str, block: int, memo: DigestMemo) -> Plan:
    reader = open_causal(folder, kind)
    decodes = reader is None and architecture_of(folder) in DECODERS
    known = DECODER_PRECISIONS if decodes else COMPUTED_IN
    if precision not in known:
        raise FreeholdError(
            "graph_precision_unknown",
            path=folder,
            precision=precision,
            kind="decoder" if decodes else "encoder",
            known=", ".join(known),
        )
    try:
        if decodes:
            return DecoderArtifact.plan(open_decoder(folder), max_tokens, precision, block, memo)
        if reader is not None:
            return CausalArtifact.plan(reader, max_tokens, memo)
        return EncoderArtifact.plan(open_folder(folder), max_tokens, memo)
    except OSError as error:
        path = error.filename or folder
        raise FreeholdError("model_folder_invalid", path=path, reason=error.strerror or str(error)) from error


def _usable(target: Path) -> bool:
    try:
        Artifact.open(target)
    except FreeholdError:
        return False
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops with the process, so that a killed builder blocks nobody."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(plan: Plan, target: Path) -> None:
    """Build aside and rename: `target` is whole or absent. The lock of `target` must be held."""
    aside = target.with_name(f".{target.name}.building")
    shutil.rmtree(aside, ignore_errors=True)  # of a builder that was killed
    aside.mkdir()
    try:
        write_manifest(aside, plan.write(aside))
        if target.exists():  # damaged, or it would have been usable
            shutil.rmtree(target)
        aside.rename(target)
        sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
