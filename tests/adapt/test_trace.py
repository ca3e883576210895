"""Where a conversion parts from its raw model."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
import transformers
from onnx import numpy_helper

from freehold.adapt.children.module_outputs import ModuleOutputs
from freehold.adapt.conversion import Conversion
from freehold.adapt.convert import convert
from freehold.adapt.exposed import ExposedGraph
from freehold.adapt.graphs import build
from freehold.adapt.trace import Recorded, compare_modules, trace
from freehold.adapt.trace_feeds import Sample
from freehold.artifact import (
    Case,
    Golden,
    MadeBy,
    Manifest,
    RecordedBy,
    Tensor,
    TensorSpec,
    Tolerance,
    save_golden,
    write_manifest,
)

CLOSE = Tolerance(max_abs=1e-4)
NET = """
import torch

class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.dense = torch.nn.LayerNorm(8), torch.nn.Linear(8, 8)

    def forward(self, x):
        return x + torch.nn.functional.gelu(self.dense(self.norm(x)))

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(Block() for _ in range(5))
        self.head = torch.nn.Linear(8, 3)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)
"""


def _net(text: str) -> torch.nn.Module:
    space: dict[str, type[torch.nn.Module]] = {}
    exec(compile(text, "net.py", "exec"), space)
    return space["Net"]().eval()


def heard(text: str) -> None:
    """Steps are said to nobody."""


def compared(model: torch.nn.Module, graph: Path, ids: list[int]) -> tuple[list[str], list[str], int]:
    """Names of modules that agree, of modules that differ, and how many have no counterpart."""
    with ModuleOutputs(model) as outputs, torch.inference_mode():
        model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.int64))
    modules = [Recorded(call.name, call.kind, call.calls, given=call.given is not None) for call in outputs.calls]
    arrays = {f"{place}.out": call.made.numpy() for place, call in enumerate(outputs.calls)}
    arrays |= {f"{place}.in": call.given.numpy() for place, call in enumerate(outputs.calls) if call.given is not None}
    exposed = ExposedGraph(graph)
    values = exposed.run(Sample("short", tuple(ids)).feeds(exposed.inputs))
    steps, unmatched = compare_modules(exposed, values, modules, arrays, CLOSE)
    return [one.name for one in steps if one.within], [one.name for one in steps if not one.within], unmatched


def test_modules_of_an_encoder_are_found_in_our_packed_graph(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """Every layer with weights, by their names, and all agree on one sequence alone."""
    model = transformers.AutoModel.from_pretrained(tiny_bert_folder, dtype=torch.float32).eval()
    agree, differ, _ = compared(model, build(tiny_bert_folder, tmp_path) / "model.onnx", [2, 9, 10, 11, 3])
    assert differ == []
    parts = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
    parts += ["attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"]
    assert {f"encoder.layer.{layer}.{part}" for layer in range(2) for part in parts} <= set(agree)
    assert {"embeddings.word_embeddings", "embeddings.LayerNorm"} <= set(agree)


def test_modules_of_a_decoder_are_found_in_our_slot_graph(tiny_decoder: Callable[..., Path], tmp_path: Path) -> None:
    """Queries, keys and values are one product there, and are compared as one; all agree."""
    folder = tiny_decoder("Qwen2ForCausalLM")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    agree, differ, _ = compared(model, build(folder, tmp_path / "cache") / "model.onnx", [5, 6, 7, 8])
    assert differ == []
    attention = [f"model.layers.1.self_attn.{part}_proj" for part in "qkv"]
    assert {" + ".join(attention), "model.layers.0.mlp.down_proj", "model.norm", "lm_head"} <= set(agree)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with net.py, its state dict net.pt, and `artifact`: what torch's exporter made of it, a raw golden."""
    folder = tmp_path_factory.mktemp("net")
    (folder / "net.py").write_text(NET)
    torch.manual_seed(3)
    net = _net(NET)
    torch.save(net.state_dict(), folder / "net.pt")
    x = torch.randn(2, 4, 8)
    artifact = folder / "artifact"
    artifact.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, of torch itself
        program = torch.onnx.export(net, (x,), dynamo=True, input_names=["x"], output_names=["y"], verbose=False)
    assert program is not None
    program.save(str(artifact / "model.onnx"), external_data=False)
    with torch.inference_mode():
        case = Case({"x": Tensor.of(x.numpy())}, {"y": Tensor.of(net(x).numpy())}, "batch 2")
    save_golden(artifact / "goldens" / "raw.json", Golden(RecordedBy("torch", "2", "sha256:aa"), (case,)))
    specs = [(TensorSpec(name, "FP32", (2, 4, width)),) for name, width in (("x", 8), ("y", 3))]
    write_manifest(
        artifact, Manifest(1, "net", "tensor", "tensor", "fp32", *specs, MadeBy("test", "1", "sha256:aa"), {})
    )
    return folder


