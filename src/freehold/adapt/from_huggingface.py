"""The door for Hugging Face folders whose graph is not written here: transformers loads, torch exports, in a child.

What `written_without_torch` answers for takes `graphs.build`, unless this way is asked for.
"""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from freehold import __version__
from freehold.adapt.checked_graph import check_locations
from freehold.adapt.child_results import golden_of, invalid, part_of, result_of, specs_of, take_graph
from freehold.adapt.conversion import Conversion, Say
from freehold.adapt.digests import DigestMemo
from freehold.adapt.folder import Dense, Normalize, limits_of
from freehold.adapt.from_pytorch import need_packages
from freehold.adapt.goldens.texts import LABELLED, QUERY
from freehold.adapt.huggingface_folder import PREPROCESSOR, RawFolder, open_raw
from freehold.adapt.isolation import run_child
from freehold.adapt.origin import origin_of
from freehold.adapt.recipe import digest_of_weights
from freehold.adapt.tokenizer_file import copy_settings, write_tokenizer
from freehold.artifact import Ancestor, Case, MadeBy, Manifest, Tensor, compare, save_golden, tolerance_for
from freehold.engine.providers import Feeds, SessionOptions, open_session
from freehold.errors import FreeholdError

TOOL = "freehold.adapt.from_huggingface"
PACKAGES = ("torch", "transformers", "onnxscript")
GRAPH, TOKENIZER = "model.onnx", "tokenizer.json"
GOLDEN = Path("goldens") / "raw.json"
MASK = "attention_mask"


class _Lengths(msgspec.Struct, frozen=True):
    """What only the loaded model knows: tokens, 0 for no end, and ids in the table of embeddings."""

    max_tokens: int = 0
    positions: int = 0
    vocab_size: int = 0


def write(asked: Conversion, folder: Path, say: Say) -> Manifest:
    """Convert with transformers and torch: a Door.

    Raises FreeholdError: `convert_extra_missing`, what `open_raw`, `run_child` and `artifact_of` raise, and of the
    child `code_not_trusted`, `transformers_lacks_model`, `weights_incomplete`, `tokenizer_not_converted`,
    `tokenizer_file_invalid`, `padding_not_masked`, `export_refused`.
    """
    need_packages(PACKAGES)
    raw = open_raw(asked)
    writes = asked.work / "huggingface"
    writes.mkdir(parents=True)
    reads, trusted = [asked.source], asked.trust_code
    result = run_child(
        "huggingface", job_of(raw, asked), reads=reads, writes=writes, trusted=trusted, limits=asked.limits, say=say
    )
    return artifact_of(raw, asked, writes, result, folder)


def job_of(raw: RawFolder, asked: Conversion) -> dict[str, Any]:
    """What the child is told; `children/huggingface.py` says what each entry is."""
    return {
        "folder": str(raw.transformer.absolute()),
        "task": raw.task,
        "pickled": raw.pickled,
        "opset": asked.opset,
        "seed": asked.seed,
        "texts": LABELLED,
        "query": QUERY if raw.kind == "rerank" else "",
        "max_tokens": raw.max_tokens or 0,
        "lower_case": raw.lower_case,
        "pooling": raw.sentence.pooling,
        "after": [_described(module) for module in raw.sentence.after],
        "image": raw.image,
    }


def artifact_of(raw: RawFolder, asked: Conversion, writes: Path, result: dict[str, Any], folder: Path) -> Manifest:
    """Lay out in `folder` what the child left in `writes`, once it is seen to be sound.

    Raises FreeholdError `labels_unequal`, `padding_not_masked`, and as `check_locations`, `golden_of`, `specs_of` and
    `write_tokenizer`.
    """
    lengths = part_of(result, _Lengths)
    manifest = _manifest(raw, asked, result, lengths)
    check_locations(take_graph(writes, folder))
    if raw.reads_text:
        shipped = raw.transformer / TOKENIZER
        source = shipped if shipped.is_file() else writes / TOKENIZER
        write_tokenizer(source, folder / TOKENIZER, vocab_size=lengths.vocab_size, lower_case=raw.lower_case)
        copy_settings(raw.transformer, folder)
    if (raw.transformer / PREPROCESSOR).is_file():
        shutil.copyfile(raw.transformer / PREPROCESSOR, folder / PREPROCESSOR)
    _write_golden(raw, manifest, writes, result, folder)
    return manifest


