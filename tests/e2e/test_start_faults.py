"""What is wrong at the start: one clear sentence with the way out, or a warning and service; nothing half-written."""

import json
import os
import shutil
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import onnx
import pytest

from freehold.adapt.graphs import build

SMALL_FILES = ("prlimit", "--fsize=1000000")
"""No file may grow beyond 1 MB: what a full disk is to whoever writes the 90 MB of MiniLM."""


def embedding(node: Any) -> list[float]:
    """The vector of a text by the only embedding model."""
    vector: list[float] = node.ask("/v1/embeddings", input="whole").json()["data"][0]["embedding"]
    return vector


def model_folder(tiny: Path, target: Path, **changes: object) -> Path:
    """A copy of a tiny model folder; `changes` go into its config.json."""
    shutil.copytree(tiny, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, **changes}))
    return target


@pytest.mark.parametrize("source", ["/models/custom-model", "/app/models/custom-model.onnx"])
def test_a_file_missing_in_a_container_is_named_on_both_sides_of_the_mount(freehold: Any, source: str) -> None:
    """The path inside, and the one on the host that would become it."""
    ended = freehold("serve", source)
    assert ended.code == 1
    assert source in ended.err
    assert f"./models/{Path(source).name}" in ended.err


@pytest.mark.parametrize("given", ["argument", "MODEL_PATH", "config"])
def test_a_missing_file_is_named_with_what_lies_there_instead(freehold: Any, tmp_path: Path, given: str) -> None:
    """However the path was given: what was looked for, the deepest folder that exists, and its files."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "other.onnx").touch()
    wanted = tmp_path / "models" / "mine.onnx"
    if given == "config":
        (tmp_path / "config.yaml").write_text(f"model: {{path: {wanted}}}")
    ended = freehold(
        "serve",
        *([wanted] if given == "argument" else []),
        **({"MODEL_PATH": str(wanted)} if given == "MODEL_PATH" else {}),
    )
    assert ended.code == 1
    assert str(wanted) in ended.err
    assert "other.onnx" in ended.err


def test_a_wrong_input_shape_prints_both(freehold: Any, graphs: dict[str, Path], tmp_path: Path) -> None:
    """The configured shape and the graph's; the server does not come up."""
    (tmp_path / "config.yaml").write_text(
        json.dumps({"model": {"path": str(graphs["sixteen"]), "input_shape": [-1, 17]}})
    )
    ended = freehold("serve")
    assert ended.code == 1
    assert "[-1, 17]" in ended.err
    assert "[-1, 16]" in ended.err


