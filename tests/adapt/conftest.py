"""Packed runs of what `adapt` writes, and what transformers answers for the same folders."""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import transformers

from freehold.adapt.encoder_graph import Dialect, write_graph
from freehold.adapt.folder import open_folder
from freehold.artifact import Artifact, write_manifest

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


class SlotRun:
    """A decoder's graphs as an engine opens them, over a key-value buffer of its own that present and past share."""

    def __init__(self, artifact: Path, slots: int = 1, capacity: int = 128, threads: int = 1) -> None:
        decoder = Artifact.open(artifact).manifest.decoder
        assert decoder is not None
        self.decoder, self.capacity = decoder, capacity
        self.decode = self._open(artifact / "model.onnx", threads)
        self.prefill = self._open(artifact / decoder.prefill, threads) if decoder.prefill else self.decode
        shape = (slots, decoder.kv_heads, capacity, decoder.head_size)
        names = [f"{layer}.{part}" for layer in range(decoder.layers) for part in ("key", "value")]
        self.buffers = {name: np.zeros(shape, np.float32) for name in names}
        self.lengths = [0] * slots

    @staticmethod
    def _open(graph: Path, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])

    def step(self, ids: Array, slots: slice, logits_at: Sequence[int], session: onnxruntime.InferenceSession) -> Array:
        """Append ids [rows, tokens] to the rows of `slots`; logits at the flattened positions `logits_at`."""
        rows = range(*slots.indices(len(self.lengths)))
        for row in rows:
            self.lengths[row] += ids.shape[1]
        ends = np.array([self.lengths[row] - 1 for row in rows], np.int32)
        binding = session.io_binding()
        binding.bind_cpu_input("input_ids", np.ascontiguousarray(ids, np.int64))
        binding.bind_cpu_input("seqlens_k", ends)
        binding.bind_cpu_input("total_length", np.array(ends.max() + 1, np.int32))
        binding.bind_cpu_input("logits_at", np.array(logits_at, np.int64))
        for name, buffer in self.buffers.items():
            part = buffer[slots]
            place = ("cpu", 0, np.float32, list(part.shape), part.ctypes.data)
            binding.bind_input(f"past.{name}", *place)
            binding.bind_output(f"present.{name}", *place)
        binding.bind_output("logits")
        session.run_with_iobinding(binding)
        logits: Array = binding.get_outputs()[-1].numpy()
        return logits

    def fill(self, slot: int, prompt: Sequence[int], chunk: int = 1 << 30) -> Array:
        """Put a prompt into a slot, `chunk` tokens at a time; the logits after its last token, [vocab]."""
        self.lengths[slot] = 0
        logits = np.empty(0, np.float32)
        for start in range(0, len(prompt), chunk):
            part = np.array([prompt[start : start + chunk]])
            logits = self.step(part, slice(slot, slot + 1), [part.shape[1] - 1], self.prefill)[0]
        return logits

    def greedy(self, prompts: Ids, new: int, chunk: int = 1 << 30) -> list[list[int]]:
        """The most probable continuations of prompts, one a slot, decoded together."""
        best = [int(self.fill(slot, prompt, chunk).argmax()) for slot, prompt in enumerate(prompts)]
        answers = [[token] for token in best]
        for _ in range(new - 1):
            ids = np.array([[answer[-1]] for answer in answers])
            logits = self.step(ids, slice(0, len(prompts)), range(len(prompts)), self.decode)
            for answer, token in zip(answers, logits.argmax(axis=1), strict=True):
                answer.append(int(token))
        return answers


def continuations(folder: Path, prompts: Ids, new: int) -> list[list[int]]:
    """What transformers generates greedily after each prompt, end tokens ignored."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=torch.float32).eval()
    settings = {"do_sample": False, "max_new_tokens": new, "min_new_tokens": new, "eos_token_id": None}
    with torch.inference_mode():
        made = [model.generate(torch.tensor([prompt]), **settings)[0, len(prompt) :] for prompt in prompts]
    return [answer.tolist() for answer in made]


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


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Threads that wait for one another cost a tiny model most of its time."""
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(usual)


@pytest.fixture(scope="session")
def slot_run() -> type[SlotRun]:
    """`slot_run(artifact, slots=1, capacity=128)` opens a decoder."""
    return SlotRun


@pytest.fixture(scope="session")
def generated() -> Callable[[Path, Ids, int], list[list[int]]]:
    """`generated(folder, prompts, new)` is what transformers generates greedily."""
    return continuations


@pytest.fixture(scope="session")
def ids() -> Callable[..., list[list[int]]]:
    """`ids(lengths, vocab_size, seed=0)` draws texts."""
    return random_ids


def plant(artifact: Path, weight: str) -> None:
    """Change one element of one weight of an artifact, and pin the file so: no digest shows it."""
    model = onnx.load(artifact / "model.onnx", load_external_data=False)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
    place = {entry.key: entry.value for entry in tensor.external_data}
    values = np.memmap(artifact / place["location"], np.float32, "r+", int(place["offset"]), tuple(tensor.dims))
    values[tuple(size // 2 for size in tensor.dims)] += 1
    values.flush()
    write_manifest(artifact, Artifact.open(artifact).manifest)


@pytest.fixture(scope="session")
def planted() -> Callable[[Path, str], None]:
    """`planted(artifact, weight)` changes one element of a weight."""
    return plant


@pytest.fixture(scope="session")
def torch_models() -> ModuleType:
    """`pytorch_models.py` of this folder, under the name that a pickle of its classes gives it."""
    path = Path(__file__).with_name("pytorch_models.py")
    spec = importlib.util.spec_from_file_location("pytorch_models", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pytorch_models"] = module
    spec.loader.exec_module(module)
    return module
