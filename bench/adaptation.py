"""Adapting and keeping models: conversion through both doors, a store of a thousand artifacts, a pull of one change."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from bench.places import ROOT
from bench.results import Sample
from bench.rows import Row, Workload
from bench.target import Target, ratio
from freehold.artifact import MadeBy, Manifest, TensorSpec, write_manifest
from freehold.config import parse
from freehold.store.store import Store
from tests.docker_registry import docker_registry, relay_to

CONVERT, STORE = "convert", "store"
WRITTEN, EXPORTED = "Freehold, graph written without torch", "Freehold, torch's exporter in a child"
LISTED, PULLED = "list of 1,000 artifacts", "pull of a model of which one file changed"
ARTIFACTS = 1000
KEPT_BYTES, CHANGED_BYTES = 40_000_000, 4_000_000


def converted(door: str, name: str, turn: int) -> list[Sample]:
    """Wall and CPU time of one conversion of MiniLM, proof included. Raises CalledProcessError."""
    before, begun = _cpu_of_children(), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "bench.convert", door], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    seconds, spent = time.perf_counter() - begun, _cpu_of_children() - before
    gap = json.loads(done.stdout.splitlines()[-1])["max_abs"]
    return [_sample(CONVERT, name, turn, seconds=seconds, cpu_seconds=spent, gap=gap)]


def listed(turn: int) -> list[Sample]:
    """The median of five lists, each by a store that is opened for it."""
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(scratch, "store"))
        for number in range(ARTIFACTS):
            store.add(_artifact(Path(scratch, str(number)), f"model-{number}", b"weights"), f"model-{number}")
        assert len(store.list()) == ARTIFACTS
        times, cpu = [], time.process_time()
        for _ in range(5):
            begun = time.perf_counter()
            Store(Path(scratch, "store")).list()
            times.append(time.perf_counter() - begun)
        cpu = (time.process_time() - cpu) / len(times)
        return [_sample(STORE, LISTED, turn, items=ARTIFACTS, seconds=median(times), cpu_seconds=cpu)]


def pulled(turn: int) -> list[Sample]:
    """`freehold models pull`: bytes over the wire (`tokens`) beside those of the files that changed (`items`)."""
    with tempfile.TemporaryDirectory() as scratch, docker_registry(Path(scratch)) as host:
        kept, random = np.random.default_rng(1).bytes(KEPT_BYTES), np.random.default_rng(2 + turn)
        there, here = Path(scratch, "there"), Path(scratch, "here")
        for tag in ("1", "2"):
            folder = _artifact(Path(scratch, f"model-{tag}"), "model", random.bytes(CHANGED_BYTES), kept)
            Store(there / "store").add(folder, "model", tag)
            _freehold(there, "models", "push", f"model:{tag}", f"oci://{host}/model:{tag}")
        _freehold(here, "models", "pull", f"oci://{host}/model:1")
        with relay_to(host) as relay:
            begun = time.perf_counter()
            _freehold(here, "models", "pull", f"oci://{relay.host}/model:2")
            seconds = time.perf_counter() - begun
        return [_sample(STORE, PULLED, turn, items=_changed(here), tokens=relay.up + relay.down, seconds=seconds)]


def _changed(home: Path) -> int:
    """Bytes of the blobs that the second artifact does not share with the first."""
    store = Store(home / "store")
    old, new = (store.find(parse(f"model:{tag}")).manifest.files for tag in ("1", "2"))
    return sum(entry.size for name, entry in new.items() if old.get(name) != entry)


def _artifact(folder: Path, name: str, changing: bytes, kept: bytes = b"graph") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(kept)
    (folder / "model.onnx.data").write_bytes(changing)
    spec = TensorSpec("x", "FP32", (-1, 4))
    made = MadeBy("bench", "1", f"sha256:{name}")
    write_manifest(folder, Manifest(1, name, "tensor", "tensor", "fp32", (spec,), (spec,), made, {}))
    return folder


def _freehold(home: Path, *words: str) -> None:
    program = Path(sys.prefix) / "bin" / "freehold"
    environment = {**os.environ, "FREEHOLD_HOME": str(home)}
    subprocess.run([program, *words], env=environment, check=True, stdout=subprocess.DEVNULL)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _sample(workload: str, name: str, turn: int, *, cpu_seconds: float = 0.0, items: int = 1, **more: float) -> Sample:
    fields = {"concurrency": 1, "round": turn, "items": items, "cpu_seconds": cpu_seconds, **more}
    return Sample(workload=workload, server=name, **fields)


def workloads(rounds: int) -> list[Workload]:
    """Both of them."""
    doors = (("from_folder", WRITTEN), ("from_huggingface", EXPORTED))

    def through(door: str, name: str) -> Row:
        return Row(name, lambda turn: converted(door, name, turn))

    return [
        Workload(CONVERT, "Conversion of MiniLM, proof included", rounds, [through(*door) for door in doors]),
        Workload(STORE, "The store", rounds, [Row(LISTED, listed), Row(PULLED, pulled)]),
    ]


TARGETS = (
    Target(
        "Conversion of MiniLM: torch's exporter to the graph written without torch, time",
        ratio(CONVERT, EXPORTED, WRITTEN, 1, lambda sample: sample.seconds),
        least=5,
    ),
    Target(
        "The same, CPU time",
        ratio(CONVERT, EXPORTED, WRITTEN, 1, lambda sample: sample.cpu_seconds),
        least=5,
    ),
    Target(
        "Conversion of MiniLM: largest difference to the raw model (fp32)",
        lambda results: results.median(CONVERT, WRITTEN, 1, lambda sample: sample.gap),
        most=1e-5,
        digits=8,
    ),
    Target(
        "Pull of a model of which one file changed: bytes moved to bytes changed",
        lambda results: results.median(STORE, PULLED, 1, lambda sample: sample.tokens / sample.items),
        most=1.01,
        digits=4,
    ),
    Target(
        "List of 1,000 artifacts, s",
        lambda results: results.median(STORE, LISTED, 1, lambda sample: sample.seconds),
        most=0.2,
        digits=3,
    ),
)
