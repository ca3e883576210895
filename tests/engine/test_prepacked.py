"""One copy of the weights for all processes, and never a reason not to start."""

import logging
import multiprocessing
import resource
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.artifact.external_data import graph_digest
from freehold.engine import prepacked as module
from freehold.engine.prepacked import discard, prepacked
from freehold.engine.providers import SessionOptions
from freehold.engine.session import OnnxSession, open_graph

WIDTH = 1024


def write_deep(path: Path, layers: int) -> Path:
    """[n, 1024] -> [n, 1024] through `layers` matrices of 4 MB."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal((WIDTH, WIDTH), dtype=np.float32) / 32, f"w{i}")
        for i in range(layers)
    ]
    nodes = [helper.make_node("MatMul", [f"h{i}", f"w{i}"], [f"h{i + 1}"]) for i in range(layers)]
    x = helper.make_tensor_value_info("h0", TensorProto.FLOAT, ["n", WIDTH])
    y = helper.make_tensor_value_info(f"h{layers}", TensorProto.FLOAT, ["n", WIDTH])
    graph = helper.make_graph(nodes, "deep", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def deep_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 MB of weights. Do not write here."""
    return write_deep(tmp_path_factory.mktemp("deep") / "deep.onnx", 3)


def options(graph: Path, state: Path | None, cpu_key: str = "cpu") -> SessionOptions:
    return SessionOptions(state=state, cpu_key=cpu_key, digest=graph_digest(graph))


def opened(graph: Path, state: Path | None, cpu_key: str = "cpu") -> OnnxSession:
    return open_graph(graph, options(graph, state, cpu_key), "deep")


def run(session: OnnxSession, rows: int = 3) -> np.ndarray:
    x = np.random.default_rng(5).standard_normal((rows, WIDTH), dtype=np.float32)
    (name,) = (spec.name for spec in session.outputs)
    return session.run([name], {"h0": x})[0]


def copies(state: Path) -> list[Path]:
    return sorted(state.rglob("model.onnx"))


def test_the_copy_computes_the_same_bit_for_bit(deep_graph: Path, tmp_path: Path) -> None:
    """For one row and for many, which take different kernels."""
    plain, mapped, again = opened(deep_graph, None), opened(deep_graph, tmp_path), opened(deep_graph, tmp_path)
    assert len(copies(tmp_path)) == 1
    for rows in (1, 3, 64):
        np.testing.assert_array_equal(run(mapped, rows), run(plain, rows))
        np.testing.assert_array_equal(run(again, rows), run(plain, rows))


def test_small_graphs_and_no_state_get_no_copy(mlp_graph: Path, deep_graph: Path, tmp_path: Path) -> None:
    """There is nothing to save, or nowhere to keep it."""
    assert prepacked(mlp_graph, tmp_path, "cpu", "sha256:0") == mlp_graph
    assert prepacked(deep_graph, None, "cpu", "sha256:0") == deep_graph
    assert not list(tmp_path.rglob("model.onnx"))


def test_files_of_the_same_prefix_do_not_count_as_weights(mlp_graph: Path, tmp_path: Path) -> None:
    """A backup beside a small graph makes it no larger."""
    mlp_graph.with_name("mlp.onnx.bak").write_bytes(b"\0" * (module.LEAST_BYTES + 1))
    assert prepacked(mlp_graph, tmp_path / "state", "cpu", "sha256:0") == mlp_graph


def test_another_processor_gets_another_copy_and_the_old_one_goes(deep_graph: Path, tmp_path: Path) -> None:
    """Packed weights of one processor are of no use, or wrong, on another."""
    first = prepacked(deep_graph, tmp_path, "cpu one", "sha256:0")
    second = prepacked(deep_graph, tmp_path, "cpu two", "sha256:0")
    assert first != second
    assert copies(tmp_path) == [second]
    other_model = prepacked(deep_graph, tmp_path, "cpu two", "sha256:1")
    assert copies(tmp_path) == sorted([second, other_model])


def test_what_a_killed_writer_left_is_removed(deep_graph: Path, tmp_path: Path) -> None:
    """It would fill the disk, a copy a kill."""
    copy = prepacked(deep_graph, tmp_path, "cpu", "sha256:0")
    left = copy.parent.with_name(f".{copy.parent.name}.writing")
    discard(copy)
    left.mkdir()
    (left / "model.onnx.data").write_bytes(b"half")
    assert prepacked(deep_graph, tmp_path, "cpu", "sha256:0") == copy
    assert not left.exists()


def test_a_discarded_copy_is_gone_and_those_who_mapped_it_compute_on(deep_graph: Path, tmp_path: Path) -> None:
    """Its files lose their names alone; discarding what is gone already is no error."""
    mapped = opened(deep_graph, tmp_path)
    (copy,) = copies(tmp_path)
    discard(copy)
    discard(copy)
    assert not copy.parent.exists()
    np.testing.assert_array_equal(run(mapped), run(opened(deep_graph, None)))


def _pack(graph: Path, state: Path, ends: "multiprocessing.queues.Queue[str]") -> None:
    ends.put(str(prepacked(graph, state, "cpu", "sha256:0")))


