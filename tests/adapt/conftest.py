"""Packed runs of what `adapt` writes, and what transformers answers for the same folders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
import pytest
import torch
import transformers

from freehold.adapt.encoder_graph import Dialect, write_graph
from freehold.adapt.folder import open_folder

Ids = Sequence[Sequence[int]]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PackedRun:
    """A graph in a session as the engines open it; called with texts as lists of ids, it answers one row a text."""

    session: onnxruntime.InferenceSession

    def __call__(self, texts: Ids, types: Ids | None = None) -> Array:
        lengths = np.array([len(text) for text in texts])
        feeds = {
            "input_ids": np.concatenate([np.array(text, np.int64) for text in texts]),
            "token_type_ids": np.concatenate([np.array(each, np.int64) for each in types])
            if types
            else np.zeros(lengths.sum(), np.int64),
            "sequence_ids": np.repeat(np.arange(len(texts), dtype=np.int64), lengths),
            "sequence_starts": np.cumsum(lengths) - lengths,
        }
        taken = {node.name for node in self.session.get_inputs()}
        output: Array = self.session.run(None, {name: value for name, value in feeds.items() if name in taken})[0]
        return output


def open_packed(graph: Path) -> PackedRun:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_mem_pattern = False
    return PackedRun(onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"]))


def graph_of(folder: Path, target: Path, dialect: Dialect = "cpu") -> Path:
    """Write the graph of a model folder to `target` and return the ONNX file."""
    target.mkdir(parents=True)
    graph = write_graph(open_folder(folder), dialect)
    graph.save_weights(target)
    graph.save_model(target / "model.onnx")
    return target / "model.onnx"


class Reference:
    """transformers' own model of a folder, one text at a time, without padding."""

    def __init__(self, folder: Path) -> None:
        loader = transformers.AutoModelForSequenceClassification if self._classifies(folder) else transformers.AutoModel
        self.classifies = self._classifies(folder)
        self.model = loader.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()

    @staticmethod
    def _classifies(folder: Path) -> bool:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        return config.architectures[0].endswith("ForSequenceClassification")

    def __call__(
        self, texts: Ids, types: Ids | None = None, *, pooling: Literal["mean", "cls"] = "mean", normalize: bool = True
    ) -> Array:
        rows = []
        for index, text in enumerate(texts):
            more = {"token_type_ids": torch.tensor([types[index]])} if types else {}
            with torch.inference_mode():
                answer = self.model(input_ids=torch.tensor([text]), attention_mask=torch.ones(1, len(text)), **more)
            rows.append(answer.logits[0] if self.classifies else self._pool(answer, pooling, normalize))
        return torch.stack(rows).numpy()

    @staticmethod
    def _pool(answer: Any, pooling: str, normalize: bool) -> torch.Tensor:
        states = answer.last_hidden_state[0]
        pooled = states[0] if pooling == "cls" else states.mean(dim=0)
        return torch.nn.functional.normalize(pooled, dim=0) if normalize else pooled


def random_ids(lengths: Sequence[int], vocab_size: int, seed: int = 0) -> list[list[int]]:
    """Texts of ids that are no special tokens."""
    rng = np.random.default_rng(seed)
    return [rng.integers(5, vocab_size, length).tolist() for length in lengths]


@pytest.fixture(scope="session")
def packed() -> Callable[[Path], PackedRun]:
    """`packed(model.onnx)` opens a graph."""
    return open_packed


@pytest.fixture(scope="session")
def graph_file() -> Callable[..., Path]:
    """`graph_file(folder, target, dialect="cpu")` writes a graph."""
    return graph_of


@pytest.fixture(scope="session")
def reference() -> type[Reference]:
    """`reference(folder)` loads transformers' model."""
    return Reference


@pytest.fixture(scope="session")
def ids() -> Callable[..., list[list[int]]]:
    """`ids(lengths, vocab_size, seed=0)` draws texts."""
    return random_ids
