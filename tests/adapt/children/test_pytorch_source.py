"""PyTorch files are opened without running what they carry, unless that was allowed. Here in this process, on files of
the test's own."""

import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from freehold.adapt.children.pytorch_source import globals_of, load, state_of
from freehold.adapt.children.report import ChildError

# What torch says of its own older ways; a child's words go to its log.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


class Planted:
    """Unpickling this writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture(autouse=True)
def _imports(torch_models: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What loading imports is forgotten afterwards: a child would end with it."""
    monkeypatch.setitem(sys.modules, "pytorch_models", torch_models)
    monkeypatch.setattr(sys, "path", list(sys.path))


def job(path: Path, models: ModuleType, name: str = "", form: str = "pickle", trusted: bool = False) -> dict[str, Any]:
    """What the parent sends; `name` is that of a class or a function of the models."""
    code = f"{models.__file__}:{name}" if name else ""
    return {"path": str(path), "format": form, "code": code, "trusted": trusted, "writes": str(path.parent)}


def saved(path: Path, what: object, **options: Any) -> Path:
    torch.save(what, path, **options)
    return path


@pytest.mark.parametrize("old", [False, True])
def test_a_pickled_module_is_refused_with_what_it_wants(tmp_path: Path, torch_models: ModuleType, old: bool) -> None:
    """In both of PyTorch's formats: the classes are listed, nothing is run."""
    path = saved(tmp_path / "net.pt", torch_models.Net(), _use_new_zipfile_serialization=not old)
    with pytest.raises(ChildError, match="pickle_not_trusted") as raised:
        load(job(path, torch_models))
    assert "pytorch_models.Net" in str(raised.value.details["wanted"])


@pytest.mark.parametrize("old", [False, True])
def test_a_planted_payload_does_not_run(tmp_path: Path, torch_models: ModuleType, old: bool) -> None:
    """Inside of a state dict, where it looks harmless."""
    marker = tmp_path / "marker"
    state = {**torch_models.Net().state_dict(), "extra": Planted(marker)}
    path = saved(tmp_path / "net.pth", state, _use_new_zipfile_serialization=not old)
    with pytest.raises(ChildError, match="pickle_not_trusted") as raised:
        load(job(path, torch_models, "Net"))
    assert "touch" in str(raised.value.details["wanted"]) or "Path" in str(raised.value.details["wanted"])
    assert not marker.exists()


def test_a_plain_pickle_is_read_for_its_names_only(tmp_path: Path) -> None:
    """The list is made without unpickling."""
    marker = tmp_path / "marker"
    (tmp_path / "m.pt").write_bytes(pickle.dumps(Planted(marker), protocol=4))
    assert globals_of(str(tmp_path / "m.pt"))
    assert not marker.exists()


def test_with_trust_a_pickled_module_is_loaded(tmp_path: Path, torch_models: ModuleType) -> None:
    """In evaluation mode, with the names of its inputs."""
    loaded = load(job(saved(tmp_path / "net.pt", torch_models.Net().train()), torch_models, trusted=True))
    assert loaded.parameters == ("x",)
    assert not loaded.model.training


def test_a_class_that_cannot_be_found_is_named(tmp_path: Path, torch_models: ModuleType) -> None:
    """The pickle only has the name of its module."""
    path = saved(tmp_path / "net.pt", torch_models.Net(), _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"pytorch_models", b"pytorch_m0dels"))
    with pytest.raises(ChildError, match="pytorch_m0dels"):
        load(job(path, torch_models, trusted=True))


