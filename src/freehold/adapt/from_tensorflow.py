"""The door of SavedModels and Keras files: TensorFlow converts and records, in a process and an environment of its own.

Channels stay last: a graph has the inputs of its source, in the same layout and under the same names.
"""

import os
from pathlib import Path

import msgspec

from freehold import __version__
from freehold.adapt.checked_graph import check_locations
from freehold.adapt.child_results import golden_of, part_of, result_of, specs_of, take_graph
from freehold.adapt.conversion import Conversion, Say
from freehold.adapt.environments import FRAMEWORKS
from freehold.adapt.goldens import weights_digest
from freehold.adapt.isolation import printable, run_child
from freehold.artifact import Ancestor, MadeBy, Manifest, TensorSpec, save_golden
from freehold.artifact.artifact import sha256_of
from freehold.artifact.manifest import SCHEMA
from freehold.errors import FreeholdError

TOOL = "freehold.adapt.from_tensorflow"
REFUSED = "The model itself takes no inputs of the class {label}, which is not recorded: {reason}"


class _Refused(msgspec.Struct, frozen=True):
    """Shape classes that the model itself takes no inputs of -> what it said."""

    refused: dict[str, str]


def write(asked: Conversion, folder: Path, say: Say) -> Manifest:
    """Write graph, weights and goldens of a SavedModel or Keras file into the empty `folder`; its manifest, unpinned.

    Raises FreeholdError: `tensorflow_...`, `keras_...`, `environment_...`, `input_shape...`, `datatype_unsupported`,
    and as `run_child` and `check_locations`.
    """
    if asked.kind not in ("auto", "tensor"):
        raise FreeholdError("tensorflow_kind", kind=asked.kind, source=asked.source.name)
    source = asked.source.resolve()
    digest = digest_of(source)
    python = FRAMEWORKS["tensorflow"].python(os.environ)
    writes = asked.work / "tensorflow"
    writes.mkdir()
    job = {
        "source": str(source),
        "signature": asked.signature,
        "shapes": asked.input_shapes,
        "names": asked.input_names,
        "opset": asked.opset,
        "seed": asked.seed,
    }
    result = run_child(
        "tensorflow",
        job,
        reads=[source],
        writes=writes,
        trusted=asked.trust_code,
        python=python,
        limits=asked.limits,
        say=say,
    )
    golden = golden_of(writes, result, digest)
    inputs, outputs = specs_of(result)
    check_locations(take_graph(writes, folder))
    save_golden(folder / "goldens" / "raw.json", golden)
    for label, reason in part_of(result, _Refused).refused.items():
        say(REFUSED.format(label=label, reason=printable(reason)))
    return Manifest(
        schema=SCHEMA,
        name=asked.name,
        kind="tensor",
        layout="tensor",
        precision=precision_of(outputs),
        inputs=inputs,
        outputs=outputs,
        made_by=MadeBy(TOOL, __version__, digest),
        files={},
        ancestors=(Ancestor("source", asked.source.name, digest),),
        made_with=result_of(result).made_with,
    )


def digest_of(source: Path) -> str:
    """ "sha256:<hex>" of a file, or of every file of a SavedModel in the form of `sha256sum`.

    Raises FreeholdError `tensorflow_source_invalid` when one cannot be read.
    """
    paths = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    try:
        return weights_digest({path.relative_to(source).as_posix(): sha256_of(path) for path in paths})
    except OSError as error:
        raise FreeholdError("tensorflow_source_invalid", source=source.name, reason=error) from error


def precision_of(outputs: tuple[TensorSpec, ...]) -> str:
    """By whose tolerance the goldens are replayed: that of half precision where any output has it."""
    return "fp16" if any(spec.datatype == "FP16" for spec in outputs) else "fp32"
