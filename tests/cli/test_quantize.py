"""`freehold quantize`: from a model to a proven, smaller artifact in the store."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freehold.adapt.quantize.report import MEDIA_TYPE
from freehold.artifact import Artifact
from freehold.config import parse
from freehold.store import Store

Freehold = Callable[..., Any]


TOPICS = {
    "invoice": (
        "The invoice is overdue.",
        "Pay this bill by Friday.",
        "发票已逾期。",
        "The amount due is EUR 120.",
        "A receipt.",
    ),
    "valve": (
        "The valve leaks.",
        "Replace the pressure sensor.",
        "阀门漏水。",
        "The pump is too loud.",
        "A gasket tore.",
    ),
    "password": (
        "I forgot my password.",
        "My account is locked.",
        "忘记密码了。",
        "Reset my login.",
        "I cannot sign in.",
    ),
    "holiday": (
        "I take leave in May.",
        "How many days off are left?",
        "我想请假。",
        "The office closes at Christmas.",
        "Rest.",
    ),
}


def in_store(folder: Path) -> list[str]:
    """References to everything in this test's store."""
    return [stored.ref for stored in Store(folder / "home" / "store").list()]


@pytest.fixture
def perceptron(tmp_path: Path) -> Path:
    """`x` [n, 64] -> MatMul, Relu, MatMul -> `y` [n, 10]."""
    rng = np.random.default_rng(0)
    shapes = {"first": (64, 128), "second": (128, 10)}
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "first"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("MatMul", ["b", "second"], ["y"]),
        ],
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 64))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 10))],
        [numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), name) for name, s in shapes.items()],
    )
    path = tmp_path / "perceptron.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_minilm_in_int8(freehold: Freehold, minilm_artifact: Path, folder: Path) -> None:
    """MiniLM with raw goldens: a quarter of the size, a report beside it, its proof still raw, topics told apart."""
    rows = [{"text": text, "label": label} for label, texts in TOPICS.items() for text in texts]
    (folder / "topics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = ("--to", "int8", "--name", "minilm:small", "--evaluation", "topics.jsonl", "--min-quality", "0.997")
    ran = freehold("quantize", str(minilm_artifact), *asked, "--json")
    assert ran.code == 0, ran.err
    assert ran.data["artifact"] == "minilm:small"
    report = ran.data["report"]
    assert report["parent"] == Artifact.open(minilm_artifact).digest
    assert report["size_after"] < 0.3 * report["size_before"]
    quality = report["quality"]
    assert quality["cosine_mean"] >= 0.997
    assert quality["spearman"] > 0.99
    assert abs(quality["accuracy"] - quality["accuracy_before"]) <= 0.2
    assert len(report["sensitivity"]) == 26
    assert set(report["kept"].values()) <= {"by-row"}
    assert report["search"]
    assert report["speed"]["ratio"] > 0
    store = Store(folder / "home" / "store")
    stored = store.find(parse("minilm:small"))
    assert ran.data["parent"] == "minilm-fp32:1"
    assert store.find(parse("minilm-fp32:1")).digest == stored.manifest.parent
    assert stored.digest == ran.data["digest"]
    (referrer,) = store.referrers(stored, MEDIA_TYPE)
    assert set(referrer.files) == {"report.json"}
    verified = freehold("verify", "minilm:small", "--require", "raw", "--json")
    assert verified.code == 0, verified.out
    assert verified.data["models"][0]["proof"] == "raw"
    assert verified.data["models"][0]["precision"] == "int8"


def test_into_a_folder(freehold: Freehold, perceptron: Path, folder: Path) -> None:
    """With --output the artifact goes there, its report beside it, and the store stays empty."""
    ran = freehold("quantize", str(perceptron), "--to", "w8a8", "--output", "small")
    assert ran.code == 0, ran.err
    assert Artifact.open(folder / "small").manifest.precision == "w8a8"
    assert json.loads((folder / "small.report.json").read_text())["precision"] == "w8a8"
    assert in_store(folder) == []
    (folder / "file").touch()
    beneath = freehold("quantize", str(perceptron), "--to", "w8a8", "--output", "file/small", "--json")
    assert (beneath.code, beneath.error["code"]) == (1, "quantize_unwritable")
    again = freehold("quantize", str(perceptron), "--to", "w8a8", "--output", "small", "--json")
    assert (again.code, again.error["code"]) == (1, "quantize_output_exists")


def test_a_quality_that_cannot_be_reached(freehold: Freehold, perceptron: Path, folder: Path) -> None:
    """The store stays as it is, and no scratch files are left."""
    ran = freehold("quantize", str(perceptron), "--to", "int4", "--min-quality", "0.9999999", "--json")
    assert (ran.code, ran.error["code"]) == (1, "quantize_quality_unreached")
    assert in_store(folder) == []
    best = ran.error["details"]["best"]
    assert freehold("quantize", str(perceptron), "--to", "int4", "--min-quality", best).code == 0
    assert not list((folder / "home" / "cache" / "quantizations").iterdir())


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--calibration", "broken.jsonl"), "quantize_data_broken"),
        (("--evaluation", "empty.jsonl"), "quantize_data_empty"),
        (("--keep", "nowhere"), "quantize_keep_unknown"),
        (("--name", "no/name"), "store_name_invalid"),
    ],
)
def test_wrong_input(freehold: Freehold, perceptron: Path, folder: Path, words: tuple[str, ...], code: str) -> None:
    """What is wrong is told before anything starts, and nothing is in the store."""
    (folder / "broken.jsonl").write_text('{"input": 1}\n\n{"text": "for another kind"}\n')
    (folder / "empty.jsonl").write_text("\n")
    ran = freehold("quantize", str(perceptron), "--to", "int8", *words, "--json")
    assert (ran.code, ran.error["code"]) == (1, code)
    assert in_store(folder) == []


def test_what_is_quantized_already(freehold: Freehold, perceptron: Path, folder: Path) -> None:
    """A quantized artifact of the store is refused by its precision, and called what the user called it."""
    assert freehold("quantize", str(perceptron), "--to", "int8", "--name", "small").code == 0
    ran = freehold("quantize", "small:1", "--to", "int4", "--json")
    assert (ran.code, ran.error["code"]) == (1, "quantize_already")
    assert ran.error["cause"].startswith("small:1 is quantized already")
    assert in_store(folder) == ["small:1"]


def test_interrupted(minilm_artifact: Path, folder: Path) -> None:
    """Ctrl-C in the middle leaves nothing in the store and no scratch files."""
    command = [sys.executable, "-m", "freehold.cli.main", "quantize", str(minilm_artifact), "--to", "int8"]
    cache = folder / "home" / "cache" / "quantizations"
    child = subprocess.Popen(command, cwd=folder, env=os.environ, stderr=subprocess.PIPE)
    try:
        limit = time.monotonic() + 60
        while not list(cache.glob("*/scratch/*")) and time.monotonic() < limit and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode != 0
    assert not list(cache.iterdir())
    assert in_store(folder) == []
