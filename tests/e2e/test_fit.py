"""What `doctor --fit` computes is within 15 % of what a real server takes that is loaded to its concurrency."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from bench.decoders import QWEN25_05B, _write_tokenizer
from bench.decoders import tensors as decoder_tensors
from freehold.config import ModelConfig
from freehold.deploy.fitting.model_files import read_model
from freehold.deploy.fitting.needs import MIB, PROCESS_BYTES, load_of, need
from freehold.machine import read_cpu
from tests.conftest import byte_level
from tests.crowd import eventually
from tests.memory_of import Peak

WITHIN = 0.15
Launch = Callable[..., Any]
Measure = Callable[..., None]
SMALL_DECODER = {
    **QWEN25_05B,
    "hidden_size": 1024,
    "num_hidden_layers": 6,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "intermediate_size": 4096,
    "vocab_size": 4096,
    "max_position_embeddings": 2048,
    "eos_token_id": 256,
}
BODY = {"num_hidden_layers": 6, "hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
BASE = {**BODY, "num_hidden_layers": 12}
POSITIONS = {"max_position_embeddings": 1026, "initializer_range": 0.02}


def random_values(shapes: Iterator[tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray[Any, Any]]:
    """Half-precision weights, each from a run of random values of its own: of equal ones the runtime keeps one copy."""
    rng = np.random.default_rng(0)
    made = {}
    for name, shape in shapes:
        run = rng.standard_normal(1 << 18, np.float32) * np.float32(0.02)
        made[name] = np.resize((run + 1 if "norm" in name else run).astype(np.float16), shape)
    return made


def write_decoder(folder: Path, config: dict[str, Any]) -> Path:
    """A decoder's folder; with the vocabulary of Qwen2.5 where it has that size, else with bytes and few words."""
    folder.mkdir()
    save_file(random_values(decoder_tensors(config)), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    if config["vocab_size"] == QWEN25_05B["vocab_size"]:
        _write_tokenizer(folder, config["vocab_size"])
    else:
        byte_level(folder)
    return folder


def write_product(path: Path, width: int, layers: int) -> Path:
    """x [n, width] times `layers` matrices."""
    values = np.random.default_rng(0).standard_normal((width, width), dtype=np.float32) * np.float32(0.02)
    names = ["x", *(f"h{layer}" for layer in range(layers - 1)), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]]) for i in range(layers)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name in ("x", "y")]
    weights = [numpy_helper.from_array(values, f"w{layer}") for layer in range(layers)]
    model = helper.make_model(
        helper.make_graph(nodes, "product", ends[:1], ends[1:], weights), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 10
    onnx.save(model, path)
    return path


@pytest.fixture
def measured(launch: Launch, tmp_path: Path, report: Callable[[str], None]) -> Measure:
    """`measured(model, ask, requests, clients, "--option")`: serve it, send all, and hold the peak against the sum.

    What it holds from being ready on counts; before, files that are read through are mapped for a moment. It is a first
    start, with nothing prepared.
    """

    def one(model: dict[str, Any], ask: Callable[[Any, int], Any], requests: int, clients: int, *options: str) -> None:
        node = launch({"models": [{"id": "model", **model}]}, *options, home=tmp_path / "state")
        node.client.timeout = 600
        eventually(lambda: node.client.get("/readyz").status_code == 200, "ready", 300)
        with Peak(node.process.pid) as peak, ThreadPoolExecutor(clients) as pool:
            answers = list(pool.map(lambda number: ask(node, number), range(requests)))
        assert [answer.status_code for answer in answers] == [200] * requests, answers[0].text[:300]
        config = msgspec.convert({"id": "model", **model}, ModelConfig)
        files = read_model(Path(config.source), config.kind)
        size = need(config, files, load_of(config, files), read_cpu().usable_cores)
        computed = (PROCESS_BYTES + size.sum) / MIB
        sizes = " + ".join(f"{part / MIB:.0f}" for part in (size.weights, size.kv, size.workspace + PROCESS_BYTES))
        report(f"{model['source'].split('/')[-1]}: {sizes} = {computed:.0f} MiB, measured {peak.mb:.0f} MiB")
        assert abs(computed - peak.mb) <= WITHIN * peak.mb, f"{sizes} = {computed:.0f} MiB, measured {peak.mb:.0f} MiB"

    return one


def embed(words: int, tokens: int) -> Callable[[Any, int], Any]:
    """A request of four texts of random ids below `words`: one of `tokens`, the others shorter."""

    def ask(node: Any, number: int) -> Any:
        rng = np.random.default_rng(number)
        texts = [rng.integers(5, words, length).tolist() for length in (tokens, tokens // 2, tokens // 4, 30)]
        return node.ask("/v1/embeddings", model="model", input=texts)

    return ask


def generate(words: int, prompt: int, answer: int) -> Callable[[Any, int], Any]:
    """A request for exactly `answer` tokens after a prompt of ids below `words`; those of eight requests are spread
    over the whole vocabulary, so that all pages of the table are seen."""

    def ask(node: Any, number: int) -> Any:
        ids = (5 + (np.arange(prompt) * 8 + number % 8) * (words - 5) // (prompt * 8)).tolist()
        return node.ask("/v1/completions", model="model", prompt=ids, max_tokens=answer, temperature=0, ignore_eos=True)

    return ask


def infer(rows: int, width: int) -> Callable[[Any, int], Any]:
    """A request of `rows` rows of zeros."""

    def ask(node: Any, number: int) -> Any:
        tensor = {"name": "x", "datatype": "FP32", "shape": [rows, width], "data": [0.0] * (rows * width)}
        return node.ask("/v2/models/model/infer", inputs=[tensor])

    return ask


def test_an_encoder_takes_what_is_computed(
    measured: Measure, encoder_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """6 layers of 768, texts of up to 1,024 tokens, on every core."""
    folder = encoder_folder(tmp_path / "encoder", architecture="XLMRobertaModel", **BODY, **POSITIONS)
    model = {"source": str(folder), "context_length": 1024}
    measured(model, embed(300, 1024), 6, 4, "--no-tune")


def test_a_decoder_takes_what_is_computed(measured: Measure, tmp_path: Path) -> None:
    """6 layers of 1,024 in int4, eight sequences of 512 tokens together."""
    folder = write_decoder(tmp_path / "decoder", SMALL_DECODER)
    generation = {"slots": 8, "kv_mb": 128, "prefix_cache_mb": 16}
    model = {"source": str(folder), "precision": "int4", "context_length": 512, "generation": generation}
    measured(model, generate(4000, 64, 440), 8, 8)


def test_engine_processes_take_what_is_computed(measured: Measure, tmp_path: Path) -> None:
    """64 MiB of weights, mapped by three processes of engines."""
    graph = write_product(tmp_path / "product.onnx", 2048, 4)
    measured({"source": str(graph), "workers": 3}, infer(4, 2048), 12, 6, "--no-tune")


@pytest.mark.soak
def test_a_reranker_takes_what_is_computed(
    measured: Measure, encoder_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """8 layers of 512, pairs of up to 510 tokens."""
    shape = {"num_hidden_layers": 8, "hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048}
    folder = encoder_folder(
        tmp_path / "reranker", architecture="XLMRobertaForSequenceClassification", labels=1, **shape, **POSITIONS
    )

    def ask(node: Any, number: int) -> Any:
        texts = ["a" * 900, "b" * 400, "c" * 30]
        return node.ask("/rerank", model="model", query="q" * 100, texts=texts)

    measured({"source": str(folder), "context_length": 1024}, ask, 8, 4, "--no-tune")


@pytest.mark.soak
@pytest.mark.parametrize("precision", ["fp32", "int8", "int4", "w8a8", "fast"])
def test_a_decoder_of_real_size_takes_what_is_computed(measured: Measure, tmp_path: Path, precision: str) -> None:
    """Qwen2.5-0.5B's shape and vocabulary, eight sequences of 1,024 tokens together, in every precision."""
    folder = write_decoder(tmp_path / f"qwen2.5-0.5b-{precision}", QWEN25_05B)
    generation = {"slots": 8, "kv_mb": 256, "prefix_cache_mb": 32}
    model = {"source": str(folder), "precision": precision, "context_length": 1024, "generation": generation}
    measured(model, generate(151_000, 320, 684), 8, 8)


@pytest.mark.soak
def test_an_encoder_of_real_size_takes_what_is_computed(
    measured: Measure, encoder_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """XLM-RoBERTa base's body, tuning included; tables are MiniLM's affair."""
    folder = encoder_folder(tmp_path / "xlm-r-base", architecture="XLMRobertaModel", **BASE, **POSITIONS)
    model = {"source": str(folder), "context_length": 1024, "limits": {"deadline_s": 600}}
    measured(model, embed(355, 1024), 16, 4)


@pytest.mark.soak
def test_an_encoder_in_openvino_takes_what_is_computed(
    measured: Measure, encoder_folder: Callable[..., Path], tmp_path: Path
) -> None:
    """12 layers of 768, in bf16 where the processor has it: OpenVINO has a copy of the weights beside the graph's."""
    folder = encoder_folder(tmp_path / "openvino", architecture="XLMRobertaModel", **BASE, **POSITIONS)
    precision = "bf16" if read_cpu().flags & {"avx512_bf16", "amx_bf16"} else "fp32"
    model = {"source": str(folder), "context_length": 1024, "device": "openvino", "precision": precision}
    measured(model, embed(300, 1024), 6, 4, "--no-tune")


@pytest.mark.soak
def test_minilm_takes_what_is_computed(measured: Measure, minilm_folder: Path) -> None:
    """The real one, every word of its vocabulary asked for sooner or later."""
    measured({"source": str(minilm_folder), "limits": {"deadline_s": 600}}, embed(30_000, 250), 400, 8)
