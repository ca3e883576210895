"""Graphs that pad: nearest lengths share a batch, and the mask hides the padding."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import onnx
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from freehold.artifact import Limits, MadeBy, Manifest, TensorSpec, write_manifest
from freehold.engine.base import EmbedRequest
from freehold.engine.opening import open_artifact
from freehold.engine.padded import pad
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import Encoded

FAR = 1e12


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=7), min_size=1, max_size=9), st.booleans())
def test_the_mask_marks_exactly_the_tokens(rows: list[list[int]], with_types: bool) -> None:
    """What the mask selects, row by row, are the sequences; the rest is zero."""
    feeds = pad([Encoded(row, [1] * len(row), cut=False) for row in rows], with_types)
    ids, mask = feeds["input_ids"], feeds["attention_mask"].astype(bool)
    assert [row[keep].tolist() for row, keep in zip(ids, mask, strict=True)] == rows
    assert not ids[~mask].any()
    assert ("token_type_ids" in feeds) is with_types
    assert ids.shape == (len(rows), max(map(len, rows)))


def padded_artifact(folder: Path, tokenizer: Path) -> Path:
    """Mean of table rows over the mask: [sequences, longest] -> [sequences, 4]."""
    table = np.random.default_rng(3).standard_normal((40_000, 4), dtype=np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Cast", ["attention_mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["total"], keepdims=0),
        helper.make_node("ReduceSum", ["column", "middle"], ["count"], keepdims=0),
        helper.make_node("Div", ["total", "count"], ["embeddings"]),
    ]
    weights = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([-1]), "last"),
        numpy_helper.from_array(np.array([1]), "middle"),
    ]
    names = ("input_ids", "attention_mask")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["sequences", "longest"]) for name in names]
    outputs = [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["sequences", 4])]
    graph = helper.make_graph(nodes, "padded", inputs, outputs, weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    shutil.copy(tokenizer, folder / "tokenizer.json")
    manifest = Manifest(
        schema=1,
        name="padded",
        kind="embed",
        layout="padded",
        precision="fp32",
        inputs=tuple(TensorSpec(name, "INT64", (-1, -1)) for name in names),
        outputs=(TensorSpec("embeddings", "FP32", (-1, 4)),),
        made_by=MadeBy("test", "1", "sha256:00"),
        files={},
        limits=Limits(max_tokens=64),
        dimensions=4,
    )
    write_manifest(folder, manifest)
    return folder


def test_padded_neighbours_change_nothing(minilm_folder: Path, tmp_path: Path) -> None:
    """Texts of many lengths, sent at once, equal the same texts alone within 1e-5."""
    artifact = padded_artifact(tmp_path, minilm_folder / "tokenizer.json")
    texts = ["held outright " * (n % 13) for n in range(40)]
    engine = open_artifact(artifact, EngineSettings(tune=False, cores=2))

    async def scenario() -> None:
        await engine.load()
        answers = await asyncio.gather(*(engine.infer(EmbedRequest([text]), FAR) for text in texts))
        for text, answer in zip(texts, answers, strict=True):
            alone = engine.answer(EmbedRequest([text])).outputs["embeddings"]
            np.testing.assert_allclose(answer.outputs["embeddings"], alone, atol=1e-5)
        await engine.close(5.0)

    asyncio.run(scenario())
