"""Every raw format on its whole way: converted by the command, proven, served, and right over HTTP."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from freehold.artifact import Tensor
from freehold.artifact.golden import DATATYPES, load_goldens
from freehold.config import parse
from freehold.store.store import Store

PATIENCE_S = 300.0  # PyTorch or TensorFlow starts for each
CODE = Path(__file__).parents[1] / "adapt" / "pytorch_models.py"
LINE = ("--code", f"{CODE}:Line", "--trust-code", "--input-shape", "1,4")


@dataclass(frozen=True)
class Raw:
    """A file that a user has, and the words that convert it."""

    path: Path
    words: tuple[str, ...] = ()
    proof: str = "raw"


def line() -> torch.nn.Sequential:
    """Two layers of torch's own, so that a pickle of it needs no file of ours."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2)).eval()


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory, tensorflow_models: Path, graphs: dict[str, Path]) -> dict[str, Raw]:
    """One file of each format, by the name that its artifact gets."""
    folder = tmp_path_factory.mktemp("raw")
    model, states = line(), {"line.weight": torch.randn(2, 4), "line.bias": torch.randn(2)}
    torch.save(model, folder / "pickled.pt")
    torch.save(states, folder / "states.pth")
    save_file(states, folder / "states.safetensors")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # as the files that people have
        torch.jit.trace(model, torch.zeros(2, 4)).save(folder / "script.pt")
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (torch.zeros(2, 4),), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "program.pt2")
    return {
        "pickled": Raw(folder / "pickled.pt", ("--trust-code", "--input-shape", "1,4")),
        "states": Raw(folder / "states.pth", LINE),
        "tensors": Raw(folder / "states.safetensors", LINE),
        "script": Raw(folder / "script.pt", ("--input-shape", "1,4")),
        "program": Raw(folder / "program.pt2", ("--trust-code",)),
        "savedmodel": Raw(tensorflow_models / "two_answers"),
        "keras": Raw(tensorflow_models / "images.keras"),
        "h5": Raw(tensorflow_models / "sequential.h5"),
        "graph": Raw(graphs["sixteen"], proof="self"),
    }


@pytest.fixture(scope="session")
def served(
    raw: dict[str, Raw],
    tensorflow_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
    shared_freehold: Callable[..., Any],
    shared_launch: Callable[..., Any],
) -> Iterator[tuple[Any, Store]]:
    """One server of all that was converted, and the store that it serves from."""
    home = tmp_path_factory.mktemp("formats") / "freehold"
    variables = {"FREEHOLD_TENSORFLOW_PYTHON": str(tensorflow_python)}
    for name, one in raw.items():
        words = ("convert", one.path, "--name", name, *one.words)
        done = shared_freehold(*words, home=home, patience_s=PATIENCE_S, **variables)
        assert done.code == 0, f"{name}: {done.out}{done.err}"
    models = [{"id": name, "source": f"{name}:1"} for name in raw]
    store = Store(home / "store")
    yield shared_launch({"models": models}, home=home), store
    store.close()


FORMATS = ("pickled", "states", "tensors", "script", "program", "savedmodel", "keras", "h5", "graph")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_goes_its_whole_way(name: str, raw: dict[str, Raw], served: tuple[Any, Store]) -> None:
    """What the raw framework answered is what the server answers."""
    node, store = served
    assert node.client.get(f"/v2/models/{name}").json()["properties"]["proof"] == raw[name].proof
    (golden, *_) = load_goldens(store.path_of(store.find(parse(f"{name}:1"))) / "goldens")
    for case in golden.cases:
        tensors = {key: value.array() for key, value in case.inputs.items() if isinstance(value, Tensor)}
        inputs = [
            {"name": key, "shape": array.shape, "datatype": DATATYPES[array.dtype], "data": array.ravel().tolist()}
            for key, array in tensors.items()
        ]
        answer = node.ask(f"/v2/models/{name}/infer", inputs=inputs)
        assert answer.status_code == 200, answer.text
        for output in answer.json()["outputs"]:
            seen = np.array(output["data"], np.float32).reshape(output["shape"])
            assert np.abs(seen - case.outputs[output["name"]].array()).max() < 1e-5


def test_every_format_is_here(raw: dict[str, Raw]) -> None:
    """The list that is tested is the list that is made."""
    assert tuple(raw) == FORMATS
