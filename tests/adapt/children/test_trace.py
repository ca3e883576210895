"""The child that records modules, run in this process: what it is told, and what it leaves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from freehold.adapt.children.report import ChildError
from freehold.adapt.children.trace import MODULES, work

# What torch says of itself when it saves or reads a program; a child's words go to its log.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


def job_of(folder: Path, loader: str, path: Path, **arrays: np.ndarray) -> dict[str, Any]:
    writes = folder / "writes"
    writes.mkdir()
    np.savez(folder / "inputs.npz", **{f"0.{name}": array for name, array in arrays.items()})
    return {
        "loader": loader,
        "path": str(path),
        "format": "script" if path.suffix == ".pt" else "program",
        "code": "",
        "inputs": str(folder / "inputs.npz"),
        "writes": str(writes),
        "trusted": True,
    }


def test_a_folder_is_loaded_by_the_class_that_saved_it(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """Every module's output and what went into it, by its number; inputs that the class does not take are left out."""
    ids = np.array([[2, 10, 11, 3]])
    job = job_of(tmp_path, "huggingface", tiny_bert_folder, input_ids=ids, attention_mask=np.ones_like(ids), other=ids)
    result = work(job)
    (rows,) = result["samples"]
    names = [row["name"] for row in rows]
    assert names.index("encoder.layer.0.attention.self.query") < names.index("encoder.layer.1.output.dense")
    with np.load(Path(job["writes"]) / MODULES) as arrays:
        assert arrays[f"0.{names.index('encoder.layer.1')}.out"].shape == (1, 4, 32)
        assert arrays[f"0.{names.index('encoder.layer.1.output.dense')}.in"].shape == (1, 4, 64)


def test_a_class_that_nobody_has_is_named(tmp_path: Path) -> None:
    """Only a folder's own code could bring it, and that was not trusted."""
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForDreaming"]}')
    job = {**job_of(tmp_path, "huggingface", tmp_path, input_ids=np.ones((1, 2), np.int64)), "trusted": False}
    with pytest.raises(ChildError) as caught:
        work(job)
    assert (caught.value.code, caught.value.details["architecture"]) == ("trace_no_class", "BertForDreaming")


def test_a_script_hides_its_modules(tmp_path: Path) -> None:
    """It is no Python, so nothing can be hooked into it."""
    torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2)).save(tmp_path / "model.pt")
    with pytest.raises(ChildError) as caught:
        work(job_of(tmp_path, "pytorch", tmp_path / "model.pt", x=np.ones((1, 2), np.float32)))
    assert caught.value.code == "trace_no_modules"


def test_a_program_shows_the_modules_that_it_kept(tmp_path: Path) -> None:
    """What torch.export saved knows which module each operator came from."""
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    torch.export.save(torch.export.export(net, (torch.ones(1, 2),)), tmp_path / "model.pt2")
    result = work(job_of(tmp_path, "pytorch", tmp_path / "model.pt2", x=np.ones((1, 2), np.float32)))
    assert [row["name"] for row in result["samples"][0]] == ["0", "1", "2"]
