"""What a child process leaves behind: `result.json` and `cases.npz` in the one folder that it may write to.

Standard library and numpy only. The parent believes none of it before it was checked (`adapt/child_results.py`).
"""

import errno
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

RESULT, CASES, STEP = "result.json", "cases.npz", "step.txt"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
LONGEST = 2000  # characters of one detail of a failure; the whole of it is in the log

Array = np.ndarray[Any, Any]

DATATYPES = {
    "bool": "BOOL",
    **{f"uint{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"FP{bits}" for bits in (16, 32, 64)},
}


class ChildError(Exception):
    """A failure with a code of Freehold's table of errors; `details` fill its placeholders (`log` is added)."""

    def __init__(self, code: str, /, **details: object) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details


class RecordedCase(NamedTuple):
    """One call of the raw model: its shape class ("batch 3"), and arrays by the names that the graph gives them.

    For a text model `text` holds {"text"} or {"query", "text"} instead of tensors.
    """

    label: str
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    text: Mapping[str, str] = {}


def run(work: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The whole of a child: the job from standard input, `work`, and its result or its failure into `job["writes"]`.

    `work` is given the job and returns the result without "ok"; it raises ChildError for what has a code. Everything
    else that it raises is reported as `isolated_failed`, and ends the process with its traceback.
    """
    job = json.load(sys.stdin)
    folder = Path(job["writes"])
    try:
        result = {"ok": True, **work(job)}
    except BaseException as error:
        _write(folder, {"ok": False, **failure(error)})
        raise
    _write(folder, result)


def failure(error: BaseException) -> dict[str, Any]:
    """Code and details of what `work` raised."""
    if isinstance(error, ChildError):
        return {"code": error.code, "details": {key: shown(value) for key, value in error.details.items()}}
    said = str(error).strip()
    if isinstance(error, OSError) and error.errno in FULL:
        return {"code": "convert_disk_full", "details": {"path": "the output folder"}}
    if isinstance(error, MemoryError) or "can't allocate memory" in said or "bad_alloc" in said:
        return {"code": "isolated_memory", "details": {}}
    return {
        "code": "isolated_failed",
        "details": {"error": shown(f"{type(error).__name__}: {said}" if said else error)},
    }


def shown(value: object) -> str:
    """`value` as a short text."""
    text = str(value) or type(value).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def step(writes: str, text: str) -> None:
    """Say what is being done now; the parent shows it."""
    aside = Path(writes) / f".{STEP}"
    aside.write_text(text, encoding="utf-8")
    aside.replace(Path(writes) / STEP)


def save_cases(writes: str, cases: Sequence[RecordedCase]) -> list[dict[str, Any]]:
    """Write the arrays of `cases` to `cases.npz`; what "cases" of the result is to be.

    Raises ChildError `datatype_unsupported` for an array of a type that no golden holds.
    """
    arrays: dict[str, Array] = {}
    rows: list[dict[str, Any]] = []
    for number, case in enumerate(cases):
        for way, tensors in (("in", case.inputs), ("out", case.outputs)):
            for name, array in tensors.items():
                datatype(name, array)
                arrays[f"{number}.{way}.{name}"] = array
        rows.append(
            {
                "label": case.label,
                "inputs": list(case.inputs),
                "outputs": list(case.outputs),
                "text": dict(case.text),
            }
        )
    with (Path(writes) / CASES).open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type] # its stub takes a name of ours for its own option
    return rows


def datatype(name: str, array: Array) -> str:
    """The Open Inference Protocol's name of an array's type. Raises ChildError `datatype_unsupported`."""
    known = DATATYPES.get(array.dtype.name)
    if known is None:
        raise ChildError(
            "datatype_unsupported", name=name, datatype=array.dtype.name, known=", ".join(DATATYPES.values())
        )
    return known


def described(name: str, array: Array, shape: Sequence[int | str]) -> dict[str, Any]:
    """One row of "inputs" or "outputs": free dimensions of `shape` are their names."""
    return {"name": name, "datatype": datatype(name, array), "shape": list(shape)}


def _write(folder: Path, result: dict[str, Any]) -> None:
    aside = folder / f".{RESULT}"
    aside.write_text(json.dumps(result), encoding="utf-8")
    aside.replace(folder / RESULT)