def test_a_weight_planted_wrong_in_an_exported_graph_is_named_by_its_module(exported: Path, tmp_path: Path) -> None:
    """The module of layer 3, by what the exporter noted beside its nodes; the graph of the exporter itself agrees."""
    asked = Conversion(exported / "net.pt", "net", tmp_path, code=f"{exported / 'net.py'}:Net", trust_code=True)
    wrong = tmp_path / "wrong"
    shutil.copytree(exported / "artifact", wrong)
    model = onnx.load(wrong / "model.onnx")
    noted = {node.name: "".join(entry.value for entry in node.metadata_props) for node in model.graph.node}
    read = {name for node in model.graph.node if "layers.3.dense" in noted[node.name] for name in node.input}
    # The exporter has turned it around, and calls it otherwise.
    weight = next(tensor for tensor in model.graph.initializer if tensor.name in read and len(tensor.dims) > 1)
    values = numpy_helper.to_array(weight).copy()
    values[2, 5] += 0.25
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, wrong / "model.onnx")
    found = trace(asked, wrong, heard)
    assert found is not None
    assert found.first is not None
    assert found.before is not None
    assert (found.first.name, found.first.kind, found.first.input_within) == ("layers.3.dense", "Linear", True)
    assert found.before.name == "layers.3.norm"
    assert (found.unit, found.label) == ("module", "batch 2")


def test_a_weight_of_minilm_planted_wrong_in_layer_three_is_named_by_its_module(
    minilm_folder: Path, tmp_path: Path, planted: Callable[[Path, str], None]
) -> None:
    """The raw model has other weights than the graph: the first of 22 million that matters, by its module."""
    wrong = tmp_path / "wrong"
    shutil.copytree(build(minilm_folder, tmp_path / "cache"), wrong)
    planted(wrong, "encoder.layer.3.attention.output.dense.weight")
    found = trace(Conversion(minilm_folder, "minilm", tmp_path), wrong, heard)
    assert found is not None
    assert found.first is not None
    assert found.before is not None
    assert (found.first.name, found.first.kind) == ("encoder.layer.3.attention.output.dense", "Linear")
    assert found.before.name == "encoder.layer.3.attention.self.value"
    assert found.before.within


def test_a_conversion_that_fails_its_proof_is_traced_unasked(tmp_path: Path) -> None:
    """Code that computes otherwise while it is exported: the conversion is refused, and the module is named."""
    faulty = NET.replace(
        "self.dense(self.norm(x))", "self.dense(-self.norm(x) if torch.compiler.is_exporting() else self.norm(x))"
    )
    faulty = faulty.replace("Block() for _ in range(5)", "Block() for _ in range(2)")
    (tmp_path / "net.py").write_text(faulty)
    torch.manual_seed(3)
    torch.save(_net(faulty).state_dict(), tmp_path / "net.pt")
    work = tmp_path / "work"
    work.mkdir()
    code = f"{tmp_path / 'net.py'}:Net"
    made = convert(
        Conversion(tmp_path / "net.pt", "net", work, ((1, 8),), ("",), ("",), code=code, trust_code=True), heard
    )
    assert made.proof.failure is not None
    assert made.trace is not None
    assert made.trace.first is not None
    assert (made.trace.first.name, made.trace.first.input_within) == ("layers.0.dense", False)
    assert made.trace.before is not None
    assert made.trace.before.name == "layers.0.norm"


def test_nothing_to_compare_is_no_trace(tmp_path: Path, exported: Path) -> None:
    """An ONNX file has no modules, and an artifact without recorded cases nothing to feed them."""
    artifact = exported / "artifact"
    assert trace(Conversion(artifact / "model.onnx", "net", tmp_path), artifact, heard) is None
    bare = tmp_path / "bare"
    shutil.copytree(artifact, bare)
    shutil.rmtree(bare / "goldens")
    write_manifest(bare, Manifest(1, "net", "tensor", "tensor", "fp32", (), (), MadeBy("test", "1", "sha256:aa"), {}))
    assert trace(Conversion(exported / "net.pt", "net", tmp_path), bare, heard) is None
