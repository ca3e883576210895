"""The graphs answer as transformers does, text by text, however texts are packed together."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from freehold.adapt.causal_folder import CausalFolder, open_causal
from freehold.adapt.causal_graph import Dialect, write_causal

Make = Callable[..., Any]
Ids = list[list[int]]
TOLERANCE = 1e-5
VOCABULARY = 320
# Through both branches: one text alone, several within 192 tokens, several beyond.
BATCHES = {"alone": [301], "few": [3, 40, 17, 1, 90], "many": [5, 200, 64, 1, 130, 63, 65, 2]}
FAMILIES = ("Llama", "Mistral", "Qwen2", "Qwen3")


def opened(folder: Path, kind: str = "auto") -> CausalFolder:
    found = open_causal(folder, kind)
    assert found is not None
    return found


@pytest.fixture
def graph(packed: Make, tmp_path: Path) -> Make:
    """`graph(folder, kind="auto", dialect="cpu")` writes a graph and opens it."""

    def make(folder: Path, kind: str = "auto", dialect: Dialect = "cpu") -> Any:
        target = tmp_path / f"graph {kind} {dialect}"
        target.mkdir()
        written = write_causal(opened(folder, kind), dialect)
        written.save_weights(target)
        written.save_model(target / "model.onnx")
        return packed(target / "model.onnx")

    return make


def embeds(folder: Path, *, pooling: str = "lasttoken", normalize: bool = True) -> Path:
    """Make `folder` an embedding model by the files of sentence-transformers."""
    names = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = [f"{place}_{name}" if place else "" for place, name in enumerate(names)]
    modules = [{"path": path, "type": f"models.{name}"} for path, name in zip(paths, names, strict=True)]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{pooling}": True}))
    return folder


def states_of(folder: Path, texts: Ids) -> list[torch.Tensor]:
    """transformers' last states [tokens, hidden] of each text by itself."""
    model = transformers.AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    with torch.inference_mode():
        return [model(input_ids=torch.tensor([text])).last_hidden_state[0] for text in texts]


def normalized(rows: list[torch.Tensor]) -> np.ndarray:
    return np.asarray(torch.nn.functional.normalize(torch.stack(rows), dim=1))


def largest(left: np.ndarray, right: np.ndarray) -> float:
    assert left.shape == right.shape
    return float(np.abs(left - right).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_embeds_as_transformers_does(family: str, tiny_decoder: Make, graph: Make, ids: Make) -> None:
    """The last token's state, normalised, in every company and length."""
    folder = embeds(tiny_decoder(f"{family}ForCausalLM"))
    run = graph(folder)
    for lengths in BATCHES.values():
        texts = ids(lengths, VOCABULARY)
        assert largest(run(texts), normalized([states[-1] for states in states_of(folder, texts)])) <= TOLERANCE
