"""From a model folder to an artifact: whole or absent, found again, and the same for everybody who builds it."""

import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.adapt import goldens
from freehold.adapt.graphs import build
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor, load_goldens, save_golden
from freehold.artifact.artifact import sha256_of
from freehold.errors import FreeholdError

Make = Callable[..., Any]


@pytest.fixture
def folder(encoder_folder: Make, tmp_path: Path) -> Path:
    """A tiny embedding model to change."""
    made: Path = encoder_folder(tmp_path / "my-model")
    return made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Where artifacts go; not there yet."""
    return tmp_path / "cache" / "graphs"


def left_in(cache: Path) -> set[str]:
    """What lies in the cache but artifacts, the memo and locks."""
    return {path.name for path in cache.glob("*") if len(path.name) != 64 and path.suffix != ".lock"} - {"digests"}


def artifacts(cache: Path) -> list[Path]:
    return sorted(path for path in cache.glob("*") if len(path.name) == 64)


def test_minilm(minilm_folder: Path, cache: Path) -> None:
    """The manifest says all that engines and clients ask; the raw golden comes with it; every file is as pinned."""
    artifact = Artifact.open(build(minilm_folder, cache))
    artifact.check_files()
    manifest = artifact.manifest
    assert (manifest.kind, manifest.layout, manifest.precision) == ("embed", "packed", "fp32")
    assert (manifest.pooling, manifest.normalized, manifest.dimensions) == ("mean", True, 384)
    assert (manifest.limits.max_tokens, manifest.limits.positions) == (256, 512)
    assert (manifest.architecture, manifest.license) == ("BertModel", "apache-2.0")
    assert [each.name for each in manifest.inputs] == ["input_ids", "token_type_ids", "sequence_ids", "sequence_starts"]
    assert manifest.outputs[0].shape == (-1, 384)
    assert manifest.made_by.source == f"sha256:{sha256_of(minilm_folder / 'model.safetensors')}"
    assert set(manifest.files) >= {"model.onnx", "model.cuda.onnx", "model.portable.onnx", "model.onnx.data"}
    (golden,) = load_goldens(artifact.path / "goldens")
    assert golden.raw
    assert golden.recorded_by.source == manifest.made_by.source


def test_minilms_golden_holds(minilm_folder: Path, cache: Path, packed: Make) -> None:
    """What transformers answered once is what the artifact answers now."""
    from tokenizers import Tokenizer

    artifact = build(minilm_folder, cache)
    (golden,) = load_goldens(artifact / "goldens")
    tokenizer = Tokenizer.from_file(str(artifact / "tokenizer.json"))
    answers = packed(artifact / "model.onnx")([tokenizer.encode(case.inputs["text"]).ids for case in golden.cases])
    expected = np.stack([case.outputs["embeddings"].array() for case in golden.cases])
    assert len(golden.cases) >= 7
    np.testing.assert_allclose(answers, expected, atol=1e-5)


def test_a_second_build_finds_the_first(folder: Path, cache: Path) -> None:
    """Nothing is written again."""
    first = build(folder, cache)
    before = (first / "model.onnx").stat()
    assert build(folder, cache) == first
    assert (first / "model.onnx").stat().st_ino == before.st_ino


def test_a_found_artifact_needs_no_onnx(minilm_folder: Path, cache: Path) -> None:
    """A start that finds its graph spends nothing on the library that writes graphs, or on torch."""
    build(minilm_folder, cache)
    program = (
        "import sys; from pathlib import Path; from freehold.adapt.graphs import build; "
        "build(Path(sys.argv[1]), Path(sys.argv[2])); "
        "print(sorted({'onnx', 'torch', 'transformers', 'onnxruntime'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(minilm_folder), str(cache)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_the_same_folder_elsewhere_is_the_same_artifact(folder: Path, cache: Path, tmp_path: Path) -> None:
    """Its digest tells content, not place: two machines agree."""
    copy = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, copy)
    first = Artifact.open(build(folder, cache))
    second = Artifact.open(build(copy, tmp_path / "other-cache"))
    assert first.path.name == second.path.name
    assert first.digest == second.digest


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("sentence_bert_config.json", {"max_seq_length": 32}),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True}),
        ("config_sentence_transformers.json", {"prompts": {"query": "other: "}}),
        ("tokenizer_config.json", {"model_max_length": 99}),
    ],
)
def test_what_shapes_the_artifact_makes_another(file: str, change: dict[str, Any], folder: Path, cache: Path) -> None:
    """Lengths, pooling, prompts, tokenizer settings."""
    first = build(folder, cache)
    (folder / file).write_text(json.dumps(change))
    assert build(folder, cache) != first


def test_what_shapes_nothing_makes_no_other(folder: Path, cache: Path) -> None:
    """A README that grows does not cost a conversion."""
    first = build(folder, cache)
    (folder / "README.md").write_text("# A model\n")
    assert build(folder, cache) == first


def test_changed_weights_are_noticed(encoder_folder: Make, folder: Path, cache: Path) -> None:
    """Of the same size, in the same place, a moment later."""
    first = build(folder, cache)
    encoder_folder(folder, seed=1)
    second = build(folder, cache)
    assert second != first
    assert sha256_of(second / "model.onnx.data") != sha256_of(first / "model.onnx.data")


def test_the_callers_length_wins(folder: Path, cache: Path) -> None:
    """Also above the folder's own, up to the positions."""
    assert Artifact.open(build(folder, cache, max_tokens=100)).manifest.limits.max_tokens == 100
    with pytest.raises(FreeholdError) as caught:
        build(folder, cache, max_tokens=129)
    assert caught.value.code == "max_tokens_beyond_positions"


