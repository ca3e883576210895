"""An .onnx file becomes an artifact: checked, named, and given goldens; its graph is not changed."""

import shutil
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path, PurePosixPath

import numpy as np
import onnxruntime

from freehold import __version__
from freehold.adapt.checked_graph import checked, locations, opset_of
from freehold.adapt.conversion import Conversion, Say
from freehold.adapt.recorded_answers import read_answers
from freehold.artifact import Ancestor, Case, Golden, MadeBy, Manifest, RecordedBy, Tensor, save_golden
from freehold.artifact.artifact import MANIFEST, SIGNATURES
from freehold.artifact.external_data import graph_digest
from freehold.artifact.golden import DATATYPES
from freehold.artifact.manifest import SCHEMA
from freehold.engine.base import Array
from freehold.engine.providers import Session, SessionOptions, open_session
from freehold.engine.tensor import sample_row
from freehold.errors import FreeholdError

TOOL = "freehold.adapt.from_onnx"
Shape = tuple[int, ...]
OWN_NAMES = frozenset({"model.onnx", "goldens", MANIFEST, SIGNATURES})
ROWS = (("batch 1", 1), ("batch 3", 3))


def write(asked: Conversion, folder: Path, say: Say) -> Manifest:
    """The door of .onnx files.

    With `asked.recorded` its answers are the golden, which is `raw`: they come from elsewhere. Without, ONNX Runtime's
    own answers to seeded inputs are, which prove no conversion (`self`).

    Raises FreeholdError `convert_kind_unsuitable`, `convert_opset_kept`, `golden_inputs_refused`,
    `golden_type_unsupported`, `input_shapes_count`, `input_name_unknown`, `input_shape_misfit`, and as `checked`,
    `open_session` and `read_answers`.
    """
    if asked.kind not in ("auto", "tensor"):
        raise FreeholdError("convert_kind_unsuitable", path=asked.source, format="onnx", kind=asked.kind)
    say(f"checking {asked.source.name}")
    model = checked(asked.source)
    opset = opset_of(model)
    if asked.opset is not None and asked.opset != opset:
        raise FreeholdError("convert_opset_kept", path=asked.source, opset=opset, asked=asked.opset)
    target = folder / "model.onnx"
    shutil.copyfile(asked.source, target)
    for location in locations(model):
        if PurePosixPath(location).parts[0] in OWN_NAMES:
            reason = f"its weights lie in {location!r}, a name that an artifact has another use for"
            raise FreeholdError("onnx_invalid", path=asked.source, reason=reason)
        (folder / location).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(asked.source.parent / location, folder / location)
    session = open_session(target, SessionOptions(), asked.name)
    samples = _samples(session, asked)
    digest = graph_digest(asked.source)
    say("recording its answers")
    golden = read_answers(asked.recorded, session, digest) if asked.recorded else _own(session, asked, samples, digest)
    save_golden(folder / "goldens" / ("raw.json" if golden.raw else "self.json"), golden)
    made_with = {"format": "onnx", "opset": str(opset), "onnxruntime": onnxruntime.__version__}
    if model.producer_name:
        made_with["exporter"] = f"{model.producer_name} {model.producer_version}".strip()
    return Manifest(
        SCHEMA,
        asked.name,
        "tensor",
        "tensor",
        "fp32",
        session.inputs,
        session.outputs,
        MadeBy(TOOL, __version__, digest),
        {},
        ancestors=(Ancestor("source", asked.source.name, digest),),
        made_with=made_with,
    )


def _samples(session: Session, asked: Conversion) -> dict[str, Shape]:
    """The shapes that were asked for, by input; they say how long free dimensions are.

    Raises FreeholdError `input_shapes_count`, `input_name_unknown`, `input_shape_misfit`.
    """
    known = {spec.name: spec for spec in session.inputs}
    if len(asked.input_shapes) > len(known):
        count = len(asked.input_shapes)
        raise FreeholdError("input_shapes_count", found=count, expected=len(known), inputs=", ".join(known))
    found: dict[str, Shape] = {}
    told = zip_longest(asked.input_shapes, asked.input_names, asked.input_types, fillvalue="")
    for spec, (shape, name, datatype) in zip(session.inputs, told, strict=False):
        assert isinstance(shape, tuple), "there is a shape for every name and type"
        meant = known.get(name) if name else spec
        if meant is None:
            raise FreeholdError("input_name_unknown", name=name, inputs=", ".join(known))
        typed = DATATYPES[np.dtype(datatype)] if datatype else meant.datatype
        fits = len(shape) == len(meant.shape) and all(
            size in (-1, given) for size, given in zip(meant.shape, shape, strict=True)
        )
        if not fits or typed != meant.datatype:
            given = f"{list(shape)} {typed}"
            expected = f"{list(meant.shape)} {meant.datatype}"
            raise FreeholdError("input_shape_misfit", name=meant.name, found=given, expected=expected)
        found[meant.name] = shape
    return found


def _own(session: Session, asked: Conversion, samples: Mapping[str, Shape], digest: str) -> Golden:
    """What ONNX Runtime answers here to one row and to three. Raises FreeholdError `golden_inputs_refused`."""
    free = all(spec.shape and spec.shape[0] == -1 for spec in session.inputs)
    names = [spec.name for spec in session.outputs]
    cases = []
    for label, rows in ROWS if free else (("as given", 1),):
        feeds = _feeds(session, samples, asked.seed, rows)
        try:
            outputs = dict(zip(names, session.run(names, feeds), strict=True))
        except FreeholdError as error:
            reason = error.details["reason"]
            raise FreeholdError("golden_inputs_refused", path=asked.source, reason=reason) from error
        packed = {name: _packed(name, array) for name, array in outputs.items()}
        cases.append(Case({name: _packed(name, array) for name, array in feeds.items()}, packed, label))
    return Golden(RecordedBy("onnxruntime", onnxruntime.__version__, digest), tuple(cases))


def _feeds(session: Session, samples: Mapping[str, Shape], seed: int, rows: int) -> dict[str, Array]:
    """Seeded rows; the shape that was asked for says how long free dimensions are."""
    feeds = {}
    for spec in session.inputs:
        drawn = [sample_row([spec], samples.get(spec.name), seed + row)[spec.name] for row in range(rows)]
        feeds[spec.name] = np.concatenate(drawn) if rows > 1 else drawn[0]
    return feeds


def _packed(name: str, array: Array) -> Tensor:
    if np.asarray(array).dtype not in DATATYPES:
        raise FreeholdError("golden_type_unsupported", name=name, datatype="BYTES")
    return Tensor.of(np.asarray(array))