def _described(module: Dense | Normalize) -> dict[str, Any]:
    fields = msgspec.structs.asdict(module)
    return {"type": type(module).__name__, **fields} | ({"file": str(fields["file"])} if "file" in fields else {})


def _manifest(raw: RawFolder, asked: Conversion, result: dict[str, Any], lengths: _Lengths) -> Manifest:
    """Raises FreeholdError `labels_unequal`, and as `specs_of` and `limits_of`."""
    inputs, outputs = specs_of(result)
    if not outputs[0].shape:
        raise invalid(f"{outputs[0].name} has no dimension")
    width = outputs[0].shape[-1]
    if raw.labels and width != len(raw.labels):
        raise FreeholdError("labels_unequal", path=raw.transformer, labels=len(raw.labels), width=width)
    embeds = raw.kind == "embed"
    memo = DigestMemo(asked.work / "digests")  # the note of a fetched folder names the weights too
    source = digest_of_weights(raw.path, raw.weight_files, memo)
    origin = origin_of(raw.path, memo.sha256)
    return Manifest(
        schema=1,
        name=asked.name,
        kind=raw.kind,
        layout="tensor" if raw.kind == "tensor" else "padded",
        precision="fp32",
        inputs=inputs,
        outputs=outputs,
        made_by=MadeBy(TOOL, __version__, source),
        files={},
        limits=limits_of(raw.path, None, lengths.max_tokens, lengths.positions),
        architecture=raw.architecture,
        pooling=raw.sentence.pooling if embeds else "",
        normalized=embeds and raw.sentence.normalized,
        dimensions=width if embeds else 0,
        labels=() if raw.kind == "rerank" else raw.labels,
        prompts=raw.prompts,
        license=raw.license,
        ancestors=(origin or Ancestor("source", raw.path.resolve().name, source, license=raw.license),),
        made_with=result_of(result).made_with,
    )


def _write_golden(raw: RawFolder, manifest: Manifest, writes: Path, result: dict[str, Any], folder: Path) -> None:
    """Lay down what the child recorded, when the graph heeds the mask.

    A text model's engine replays texts alone, so its padded batch is run here and then left out. Raises FreeholdError
    `padding_not_masked`, and as `golden_of` and `open_session`.
    """
    golden = golden_of(writes, result, manifest.made_by.source)
    if raw.reads_text:
        _check_padding(manifest, golden.cases, folder / GRAPH)
    cases = golden.cases
    if manifest.kind != "tensor":
        cases = tuple(case for case in cases if MASK not in case.inputs)
    save_golden(folder / GOLDEN, msgspec.structs.replace(golden, cases=cases))


def _check_padding(manifest: Manifest, cases: tuple[Case, ...], graph: Path) -> None:
    """Rows of different lengths, padded with another id than the tokenizer's, answer as they were recorded."""
    session = open_session(graph, SessionOptions(), manifest.name)
    output = manifest.outputs[0].name
    taken = {spec.name for spec in manifest.inputs}
    for case in cases:
        feeds: Feeds = {name: value.array() for name, value in case.inputs.items() if isinstance(value, Tensor)}
        if MASK not in feeds or feeds[MASK].all():
            continue
        if output not in case.outputs or any(value.shape != feeds[MASK].shape for value in feeds.values()):
            raise invalid(f"the case {case.label!r} has no {output}, or inputs of several sizes")
        masked = {name: np.where(feeds[MASK] == 1, value, 0) for name, value in feeds.items()}
        seen = session.run([output], {name: value for name, value in masked.items() if name in taken})[0]
        parted = compare(output, case.outputs[output].array(), seen, tolerance_for(manifest.precision))
        if parted is not None:
            raise FreeholdError("padding_not_masked", architecture=manifest.architecture, found=parted.measure)
