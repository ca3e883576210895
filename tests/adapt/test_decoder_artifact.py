"""What lies in a decoder's artifact, what makes it another, and what writing it takes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from freehold.adapt.graphs import build
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, load_goldens, save_golden
from freehold.artifact.artifact import sha256_of
from freehold.errors import FreeholdError

Make = Callable[..., Any]


@pytest.fixture
def folder(tiny_decoder: Make) -> Path:
    """A tiny decoder to change."""
    made: Path = tiny_decoder("Qwen3ForCausalLM")
    return made


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4", "w8a8", "fast"])
def test_the_manifest_says_what_an_engine_asks(precision: str, folder: Path, tmp_path: Path) -> None:
    """Kind, layout, lengths, buffer, ends, and the graph for prompts where it is another; every file as pinned."""
    artifact = Artifact.open(build(folder, tmp_path, precision=precision))
    artifact.check_files()
    manifest, decoder = artifact.manifest, artifact.manifest.decoder
    assert decoder is not None
    assert (manifest.kind, manifest.layout, manifest.precision) == ("generate", "slots", precision)
    assert (manifest.limits.max_tokens, manifest.limits.positions) == (512, 512)
    assert (decoder.layers, decoder.kv_heads, decoder.head_size, decoder.vocab_size) == (2, 2, 16, 320)
    assert (decoder.ends, decoder.window) == ((268, 270), 0)
    assert decoder.prefill == ("prefill.onnx" if precision == "fast" else "")
    assert [each.name for each in manifest.inputs] == ["input_ids", "seqlens_k", "total_length", "logits_at"]
    assert [(each.name, each.shape) for each in manifest.outputs] == [("logits", (-1, 320))]
    assert manifest.architecture == "Qwen3ForCausalLM"
    assert manifest.made_by.source == f"sha256:{sha256_of(folder / 'model.safetensors')}"
    texts = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"}
    graphs = {"model.onnx", "model.onnx.data"} | ({"prefill.onnx"} if precision == "fast" else set())
    assert set(manifest.files) == texts | graphs


def test_texts_are_the_folders_own(folder: Path, tmp_path: Path) -> None:
    """The template from the tokenizer's config in a file of its own; without any there is none."""
    artifact = build(folder, tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert (artifact / "chat_template.jinja").read_text() == settings["chat_template"]
    for name in ("tokenizer_config.json", "generation_config.json"):
        assert (artifact / name).read_bytes() == (folder / name).read_bytes()
    (folder / "generation_config.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    bare = build(folder, tmp_path)
    assert {path.name for path in bare.glob("*.json")} == {"manifest.json", "tokenizer.json"}
    assert not (bare / "chat_template.jinja").exists()


def test_windows_are_stated_where_every_layer_has_the_same(tiny_decoder: Make, tmp_path: Path) -> None:
    """One layer that sees everything needs everything kept."""
    slides = {"use_sliding_window": True, "sliding_window": 8}
    windows = []
    for layers in (0, 1):
        artifact = Artifact.open(build(tiny_decoder(max_window_layers=layers, **slides), tmp_path))
        assert artifact.manifest.decoder is not None
        windows.append(artifact.manifest.decoder.window)
    assert windows == [8, 0]


def test_what_shapes_the_artifact_makes_another(folder: Path, tmp_path: Path) -> None:
    """Precision, block size, length, ends, template; a second build finds each again."""
    options: list[dict[str, Any]] = [{}, {"precision": "int4"}, {"precision": "int4", "block": 128}, {"max_tokens": 99}]
    paths = [build(folder, tmp_path, **each) for each in options]
    before = (paths[1] / "model.onnx").stat()
    assert [build(folder, tmp_path, **each) for each in options] == paths
    assert (paths[1] / "model.onnx").stat().st_ino == before.st_ino
    (folder / "generation_config.json").write_text('{"eos_token_id": 5}')
    paths.append(build(folder, tmp_path))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    paths.append(build(folder, tmp_path))
    assert len(set(paths)) == len(paths)


def test_the_same_folder_elsewhere_is_the_same_artifact(tiny_decoder: Make, tmp_path: Path) -> None:
    """Two machines agree on every byte."""
    first, second = (
        Artifact.open(build(tiny_decoder(seed=3), tmp_path / str(index), precision="fast")) for index in range(2)
    )
    assert first.digest == second.digest


def test_a_found_artifact_needs_no_onnx(folder: Path, tmp_path: Path) -> None:
    """A start that finds its graph spends nothing on the library that writes graphs."""
    build(folder, tmp_path)
    program = (
        "import sys; from pathlib import Path; from freehold.adapt.graphs import build; "
        "build(Path(sys.argv[1]), Path(sys.argv[2])); "
        "print(sorted({'onnx', 'torch', 'transformers', 'onnxruntime'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(folder), str(tmp_path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_a_tokenizer_larger_than_the_vocabulary_is_refused_first(tiny_decoder: Make, tmp_path: Path) -> None:
    """With both numbers, before a weight is read, and nothing half-written stays."""
    folder = tiny_decoder()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 256}))
    with pytest.raises(FreeholdError, match=r"274.*256") as caught:
        build(folder, tmp_path / "cache")
    assert caught.value.code == "tokenizer_file_invalid"
    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir() and path.name != "digests"] == []