def test_a_damaged_artifact_is_built_again(folder: Path, cache: Path) -> None:
    """A file cut short, as a full disk or a bad copy leaves it."""
    first = build(folder, cache)
    (first / "model.onnx.data").write_bytes(b"")
    assert build(folder, cache) == first
    Artifact.open(first).check_files()


def test_what_a_killed_builder_left_is_cleared(folder: Path, cache: Path) -> None:
    """Its half-written folder neither stays nor is taken for an artifact."""
    first = build(folder, cache)
    shutil.rmtree(first)
    half = cache / f".{first.name}.building"
    half.mkdir()
    (half / "model.onnx.data").write_bytes(b"half")
    assert build(folder, cache) == first
    assert left_in(cache) == set()


def _build_in_child(folder: Path, cache: Path, barrier: Any, results: Any) -> None:
    barrier.wait()
    results.put(str(build(folder, cache)))


def test_builders_at_once_agree(folder: Path, cache: Path) -> None:
    """Four processes, one artifact, nothing left over."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    children = [context.Process(target=_build_in_child, args=(folder, cache, barrier, results)) for _ in range(4)]
    for child in children:
        child.start()
    found = {results.get(timeout=60) for _ in children}
    for child in children:
        child.join()
    assert {Path(path) for path in found} == set(artifacts(cache))
    assert left_in(cache) == set()
    Artifact.open(Path(found.pop())).check_files()


def _limit_files(size: int) -> Callable[[], None]:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_a_disk_that_fills_up_leaves_nothing_half_written(folder: Path, cache: Path) -> None:
    """The kernel refuses further bytes in the middle of the weights; a build with room then succeeds."""
    program = """
import sys
from pathlib import Path
from freehold.adapt.graphs import build
from freehold.errors import FreeholdError
try:
    build(Path(sys.argv[1]), Path(sys.argv[2]))
except FreeholdError as error:
    print(error.code)
