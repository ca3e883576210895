"""What engine tests share: small ONNX graphs, tokenizers, and engine processes to look at."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from freehold.adapt import graphs
from freehold.engine.base import TensorRequest
from freehold.engine.pool import WorkerPool
from freehold.engine.settings import EngineSettings

Save = Callable[..., Path]
DecoderArtifact = Callable[..., Path]


@pytest.fixture(scope="session")
def decoder_folder(tiny_decoder: Callable[..., Path]) -> Path:
    """A tiny Qwen2 with random weights, 320 ids and 512 positions. Do not write here."""
    return tiny_decoder()


@pytest.fixture(scope="session")
def decoder_artifact(decoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> DecoderArtifact:
    """`decoder_artifact(precision="fp32", **options of graphs.build)`: its artifact, written once a session."""
    cache = tmp_path_factory.mktemp("decoder-artifacts")

    def written(precision: str = "fp32", **options: Any) -> Path:
        return graphs.build(decoder_folder, cache, precision=precision, **options)

    return written


@pytest.fixture(scope="session")
def of_transformers() -> Callable[[Path, list[list[int]], int], list[list[int]]]:
    """`of_transformers(folder, prompts, most)`: what transformers answers, greedily, one prompt at a time."""
    import torch
    import transformers

    def answered(folder: Path, prompts: list[list[int]], most: int) -> list[list[int]]:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        answers = []
        for prompt in prompts:
            ids = torch.tensor([prompt])
            with torch.inference_mode():
                answer = model.generate(
                    ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False, eos_token_id=None
                )
            answers.append(answer[0, len(prompt) :].tolist())
        return answers

    return answered


class Engines:
    """Pools of engine processes, what is asked of them, and what the operating system knows of them."""

    LONG = 1_000_000
    """Turns of the slow graph that take minutes: until somebody ends the process."""

    @staticmethod
    @asynccontextmanager
    async def loaded(path: Path, workers: int, settings: EngineSettings | None = None) -> AsyncIterator[WorkerPool]:
        """A pool that is loaded, and closed in the end."""
        pool = WorkerPool(path, path.stem, settings or EngineSettings(tune=False, cores=1), workers)
        await pool.load()
        try:
            yield pool
        finally:
            await pool.close(5.0)

    @staticmethod
    def turns(count: int) -> TensorRequest:
        """For the slow graph."""
        return TensorRequest({"turns": np.array([count])})

    @staticmethod
    def row(value: float = 1.0, rows: int = 1) -> TensorRequest:
        """For the small MLP."""
        return TensorRequest({"x": np.full((rows, 16), value, np.float32)})

    @staticmethod
    async def until(condition: Callable[[], bool]) -> None:
        """Wait for what happens in other processes."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - what happens in other processes sets no event
                await asyncio.sleep(0.005)

    @staticmethod
    def requests_of(pool: WorkerPool) -> dict[int, int]:
        """Requests in flight by process id."""
        return {link.process.pid: len(link.pending) for link in pool._links}

    def busy(self, pool: WorkerPool) -> int:
        """The process that has the only request, once it has begun."""
        (pid,) = (pid for pid, count in self.requests_of(pool).items() if count)
        return pid

    @staticmethod
    def alive(pid: int) -> bool:
        """False for a zombie too."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return False
        return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="session")
def engines() -> Engines:
    """Engine processes."""
    return Engines()


def _save(path: Path, nodes: list, inputs: list, outputs: list, weights: list | None = None) -> Path:
    graph = helper.make_graph(nodes, "test", inputs, outputs, weights or [])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def mlp_graph(tmp_path: Path) -> Path:
    """[batch, 16] -> [batch, 4]: every row by itself."""
    rng = np.random.default_rng(7)
    weights = [
        numpy_helper.from_array(rng.standard_normal((16, 32), dtype=np.float32), "w1"),
        numpy_helper.from_array(rng.standard_normal((32, 4), dtype=np.float32), "w2"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])
    return _save(tmp_path / "mlp.onnx", nodes, [x], [y], weights)


@pytest.fixture
def centred_graph(tmp_path: Path) -> Path:
    """[batch, 3] minus its mean over the batch: rows influence one another although every shape says batch."""
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["x", "m"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])
    return _save(tmp_path / "centred.onnx", nodes, [x], [y])


@pytest.fixture
def static_graph(tmp_path: Path) -> Path:
    """[1, 2, 3] -> the same, doubled: an export with a static batch."""
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2, 3])
    return _save(tmp_path / "static.onnx", nodes, [x], [y])


@pytest.fixture
def lookup_graph(tmp_path: Path) -> Path:
    """Rows of a table of 10 by index, [batch, n] int64 -> [batch, n] float32: an index of 10 or more is refused."""
    table = numpy_helper.from_array(np.arange(10, dtype=np.float32), "table")
    nodes = [helper.make_node("Gather", ["table", "i"], ["y"])]
    i = helper.make_tensor_value_info("i", TensorProto.INT64, ["batch", "n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "n"])
    return _save(tmp_path / "lookup.onnx", nodes, [i], [y], [table])


@pytest.fixture
def slow_graph(tmp_path: Path) -> Path:
    """`turns` int64 [1] -> `y` float32 [1000]: about 10 microseconds a turn, one request after the other."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["v"], ["w"])],
        "turn",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [1000]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [1000]),
        ],
    )
    nodes = [
        helper.make_node("Squeeze", ["turns"], ["count"]),
        helper.make_node("Loop", ["count", "yes", "begin"], ["y"], body=body),
    ]
    weights = [
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.ones(1000, np.float32), "begin"),
    ]
    turns = helper.make_tensor_value_info("turns", TensorProto.INT64, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1000])
    graph = helper.make_graph(nodes, "slow", [turns], [y], weights)
    path = tmp_path / "slow.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