def test_processes_that_start_together_share_one_copy(deep_graph: Path, tmp_path: Path) -> None:
    """One writes, the others wait for it; none falls back to the original."""
    context = multiprocessing.get_context("spawn")
    ends = context.Queue()
    processes = [context.Process(target=_pack, args=(deep_graph, tmp_path, ends)) for _ in range(3)]
    for process in processes:
        process.start()
    seen = {ends.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(60)
    assert seen == {str(copies(tmp_path)[0])}


def cut_data(copy: Path) -> None:
    data = copy.with_name("model.onnx.data")
    with data.open("r+b") as file:
        file.truncate(data.stat().st_size // 2)


def cut_graph(copy: Path) -> None:
    with copy.open("r+b") as file:
        file.truncate(copy.stat().st_size // 2)


@pytest.mark.parametrize(
    "damage",
    [cut_data, cut_graph, lambda copy: copy.write_bytes(b""), lambda copy: copy.with_name("model.onnx.data").unlink()],
    ids=["data cut", "graph cut", "graph empty", "data gone"],
)
def test_a_damaged_copy_costs_nothing_but_a_warning(
    deep_graph: Path, tmp_path: Path, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    """The original answers, and the copy is whole again after the next start."""
    want = run(opened(deep_graph, None))
    opened(deep_graph, tmp_path)
    (copy,) = copies(tmp_path)
    whole = copy.with_name("model.onnx.data").stat().st_size
    damage(copy)
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(run(opened(deep_graph, tmp_path)), want)
    assert "damaged copy" in caplog.text
    np.testing.assert_array_equal(run(opened(deep_graph, tmp_path)), want)
    assert copy.with_name("model.onnx.data").stat().st_size == whole


FULL_DISK = """
import resource, sys
from pathlib import Path
from freehold.engine.prepacked import prepacked
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
print(prepacked(Path(sys.argv[1]), Path(sys.argv[2]), "cpu", "sha256:0"))
"""


@pytest.mark.parametrize("limit", [0, 100, 6 << 20])
def test_a_disk_that_fills_up_leaves_the_original(deep_graph: Path, tmp_path: Path, limit: int) -> None:
    """Wherever the writing stops, nothing half-written stays, and the start goes on."""
    command = [sys.executable, "-c", FULL_DISK, str(deep_graph), str(tmp_path), str(limit)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str(deep_graph)
    assert not list(tmp_path.rglob("*.data"))
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_disk_without_room_is_not_written_to(
    deep_graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The room is looked at first: a disk that others need is not filled to the brim."""
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=20 << 20))
    assert prepacked(deep_graph, tmp_path, "cpu", "sha256:0") == deep_graph
    assert "24 MB are needed" in caplog.text


def test_a_folder_that_cannot_be_made_leaves_the_original(deep_graph: Path, tmp_path: Path) -> None:
    """A file lies where the folder should be."""
    (tmp_path / "prepacked").write_text("")
    assert prepacked(deep_graph, tmp_path, "cpu", "sha256:0") == deep_graph


def test_a_graph_that_is_none_is_left_to_the_session_to_tell(tmp_path: Path) -> None:
    """The copy fails, and the original goes on to fail with its reason."""
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"\0" * (module.LEAST_BYTES + 1))
    assert prepacked(corrupt, tmp_path / "state", "cpu", "sha256:0") == corrupt


def test_threads_of_one_process_share_the_lock(deep_graph: Path, tmp_path: Path) -> None:
    """Two models of the same file are loaded by one process."""
    seen: list[Path] = []
    threads = [
        threading.Thread(target=lambda: seen.append(prepacked(deep_graph, tmp_path, "cpu", "sha256:0")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == set(copies(tmp_path))


HOLD = """
import sys
from pathlib import Path
import numpy as np
from freehold.artifact.external_data import graph_digest
from freehold.engine.providers import SessionOptions
from freehold.engine.session import open_graph
def pss():
    return next(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")) * 1024
graph, state = Path(sys.argv[1]), Path(sys.argv[2])
digest = graph_digest(graph)
before = pss()
session = open_graph(graph, SessionOptions(state=state, cpu_key="cpu", digest=digest), "deep")
session.run([session.outputs[0].name], {"h0": np.ones((4, 1024), np.float32)})
print(before, flush=True)
for _ in sys.stdin:
    print(pss(), flush=True)
"""


def test_a_second_process_maps_the_weights_of_the_first(tmp_path: Path) -> None:
    """With 80 MB of weights, another process adds at most 0.2 of what the first one took to load."""
    graph = write_deep(tmp_path / "deep.onnx", 20)
    opened(graph, tmp_path / "state")
    command = [sys.executable, "-c", HOLD, str(graph), str(tmp_path / "state")]
    holders: list[subprocess.Popen[str]] = []

    def loaded(holder: "subprocess.Popen[str]") -> int:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write("\n")
        holder.stdin.flush()
        return int(holder.stdout.readline())

    def start() -> int:
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout is not None
        return int(holder.stdout.readline())

    try:
        base = start()
        alone = loaded(holders[0])
        start()
        both = sum(map(loaded, holders))
    finally:
        for holder in holders:
            holder.communicate(timeout=30)
    weights = 20 * 4 * WIDTH * WIDTH
    assert alone - base > weights
    assert both - alone - base <= 0.2 * (alone - base)