"""
    command = [sys.executable, "-c", program, str(folder), str(cache)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True, preexec_fn=_limit_files(60_000))
    assert finished.stdout.strip() == "cache_full"
    assert artifacts(cache) == []
    assert left_in(cache) == set()
    Artifact.open(build(folder, cache)).check_files()


def test_a_cache_that_cannot_be_written_says_so(folder: Path, cache: Path) -> None:
    """A file where its folder should be; the same for a folder without permission or a read-only disk."""
    cache.parent.mkdir()
    cache.write_text("in the way")
    with pytest.raises(FreeholdError, match="File exists") as caught:
        build(folder, cache)
    assert caught.value.code == "cache_unwritable"


HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_builder_blocks_nobody(folder: Path, cache: Path) -> None:
    """The kernel drops its lock with it."""
    first = build(folder, cache)
    shutil.rmtree(first)
    lock = str(cache / f".{first.name}.lock")
    holder = subprocess.Popen([sys.executable, "-c", HOLD, lock], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    waiter = multiprocessing.get_context("spawn").Process(target=build, args=(folder, cache))
    waiter.start()
    time.sleep(0.5)
    assert waiter.is_alive()
    assert not first.exists()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    waiter.join(60)
    assert waiter.exitcode == 0
    Artifact.open(first)


def golden_of(weights: Path, *texts: str) -> Golden:
    rows = tuple(Case({"text": text}, {"embeddings": Tensor.of(np.ones(32, np.float32))}) for text in texts)
    return Golden(RecordedBy("transformers", "5", f"sha256:{sha256_of(weights)}"), rows)


def test_a_folders_own_goldens_come_with_it(folder: Path, cache: Path) -> None:
    """When they were recorded with these very weights."""
    golden = golden_of(folder / "model.safetensors", "a", "b")
    save_golden(folder / "goldens" / "ours.json", golden)
    assert load_goldens(build(folder, cache) / "goldens") == [golden]


def test_goldens_of_other_weights_stop_the_build(folder: Path, cache: Path, encoder_folder: Make) -> None:
    """A fine-tuned copy with the original's proof must not look like a model that never had one."""
    save_golden(folder / "goldens" / "ours.json", golden_of(folder / "model.safetensors", "a"))
    encoder_folder(folder, seed=1)
    with pytest.raises(FreeholdError) as caught:
        build(folder, cache)
    assert caught.value.code == "golden_of_other_weights"
    assert artifacts(cache) == []


def test_weights_in_shards_have_a_digest_of_their_own(tmp_path: Path) -> None:
    """One file is known by its own, several as `sha256sum` lists them."""
    assert goldens.weights_digest({"model.safetensors": "ab"}) == "sha256:ab"
    listing = "aa  model-1.safetensors\nbb  model-2.safetensors\n"
    (tmp_path / "list").write_text(listing)
    shards = {"model-2.safetensors": "bb", "model-1.safetensors": "aa"}
    assert goldens.weights_digest(shards) == f"sha256:{sha256_of(tmp_path / 'list')}"


@pytest.mark.parametrize("precision", ["int8", "int4", "w8a8", "fast"])
def test_encoders_are_written_in_full_precision_alone(precision: str, folder: Path, cache: Path) -> None:
    """A profile of decoders is refused with what there is; bf16 and auto say how the engine computes."""
    with pytest.raises(FreeholdError, match=r"encoder.*fp32, bf16, auto") as caught:
        build(folder, cache, precision=precision)
    assert caught.value.code == "graph_precision_unknown"
    assert build(folder, cache, precision="bf16") == build(folder, cache)


def test_a_decoder_knows_no_other_precision(tiny_decoder: Make, cache: Path) -> None:
    """It names the five that there are."""
    with pytest.raises(FreeholdError, match=r"decoder.*fp32, int8, int4, w8a8, fast") as caught:
        build(tiny_decoder(), cache, precision="bf16")
    assert caught.value.code == "graph_precision_unknown"


def test_an_unknown_architecture_lists_what_is_known(tiny_decoder: Make, cache: Path) -> None:
    """Encoders and decoders, and the engine for the rest."""
    folder = tiny_decoder()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["Gemma3ForCausalLM"]}))
    with pytest.raises(FreeholdError, match=r"Gemma3ForCausalLM.*BertModel.*Qwen3ForCausalLM") as caught:
        build(folder, cache)
    assert caught.value.code == "architecture_unknown"
    assert "engine: vllm" in caught.value.fix


def test_quantized_weights_are_refused(tiny_decoder: Make, cache: Path) -> None:
    """AWQ, GPTQ and the like, by their name."""
    folder = tiny_decoder()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "awq"}}))
    with pytest.raises(FreeholdError, match="awq") as caught:
        build(folder, cache)
    assert caught.value.code == "weights_quantized"