@pytest.mark.parametrize("damage", ["empty", "text", "half", "no data file"])
def test_a_damaged_graph_is_refused_with_its_path(
    freehold: Any, graphs: dict[str, Path], write_onnx: Callable[..., Path], tmp_path: Path, damage: str
) -> None:
    """Nothing in it, something else, cut in the middle, or without the weights that belong beside it."""
    path = tmp_path / "mine.onnx"
    whole = graphs["slow"].read_bytes()
    if damage == "no data file":
        model = onnx.load(graphs["slow"])
        onnx.save(model, path, save_as_external_data=True, location="mine.onnx.data", size_threshold=0)
        (tmp_path / "mine.onnx.data").unlink()
    else:
        path.write_bytes({"empty": b"", "text": b"<html>404</html>", "half": whole[: len(whole) // 2]}[damage])
    ended = freehold("serve", path)
    assert ended.code == 1
    assert str(path) in ended.err
    assert "graph_invalid" in ended.err


def test_a_gguf_file_and_a_folder_of_one_say_what_to_do(freehold: Any, tmp_path: Path) -> None:
    """Served are .onnx files and model folders; a conversion is named for the rest."""
    file = tmp_path / "qwen3-8b-q4_k_m.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 0))
    ended = freehold("serve", file)
    assert ended.code == 1
    assert ".gguf" in ended.err
    assert "freehold convert" in ended.err
    folder = freehold("serve", tmp_path)
    assert folder.code == 1
    assert "qwen3-8b-q4_k_m.gguf" in folder.err


def test_an_awq_folder_says_what_to_do(freehold: Any, tiny_bert_folder: Path, tmp_path: Path) -> None:
    """Weights quantized for a GPU's kernels are no float weights: named, with the folder to take instead."""
    folder = model_folder(
        tiny_bert_folder, tmp_path / "awq", quantization_config={"quant_method": "awq", "bits": 4, "group_size": 128}
    )
    ended = freehold("serve", folder)
    assert ended.code == 1
    assert "awq" in ended.err.lower()
    assert "weights_quantized" in ended.err


@pytest.mark.parametrize("missing", ["tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_names_it(
    freehold: Any, tiny_bert_folder: Path, tmp_path: Path, missing: str
) -> None:
    """A copy that was cut short."""
    folder = model_folder(tiny_bert_folder, tmp_path / "model")
    (folder / missing).unlink()
    ended = freehold("serve", folder)
    assert ended.code == 1
    assert missing.split(".")[0] in ended.err


def test_weights_cut_short_are_refused(freehold: Any, tiny_bert_folder: Path, tmp_path: Path) -> None:
    """A safetensors file without its end."""
    folder = model_folder(tiny_bert_folder, tmp_path / "model")
    os.truncate(folder / "model.safetensors", (folder / "model.safetensors").stat().st_size // 2)
    ended = freehold("serve", folder)
    assert ended.code == 1
    assert "model.safetensors" in ended.err


def test_one_bad_model_does_not_take_the_good_one_along(launch: Any, graphs: dict[str, Path], tmp_path: Path) -> None:
    """The good one answers; the bad one is a 503 with the cause and the fix, and readiness names it."""
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no graph")
    models = [{"id": "bad", "source": str(bad)}, {"id": "good", "source": str(graphs["sixteen"])}]
    node = launch({"models": models}, "--no-tune")
    row = {"name": "x", "shape": [1, 16], "datatype": "FP32", "data": [0] * 16}
    assert node.ask("/v2/models/good/infer", inputs=[row]).status_code == 200
    refused = node.ask("/v2/models/bad/infer", inputs=[row])
    assert refused.status_code == 503
    assert str(bad) in refused.json()["error"]
    ready = node.client.get("/readyz")
    assert ready.status_code == 503
    states = {model["id"]: model["state"] for model in ready.json()["models"]}
    assert states == {"bad": "failed", "good": "ready"}
    assert node.client.get("/livez").status_code == 200


def test_a_port_in_use_names_who_has_it(freehold: Any, graphs: dict[str, Path]) -> None:
    """Its process, and another port to take."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = freehold("serve", graphs["sixteen"], "--port", taken.getsockname()[1])
    assert ended.code == 1
    assert str(os.getpid()) in ended.err
    assert "--port" in ended.err


def test_a_state_folder_that_cannot_be_used_is_a_warning(launch: Any, tiny_bert_folder: Path, tmp_path: Path) -> None:
    """A file lies in its place, or it lies where nobody may write: the server warns and answers from memory."""
    file = tmp_path / "file"
    file.touch()
    for home in (file, Path("/proc/nowhere")):
        node = launch(tiny_bert_folder, "--no-tune", home=home)
        assert len(embedding(node)) == 32
        log = node.leave()
        assert f"{home} cannot be written" in log
        assert file.stat().st_size == 0


def test_a_full_disk_while_a_graph_is_written_leaves_nothing_half(
    freehold: Any, launch: Any, minilm_folder: Path, tmp_path: Path
) -> None:
    """A clear error with the size that is needed; once there is room, the next start serves."""
    home = tmp_path / "home"
    ended = freehold("serve", minilm_folder, "--no-tune", home=home, prefix=SMALL_FILES)
    assert ended.code == 1
    assert "cache_full" in ended.err
    assert str(home) in ended.err
    left = [path for path in (home / "cache").rglob("*") if path.is_file() and path.stat().st_size > 100_000]
    assert left == []
    assert embedding(launch(minilm_folder, "--no-tune", home=home))


@pytest.fixture
def used(node: Any, tmp_path: Path) -> Path:
    """A state folder in which MiniLM has been served before."""
    return Path(shutil.copytree(node.home, tmp_path / "used"))


def test_a_full_disk_while_weights_are_laid_out_costs_only_memory(
    launch: Any, node: Any, used: Path, minilm_folder: Path
) -> None:
    """The copy that processes share cannot be written: the graph itself is served, with the same answers."""
    copies = used / "cache" / "prepacked"
    assert list(copies.rglob("*.onnx.data")), "MiniLM is large enough for a shared copy"
    shutil.rmtree(copies)
    full = launch(minilm_folder, "--no-tune", home=used, prefix=SMALL_FILES)
    assert embedding(full) == pytest.approx(embedding(node), abs=1e-6)
    assert list(copies.rglob("*.onnx*")) == []
    assert "not shared between processes" in full.leave()


@pytest.mark.parametrize("name", ["model.onnx", "model.onnx.data"])
def test_a_damaged_copy_of_the_weights_is_written_again(
    launch: Any, node: Any, used: Path, minilm_folder: Path, name: str
) -> None:
    """The copy laid out for this processor is cut: the server comes up all the same, with the right numbers."""
    (damaged,) = (used / "cache" / "prepacked").rglob(name)
    os.truncate(damaged, damaged.stat().st_size // 2)
    after = launch(minilm_folder, "--no-tune", home=used)
    assert embedding(after) == pytest.approx(embedding(node), abs=1e-6)
    assert not damaged.exists()


@pytest.mark.parametrize("name", ["model.onnx.data", "manifest.json", "tokenizer.json"])
def test_a_damaged_cache_is_written_again(launch: Any, tiny_bert_folder: Path, tmp_path: Path, name: str) -> None:
    """Files cut as a lost power supply leaves them cost one start some seconds and nothing else."""
    home = tmp_path / "home"
    written = build(tiny_bert_folder, home / "cache" / "graphs")
    sound = {path.name: path.stat().st_size for path in written.iterdir()}
    os.truncate(written / name, sound[name] // 2)
    assert len(embedding(launch(tiny_bert_folder, "--no-tune", home=home))) == 32
    assert {path.name: path.stat().st_size for path in written.iterdir()} == sound


def test_a_damaged_tuning_is_measured_again(launch: Any, graphs: dict[str, Path], tmp_path: Path) -> None:
    """Whatever lies in the tuning folder, the model is served."""
    home = tmp_path / "home"
    source = graphs["slow"]
    launch(source, home=home).leave()
    kept = list((home / "cache" / "tuning").glob("*.json"))
    for file in kept:
        file.write_text('{"threads": "many"')
    node = launch(source, home=home)
    assert node.client.get("/readyz").status_code == 200
    assert ("measured again" in node.leave()) == bool(kept)


def test_two_servers_may_start_on_the_same_state(home: Path, launch: Any, minilm_folder: Path, tmp_path: Path) -> None:
    """Both write the same caches at once on a fresh folder; both answer alike."""
    fresh = tmp_path / "home"
    with ThreadPoolExecutor(2) as starts:
        nodes = list(starts.map(lambda _: launch(minilm_folder, "--no-tune", home=fresh), range(2)))
    first, second = map(embedding, nodes)
    assert first == pytest.approx(second, abs=1e-6)
    assert [path.name for path in (fresh / "cache").rglob(".*.building")] == []


def test_models_that_are_still_loading_are_a_503_that_says_so(
    launch: Any, soon: Any, graphs: dict[str, Path], minilm_folder: Path, tmp_path: Path
) -> None:
    """Health answers from the first moment; a model that loads is 503 and not in the list, then 200."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    seen: list[tuple[int, int]] = []

    def watch() -> None:
        def state() -> bool:
            try:
                ready = httpx.get(f"{url}/readyz", trust_env=False).status_code
                asked = httpx.post(f"{url}/v1/embeddings", json={"model": "model", "input": "x"}, trust_env=False)
            except httpx.TransportError:
                return False
            seen.append((ready, asked.status_code))
            return ready == 200

        soon(state, "ready")

    with ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(watch)
        launch(minilm_folder, "--no-tune", "--port", port, home=tmp_path / "home")
        watching.result()
    assert seen[0] == (503, 503)
    assert {pair for pair in seen if pair[0] == 503} <= {(503, 503), (503, 200)}
    assert seen[-1] == (200, 200)