CORPUS = [
    '{"name": "Ann", "age": 31, "tags": ["a", "b"], "ok": true, "none": null}',
    "The quick brown fox jumps over the lazy dog, doesn't it? Yes: 3.14 of 2,718 times.",
    "日本語のテキストと中文文本，一起来。 Ünïcödé, naïve café.",
    "flags 🇯🇵 family 👨‍👩‍👧 thumbs 👍🏽",
]
SPECIALS = ["<unk>", "<s>", "</s>", "<tool_call>"]
SPACE = "▁"  # what SentencePiece writes for a blank


def _trained(tokenizer: Tokenizer, **options: object) -> Tokenizer:
    makers = {"BPE": trainers.BpeTrainer, "Unigram": trainers.UnigramTrainer, "WordPiece": trainers.WordPieceTrainer}
    make = makers[type(tokenizer.model).__name__]
    trainer = make(vocab_size=700, show_progress=False, **{"special_tokens": SPECIALS, **options})
    tokenizer.train_from_iterator(CORPUS * 5, trainer)
    return tokenizer


def _with_bytes(tokenizer: Tokenizer) -> Tokenizer:
    """Trained, with a token for each byte: in the vocabulary, as SentencePiece has them, and not special."""
    _trained(tokenizer, special_tokens=[*SPECIALS, *(f"<0x{byte:02X}>" for byte in range(256))])
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [token for token in document["added_tokens"] if token["content"] in SPECIALS]
    return Tokenizer.from_str(json.dumps(document))


@pytest.fixture(scope="session")
def byte_level() -> Tokenizer:
    """The kind of GPT-2, Qwen and Llama 3."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _trained(tokenizer, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())


@pytest.fixture(scope="session")
def byte_fallback() -> Tokenizer:
    """The kind of Llama 2: a blank before the text that decoding takes away, bytes for what has no token."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    return _with_bytes(tokenizer)


@pytest.fixture(scope="session")
def tokenizer_kinds(byte_level: Tokenizer, byte_fallback: Tokenizer) -> dict[str, Tokenizer]:
    """A small one of each kind that models come with."""
    gemma = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    gemma.normalizer = normalizers.Replace(" ", SPACE)
    gemma.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    metaspace = Tokenizer(models.Unigram())
    metaspace.pre_tokenizer = pre_tokenizers.Metaspace()
    metaspace.decoder = decoders.Metaspace()
    _trained(metaspace, unk_token="<unk>")
    wordpiece = Tokenizer(models.WordPiece(unk_token="<unk>"))
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.decoder = decoders.WordPiece()
    suffixed = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    suffixed.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    suffixed.decoder = decoders.BPEDecoder()
    return {
        "byte level": byte_level,
        "byte fallback": byte_fallback,
        "byte fallback, nothing stripped": _with_bytes(gemma),
        "metaspace": metaspace,
        "word pieces": _trained(wordpiece),
        "word ends": _trained(suffixed, end_of_word_suffix="</w>"),
        "no decoder": _trained(Tokenizer(models.BPE(unk_token="<unk>"))),
    }
