"""Goldens: inputs and outputs recorded once, replayed wherever the model goes."""

import base64
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from freehold.artifact.artifact import write_durably
from freehold.errors import FreeholdError

OWN_FRAMEWORKS = frozenset({"freehold", "onnxruntime", "openvino"})

NUMPY_TYPES: dict[str, str] = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
DATATYPES: dict[np.dtype[Any], str] = {np.dtype(code): name for name, code in NUMPY_TYPES.items()}


class Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tensor in JSON: `data` is base64 of the little-endian, row-major bytes."""

    datatype: str
    shape: tuple[int, ...]
    data: str

    @classmethod
    def of(cls, array: np.ndarray) -> "Tensor":
        """Pack `array`; its dtype must be one of the fixed-size Open Inference Protocol types."""
        datatype = DATATYPES[array.dtype.newbyteorder("<")]
        return cls(datatype, array.shape, base64.b64encode(np.ascontiguousarray(array).tobytes()).decode())

    def array(self) -> np.ndarray:
        """Unpack; raises ValueError or KeyError when bytes, shape and datatype do not agree."""
        return np.frombuffer(base64.b64decode(self.data), NUMPY_TYPES[self.datatype]).reshape(self.shape)


class RecordedBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who made the outputs: framework, its version, and "sha256:<hex>" of the weights that it had loaded."""

    framework: str
    version: str
    source: str


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One recorded call; `label` is its shape class ("batch 1", "long", "zh").

    Inputs by kind: embed {"text"}, rerank {"query", "text"}, tensor {input name: Tensor}.

    Outputs are keyed by the graph's output names; for embed and rerank they are one row, [dim] or [labels].
    """

    inputs: dict[str, str | Tensor]
    outputs: dict[str, Tensor]
    label: str = ""


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `goldens/`."""

    recorded_by: RecordedBy
    cases: tuple[Case, ...]

    @property
    def raw(self) -> bool:
        """True when another framework than our runtimes made the outputs: only such a golden proves a conversion."""
        return self.recorded_by.framework not in OWN_FRAMEWORKS


def load_golden(path: Path) -> Golden:
    """Read one golden file. Raises FreeholdError `golden_invalid`."""
    try:
        golden = msgspec.json.decode(path.read_bytes(), type=Golden)
        for case in golden.cases:
            for value in (*case.inputs.values(), *case.outputs.values()):
                if isinstance(value, Tensor):
                    value.array()
    except (OSError, msgspec.MsgspecError, ValueError, KeyError) as error:
        raise FreeholdError("golden_invalid", path=path, reason=str(error)) from error
    return golden


def load_goldens(folder: Path) -> list[Golden]:
    """Every `*.json` of `folder` (an artifact's `goldens/`), in name order; an absent folder has none."""
    return [load_golden(path) for path in sorted(folder.glob("*.json"))]


def save_golden(path: Path, golden: Golden) -> None:
    """Write durably, creating the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, msgspec.json.format(msgspec.json.encode(golden), indent=1))
