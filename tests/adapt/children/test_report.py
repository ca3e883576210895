"""What a child leaves behind, written here in this process."""

import ast
import errno
import io
import json
import sys
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

from freehold.adapt.children import report
from freehold.adapt.children.report import ChildError, RecordedCase, datatype, failure, run, save_cases, shown, step
from freehold.errors import CATALOG


def ran(folder: Path, work: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The result of `work`, which got its job on standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"writes": str(folder)})))
    run(work)
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return result


def test_a_result_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With "ok", and nothing beside it."""
    assert ran(tmp_path, lambda job: {"x": len(job)}, monkeypatch) == {"ok": True, "x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_failure_is_written_and_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent reads the code; the traceback goes to the log."""

    def work(_job: dict[str, Any]) -> dict[str, Any]:
        raise ChildError("not_a_model", path="m.pt", found="a list")

    with pytest.raises(ChildError):
        ran(tmp_path, work, monkeypatch)
    written = json.loads((tmp_path / "result.json").read_text())
    assert written == {"ok": False, "code": "not_a_model", "details": {"path": "m.pt", "found": "a list"}}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "isolated_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "isolated_memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "convert_disk_full"),
        (ValueError("x"), "isolated_failed"),
        (KeyboardInterrupt(), "isolated_failed"),
    ],
)
def test_known_ends_have_codes_of_their_own(error: BaseException, code: str) -> None:
    """Memory and disk are told from all else."""
    assert failure(error)["code"] == code


def test_long_texts_are_cut() -> None:
    """The whole of them is in the log."""
    assert len(shown("x" * 10_000)) < 2100
    assert shown("") == "str"


def test_cases_are_arrays_by_number_and_name(tmp_path: Path) -> None:
    """Read without unpickling; an input called `file` is only a name."""
    array = np.ones((2, 2), np.float16)
    rows = save_cases(str(tmp_path), [RecordedCase("batch 2", {"file": array}, {"y.0": array})])
    assert rows == [{"label": "batch 2", "inputs": ["file"], "outputs": ["y.0"], "text": {}}]
    with np.load(tmp_path / "cases.npz", allow_pickle=False) as arrays:
        assert set(arrays.files) == {"0.in.file", "0.out.y.0"}


def test_types_without_a_name_are_refused() -> None:
    """With those that have one."""
    assert datatype("x", np.zeros(1, np.int64)) == "INT64"
    with pytest.raises(ChildError, match=r"complex128.*FP32"):
        datatype("x", np.zeros(1, np.complex128))


def test_a_step_replaces_the_one_before(tmp_path: Path) -> None:
    """The file always holds one whole text."""
    step(str(tmp_path), "first")
    step(str(tmp_path), "second")
    assert (tmp_path / "step.txt").read_text() == "second"


def test_every_code_that_a_child_reports_fills_its_row() -> None:
    """Its details, with what the parent adds, are all that the texts of both languages show."""
    lacking = []
    for path in sorted(Path(report.__file__).parent.glob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            first = call.args[0] if call.args else None
            if getattr(call.func, "id", "") == "ChildError" and isinstance(first, ast.Constant):
                given = {keyword.arg for keyword in call.keywords} | {"log", "megabytes"}
                shown_fields = {name for text in CATALOG[first.value][1:] for _, name, _, _ in Formatter().parse(text)}
                lacking += [(path.name, first.value, name) for name in shown_fields - given if name is not None]
    assert lacking == []