@pytest.mark.parametrize("form", ["pickle", "safetensors"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_state_dict_fills_its_class(tmp_path: Path, torch_models: ModuleType, form: str, prefix: str) -> None:
    """Also as DataParallel names it; the weights are those of the file."""
    net = torch_models.Net()
    path = tmp_path / "weights"
    state = {f"{prefix}{name}": tensor for name, tensor in net.state_dict().items()}
    save_file(state, path) if form == "safetensors" else torch.save(state, path)
    loaded = load(job(path, torch_models, "Net", form))
    assert torch.equal(loaded.model.conv.weight, net.conv.weight)
    assert bool(loaded.notes) == bool(prefix)


def test_the_weights_in_a_checkpoint_are_found(torch_models: ModuleType) -> None:
    """Beside the epoch and the optimizer, under one of the usual names."""
    notes: list[str] = []
    state = torch_models.Line().state_dict()
    assert state_of({"epoch": 3, "model_state_dict": state}, notes) == dict(state)
    assert notes == ["weights taken from 'model_state_dict' of the checkpoint"]
    assert state_of({"epoch": 3}, []) is None
    assert state_of([1, 2], []) is None


def test_a_state_dict_without_its_class_asks_for_it(tmp_path: Path, torch_models: ModuleType) -> None:
    """With the first names, by which a user knows what it is."""
    path = saved(tmp_path / "net.pth", torch_models.Net().state_dict())
    with pytest.raises(ChildError, match=r"state_dict_without_class.*conv\.weight"):
        load(job(path, torch_models))


def test_weights_of_another_class_are_named(tmp_path: Path, torch_models: ModuleType) -> None:
    """What is missing, what is too much, and what has another shape."""
    path = saved(tmp_path / "net.pth", torch_models.Net().state_dict())
    with pytest.raises(ChildError, match="state_dict_mismatch") as raised:
        load(job(path, torch_models, "Line"))
    assert raised.value.details["missing"] == "line.bias, line.weight"
    assert "conv.bias" in str(raised.value.details["unexpected"])
    with pytest.raises(ChildError, match=r"\[8, 3, 3, 3\] instead of \[4, 3, 3, 3\]"):
        load(job(path, torch_models, "with_width"))


@pytest.mark.parametrize(
    ("name", "code"),
    [("broken", "code_not_made"), ("number", "code_no_module"), ("Missing", "code_name_missing")],
)
def test_code_that_makes_no_model_is_told(tmp_path: Path, torch_models: ModuleType, name: str, code: str) -> None:
    """A function that raises, one that returns something else, and a name that is not there."""
    path = saved(tmp_path / "net.pth", torch_models.Net().state_dict())
    with pytest.raises(ChildError, match=code):
        load(job(path, torch_models, name))


def test_code_that_cannot_be_imported_is_told(tmp_path: Path, torch_models: ModuleType) -> None:
    """By its own error."""
    (tmp_path / "unfinished.py").write_text("import nothing_of_that_name\n")
    path = saved(tmp_path / "net.pth", torch_models.Net().state_dict())
    wanted = {**job(path, torch_models), "code": f"{tmp_path / 'unfinished.py'}:Net"}
    with pytest.raises(ChildError, match="nothing_of_that_name"):
        load(wanted)


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], torch.ones(2)])
def test_a_file_without_weights_is_told(tmp_path: Path, torch_models: ModuleType, content: object) -> None:
    """By what it holds instead."""
    with pytest.raises(ChildError, match="not_a_model"):
        load(job(saved(tmp_path / "m.pt", content), torch_models, "Net"))


def test_a_cut_file_is_told(tmp_path: Path, torch_models: ModuleType) -> None:
    """As one that is damaged, not as one that is dangerous."""
    path = saved(tmp_path / "net.pth", torch_models.Net().state_dict())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ChildError, match="checkpoint_damaged"):
        load(job(path, torch_models, "Net"))


def test_reduced_weights_are_computed_in_full_precision(tmp_path: Path, torch_models: ModuleType) -> None:
    """No golden holds bfloat16; the weights keep their values, and a note says so."""
    path = saved(tmp_path / "net.pth", torch_models.Line().bfloat16())
    loaded = load(job(path, torch_models, trusted=True))
    assert loaded.model.line.weight.dtype == torch.float32
    assert loaded.notes == ("weights in bfloat16, computed in float32",)


def test_a_script_needs_no_trust(tmp_path: Path, torch_models: ModuleType) -> None:
    """It holds a program in a language without Python."""
    torch.jit.script(torch_models.Line()).save(str(tmp_path / "line.pt"))
    assert load(job(tmp_path / "line.pt", torch_models, form="script")).parameters == ("x",)


def test_a_program_needs_trust_and_brings_its_sample(tmp_path: Path, torch_models: ModuleType) -> None:
    """Reading a .pt2 archive unpickles parts of it."""
    program = torch.export.export(torch_models.Line(), (torch.randn(2, 4),))
    torch.export.save(program, tmp_path / "line.pt2")
    with pytest.raises(ChildError, match="program_not_trusted"):
        load(job(tmp_path / "line.pt2", torch_models, form="program"))
    loaded = load(job(tmp_path / "line.pt2", torch_models, form="program", trusted=True))
    assert [tuple(tensor.shape) for tensor in loaded.sample] == [(2, 4)]
    assert loaded.call(*loaded.sample).shape == (2, 2)
