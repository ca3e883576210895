"""A Hugging Face folder of a known architecture: its graph is written here without torch, its goldens by transformers.

Packaged goldens and those that the folder brings are taken as they are; else a child records them anew where the extra
`convert` is installed.
"""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec

from freehold.adapt import from_huggingface, graphs
from freehold.adapt.conversion import Conversion, Say
from freehold.adapt.huggingface_folder import written_without_torch
from freehold.adapt.isolation import run_child
from freehold.artifact import Ancestor, Artifact, Manifest, load_goldens, save_golden
from freehold.artifact.artifact import MANIFEST, file_entry
from freehold.artifact.golden import load_golden
from freehold.errors import FreeholdError

RECORDED, GOLDEN = "recorded.json", "goldens/raw.json"


def write(asked: Conversion, folder: Path, say: Say) -> Manifest:
    """The door of Hugging Face folders, known to us or not.

    Raises FreeholdError as `graphs.build` and `from_huggingface.write`, `convert_kind_unsuitable`,
    `convert_option_unused`, `golden_of_other_weights`.
    """
    asked = replace(asked, source=asked.source.absolute())
    if asked.kind == "tensor" or not written_without_torch(asked.source):
        return from_huggingface.write(asked, folder, say)
    for option, value in (("--input-shape", asked.input_shapes), ("--opset", asked.opset)):
        if value:  # a text model's sizes are its tokenizer's, and these graphs are written in one opset
            known = "models that a framework exports"
            raise FreeholdError(
                "convert_option_unused", option=option, path=asked.source, format="hugging face folder", known=known
            )
    say("writing the graph")
    built = graphs.build(asked.source, asked.work / "graphs", kind=asked.kind)
    manifest = Artifact.open(built).manifest
    if asked.kind not in ("auto", manifest.kind):
        raise FreeholdError("convert_kind_unsuitable", path=asked.source, format=manifest.kind, kind=asked.kind)
    for path in built.iterdir():
        if path.name != MANIFEST:
            shutil.move(path, folder / path.name)
    files = manifest.files
    if not any(golden.raw for golden in load_goldens(folder / "goldens")) and _can_record():
        _record(asked, manifest, folder, say)
        files = dict(sorted({**files, GOLDEN: file_entry(folder / GOLDEN)}.items()))
    source = Ancestor("source", asked.source.name, manifest.made_by.source, license=manifest.license)
    ancestors = manifest.ancestors or (source,)
    made_with = manifest.made_with or {"format": "hugging face folder", "exporter": "freehold graphs"}
    return msgspec.structs.replace(manifest, name=asked.name, files=files, ancestors=ancestors, made_with=made_with)


def _can_record() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))


def _record(asked: Conversion, manifest: Manifest, folder: Path, say: Say) -> None:
    """What transformers answers for the same folder. Raises FreeholdError as `run_child`, `golden_of_other_weights`."""
    writes = asked.work / "recorded"
    writes.mkdir()
    job = {"folder": str(asked.source), "kind": asked.kind, "output": RECORDED}
    run_child("recording", job, reads=[asked.source], writes=writes, trusted=False, limits=asked.limits, say=say)
    golden = load_golden(writes / RECORDED)
    if golden.recorded_by.source != manifest.made_by.source:
        raise FreeholdError(
            "golden_of_other_weights",
            path=writes / RECORDED,
            recorded=golden.recorded_by.source,
            weights=manifest.made_by.source,
        )
    save_golden(folder / GOLDEN, golden)