@pytest.mark.parametrize("damage", ["short", "text"])
def test_a_corrupt_weight_file_is_named(damage: str, folder: Path, tmp_path: Path) -> None:
    """Cut short, or the pointer that a Git checkout without LFS leaves."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5000] if damage == "short" else b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(FreeholdError, match=r"model\.safetensors") as caught:
        build(folder, tmp_path)
    assert caught.value.code == "weights_corrupt"


def test_goldens_that_go_past_the_length_stay_out(folder: Path, tmp_path: Path) -> None:
    """Prompt and answer together."""

    def case(prompt: int, answer: int) -> Case:
        ids = [Tensor.of(np.arange(count, dtype=np.int64)) for count in (prompt, answer)]
        return Case({"prompt_ids": ids[0]}, {"token_ids": ids[1]})

    weights = f"sha256:{sha256_of(folder / 'model.safetensors')}"
    golden = Golden(RecordedBy("transformers", "5", weights), (case(10, 10), case(10, 11)))
    save_golden(folder / "goldens" / "ours.json", golden)
    assert load_goldens(build(folder, tmp_path) / "goldens") == [golden]
    (fewer,) = load_goldens(build(folder, tmp_path, max_tokens=20) / "goldens")
    assert fewer.cases == golden.cases[:1]
    assert load_goldens(build(folder, tmp_path, max_tokens=19) / "goldens") == []


MEASURE = """
import sys, threading
from pathlib import Path
from freehold.adapt import decoder_graph  # imports what writes graphs
from freehold.adapt.graphs import build
def held():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) // 1024
def watch():
    while not done.wait(0.002):
        seen.append(held())
done, seen = threading.Event(), [held()]
watcher = threading.Thread(target=watch)
watcher.start()
build(Path(sys.argv[1]), Path(sys.argv[2]), precision=sys.argv[3])
done.set()
watcher.join()
print(max(seen) - seen[0])
"""


@pytest.fixture(scope="module")
def large(tiny_decoder: Make) -> Path:
    """A decoder of 300 MB as float32, half of it one matrix."""
    folder: Path = tiny_decoder("LlamaForCausalLM", vocab_size=300)
    width, vocabulary = 1024, 38_000
    changes = {"hidden_size": width, "num_hidden_layers": 1, "vocab_size": vocabulary, "intermediate_size": 8192}
    config = json.loads((folder / "config.json").read_text()) | changes | {"tie_word_embeddings": True}
    config |= {"num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 64}
    (folder / "config.json").write_text(json.dumps(config))
    rng = np.random.default_rng(0)
    layer = "model.layers.0"
    shapes = {"model.embed_tokens.weight": (vocabulary, width), "model.norm.weight": (width,)}
    shapes |= {f"{layer}.{name}_layernorm.weight": (width,) for name in ("input", "post_attention")}
    shapes |= {f"{layer}.self_attn.{part}_proj.weight": (width, width) for part in "qkvo"}
    shapes |= {f"{layer}.mlp.{part}_proj.weight": (8192, width) for part in ("gate", "up")}
    shapes[f"{layer}.mlp.down_proj.weight"] = (width, 8192)
    save_file(
        {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}, folder / "model.safetensors"
    )
    return folder


@pytest.mark.parametrize("precision", ["fp32", "fast"])
def test_writing_takes_the_memory_of_a_block(precision: str, large: Path, tmp_path: Path) -> None:
    """Of 300 MB of weights, less than 100 are ever in memory beside the libraries.

    Looked at every two milliseconds, in the process's own memory: pages of the checkpoint are the kernel's to drop.
    """
    command = [sys.executable, "-c", MEASURE, str(large), str(tmp_path / "cache"), precision]
    taken = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert 10 < taken < 100
