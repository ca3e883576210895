"""The graphs answer as transformers does, text by text, however texts are packed together."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openvino
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch_file

from freehold.adapt.encoder_graph import write_graph
from freehold.adapt.folder import open_folder
from freehold.errors import FreeholdError

Make = Callable[..., Any]
TOLERANCE = 1e-5


class Shape(NamedTuple):
    """A published model's config, but for its weights."""

    architecture: str
    pooling: str
    layers: int
    vocab_size: int
    config: dict[str, int]
    labels: int = 0

    def write(self, write: Make, folder: Path, *, layers: int, vocab_size: int) -> Path:
        """Random weights in this shape, cut to `layers` and `vocab_size`."""
        sizes = {"num_hidden_layers": layers, "vocab_size": vocab_size, "initializer_range": 0.05, **self.config}
        return Path(
            write(folder, architecture=self.architecture, labels=self.labels, pooling=self.pooling or "cls", **sizes)
        )


def sizes(width: int, heads: int, positions: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": positions,
    }


SHAPES = {
    "bge-small-zh-v1.5": Shape("BertModel", "cls", 4, 21128, sizes(512, 8, 512)),
    "bge-large-zh-v1.5": Shape("BertModel", "cls", 24, 21128, sizes(1024, 16, 512)),
    "bge-m3": Shape("XLMRobertaModel", "cls", 24, 250002, sizes(1024, 16, 8194)),
    "bge-reranker-base": Shape("XLMRobertaForSequenceClassification", "", 12, 250002, sizes(768, 12, 514), 1),
    "bge-reranker-v2-m3": Shape("XLMRobertaForSequenceClassification", "", 24, 250002, sizes(1024, 16, 8194), 1),
}
# Through every branch: one text alone, several within 192 tokens, several beyond.
BATCHES = {"alone": [301], "few": [3, 40, 17, 1, 90], "many": [5, 200, 64, 1, 130, 63, 65, 2]}


def largest(left: np.ndarray, right: np.ndarray) -> float:
    """The largest difference, in units of what embeddings and logits are: about one."""
    return float(np.abs(left - right).max())


@pytest.mark.parametrize("name", SHAPES)
def test_published_shapes_answer_as_transformers_does(
    name: str, encoder_folder: Make, graph_file: Make, packed: Make, reference: Make, ids: Make, tmp_path: Path
) -> None:
    """Width, heads and positions as published, with two layers and a smaller vocabulary."""
    shape = SHAPES[name]
    folder = shape.write(encoder_folder, tmp_path / name, layers=2, vocab_size=3000)
    run, expected = packed(graph_file(folder, tmp_path / "graph")), reference(folder)
    for lengths in BATCHES.values():
        texts = ids(lengths, 3000)
        assert largest(run(texts), expected(texts, pooling="cls")) <= TOLERANCE


@pytest.mark.soak
@pytest.mark.parametrize("name", SHAPES)
def test_published_shapes_at_full_depth_and_length(
    name: str, encoder_folder: Make, graph_file: Make, packed: Make, reference: Make, ids: Make, tmp_path: Path
) -> None:
    """Every layer, the whole vocabulary, and a text of every position, within the tolerance that goldens have."""
    shape = SHAPES[name]
    folder = shape.write(encoder_folder, tmp_path / name, layers=shape.layers, vocab_size=shape.vocab_size)
    run, expected = packed(graph_file(folder, tmp_path / "graph")), reference(folder)
    for lengths in (*BATCHES.values(), [open_folder(folder).config.positions]):
        texts = ids(lengths, shape.vocab_size)
        assert largest(run(texts), expected(texts, pooling="cls")) <= 1e-4


def test_minilm_answers_as_transformers_does(
    minilm_folder: Path, graph_file: Make, packed: Make, reference: Make, ids: Make, tmp_path: Path
) -> None:
    """The real weights, all six layers, mean pooling and normalisation."""
    run, expected = packed(graph_file(minilm_folder, tmp_path / "graph")), reference(minilm_folder)
    for lengths in (*BATCHES.values(), [512]):
        texts = ids(lengths, 30522)
        assert largest(run(texts), expected(texts)) <= TOLERANCE


@pytest.fixture(scope="module")
def tiny(tiny_bert_folder: Path, graph_file: Make, packed: Make, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The tiny BERT's graph, open."""
    run: Make = packed(graph_file(tiny_bert_folder, tmp_path_factory.mktemp("tiny") / "graph"))
    return run


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(1, 128), min_size=1, max_size=12), seed=st.integers(0, 9))
def test_a_text_answers_the_same_in_any_company(lengths: list[int], seed: int, tiny: Make, ids: Make) -> None:
    """Packed with others or alone, a text's embedding is the same to 1e-5."""
    texts = ids(lengths, 300, seed)
    together = tiny(texts)
    for text, row in zip(texts, together, strict=True):
        assert largest(tiny([text])[0], row) <= TOLERANCE


@pytest.mark.parametrize("architecture", ["BertModel", "XLMRobertaForSequenceClassification"])
def test_every_dialect_is_one_function(
    architecture: str, encoder_folder: Make, graph_file: Make, packed: Make, ids: Make, tmp_path: Path
) -> None:
    """The graphs for CUDA and in standard operators answer as the one for the CPU, on the CPU."""
    folder = encoder_folder(tmp_path / "m", architecture=architecture, labels=int(architecture != "BertModel"))
    cpu, cuda, standard = (packed(graph_file(folder, tmp_path / d, d)) for d in ("cpu", "cuda", "standard"))
    for lengths in ([128], [3, 40, 17], [5, 120, 64, 1, 128, 63], [100] * 25):
        texts = ids(lengths, 300)
        assert largest(cpu(texts), standard(texts)) <= TOLERANCE
        assert largest(cuda(texts), standard(texts)) <= TOLERANCE


def test_the_standard_dialect_has_no_operator_of_a_vendor(tiny_bert_folder: Path) -> None:
    """What goes to OpenVINO is in the standard's own operators and has no control flow."""
    nodes = write_graph(open_folder(tiny_bert_folder), "standard").nodes
    assert {node.domain for node in nodes} == {""}
    assert not {node.op_type for node in nodes} & {"If", "Loop", "Scan"}


def test_openvino_answers_as_onnx_runtime_does(
    minilm_folder: Path, graph_file: Make, packed: Make, ids: Make, tmp_path: Path
) -> None:
    """The standard dialect runs under OpenVINO, in float32, within what goldens allow."""
    graph = graph_file(minilm_folder, tmp_path / "graph", "standard")
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    texts = ids([5, 200, 64, 1], 30522)
    lengths = np.array([len(text) for text in texts])
    feeds = {
        "input_ids": np.concatenate(texts),
        "token_type_ids": np.zeros(lengths.sum(), np.int64),
        "sequence_ids": np.repeat(np.arange(len(texts)), lengths),
        "sequence_starts": np.cumsum(lengths) - lengths,
    }
    assert largest(compiled(feeds)[0], packed(graph)(texts)) <= TOLERANCE


def test_roberta_numbers_a_spelled_out_padding_token_as_transformers_does(
    encoder_folder: Make, graph_file: Make, packed: Make, reference: Make, tmp_path: Path
) -> None:
    """`<pad>` inside a text has the padding position, and those after it count on without it."""
    folder = encoder_folder(tmp_path / "m", architecture="XLMRobertaModel")
    texts = [[0, 7, 1, 9, 1, 1, 8, 2], [0, 5, 2], [1, 6]]
    run, expected = packed(graph_file(folder, tmp_path / "graph")), reference(folder)
    assert largest(run(texts), expected(texts)) <= TOLERANCE


def test_token_types_count(
    encoder_folder: Make, graph_file: Make, packed: Make, reference: Make, ids: Make, tmp_path: Path
) -> None:
    """A BERT cross-encoder tells its two segments apart, and answers all its labels."""
    folder = encoder_folder(tmp_path / "m", architecture="BertForSequenceClassification", labels=3)
    texts = ids([9, 20], 300)
    types = [[0] * 4 + [1] * 5, [0] * 11 + [1] * 9]
    run, expected = packed(graph_file(folder, tmp_path / "graph")), reference(folder)
    assert run(texts, types).shape == (2, 3)
    assert largest(run(texts, types), expected(texts, types)) <= TOLERANCE
    assert largest(run(texts, types), run(texts)) > 100 * TOLERANCE


def test_each_answer_of_an_encoder_is_its_own(tiny: Make, ids: Make) -> None:
    """The comparisons above can fail: other tokens, other order or other company's rows differ by far more."""
    one, other = tiny(ids([20, 20], 300))
    assert largest(one, other) > 1000 * TOLERANCE


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "gelu_pytorch_tanh", "relu"])
def test_every_activation_is_transformers_own(
    activation: str, encoder_folder: Make, graph_file: Make, packed: Make, reference: Make, ids: Make, tmp_path: Path
) -> None:
    """The exact GELU, its tanh form under both names, and ReLU."""
    folder = encoder_folder(tmp_path / "m", hidden_act=activation)
    texts = ids([30, 7], 300)
    run = packed(graph_file(folder, tmp_path / "graph"))
    assert largest(run(texts), reference(folder)(texts)) <= TOLERANCE


@pytest.mark.parametrize(("pooling", "normalize"), [("mean", True), ("mean", False), ("cls", True), ("cls", False)])
def test_pooling_and_norm_are_inside_the_graph(
    pooling: str,
    normalize: bool,
    encoder_folder: Make,
    graph_file: Make,
    packed: Make,
    reference: Make,
    ids: Make,
    tmp_path: Path,
) -> None:
    """As the folder's sentence-transformers files say, in all four ways."""
    folder = encoder_folder(tmp_path / "m", pooling=pooling, normalize=normalize)
    texts = ids([30, 1, 7], 300)
    answers = packed(graph_file(folder, tmp_path / "graph"))(texts)
    assert largest(answers, reference(folder)(texts, pooling=pooling, normalize=normalize)) <= TOLERANCE
    lengths = np.linalg.norm(answers, axis=1)
    assert bool(np.allclose(lengths, 1.0, atol=1e-5)) is normalize


def test_a_dense_module_follows_pooling(
    encoder_folder: Make, graph_file: Make, packed: Make, reference: Make, ids: Make, tmp_path: Path
) -> None:
    """A 2_Dense of sentence-transformers with tanh, then the norm."""
    folder = encoder_folder(tmp_path / "m", normalize=False)
    modules = json.loads((folder / "modules.json").read_text())
    kinds = "sentence_transformers.models."
    modules += [{"path": "2_Dense", "type": kinds + "Dense"}, {"path": "3_Normalize", "type": kinds + "Normalize"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "2_Dense").mkdir()
    config = {"in_features": 32, "out_features": 48, "bias": True}
    (folder / "2_Dense" / "config.json").write_text(
        json.dumps({**config, "activation_function": "torch.nn.modules.activation.Tanh"})
    )
    rng = np.random.default_rng(1)
    weight, bias = rng.standard_normal((48, 32), np.float32), rng.standard_normal(48, np.float32)
    save_file({"linear.weight": weight, "linear.bias": bias}, folder / "2_Dense" / "model.safetensors")
    texts = ids([30, 7], 300)
    expected = np.tanh(reference(folder)(texts, normalize=False) @ weight.T + bias)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert largest(packed(graph_file(folder, tmp_path / "graph"))(texts), expected) <= TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_checkpoints_are_widened(
    dtype: torch.dtype, encoder_folder: Make, graph_file: Make, packed: Make, reference: Make, ids: Make, tmp_path: Path
) -> None:
    """Weights stored in 16 bits are computed with in 32, as transformers does when asked for float32."""
    folder = encoder_folder(tmp_path / "m")
    tensors = {
        name: torch.from_numpy(array).to(dtype) for name, array in load_file(folder / "model.safetensors").items()
    }
    save_torch_file(tensors, folder / "model.safetensors", {"format": "pt"})
    texts = ids([30, 7], 300)
    assert largest(packed(graph_file(folder, tmp_path / "graph"))(texts), reference(folder)(texts)) <= TOLERANCE


@pytest.mark.parametrize("change", ["prefix", "gamma"])
def test_older_names_of_tensors_are_known(
    change: str, encoder_folder: Make, graph_file: Make, packed: Make, ids: Make, tmp_path: Path
) -> None:
    """Checkpoints of pre-training models prefix everything with `bert.`; TensorFlow's norms say gamma and beta."""
    folder = encoder_folder(tmp_path / "m")
    texts = ids([30, 7], 300)
    before = packed(graph_file(folder, tmp_path / "before"))(texts)
    tensors = load_file(folder / "model.safetensors")
    if change == "prefix":
        renamed = {f"bert.{name}": array for name, array in tensors.items()}
    else:
        renamed = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
            for name, array in tensors.items()
        }
    save_file(renamed, folder / "model.safetensors")
    np.testing.assert_array_equal(packed(graph_file(folder, tmp_path / "after"))(texts), before)


def test_a_missing_tensor_is_named(encoder_folder: Make, tmp_path: Path) -> None:
    """Weights of another depth than config.json says."""
    folder = encoder_folder(tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.bias"]
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(FreeholdError, match=r"no tensor encoder\.layer\.1\.output\.dense\.bias") as caught:
        write_graph(open_folder(folder), "cpu")
    assert caught.value.code == "tensor_missing"


def test_weights_of_another_kind_of_model_are_refused(encoder_folder: Make, tmp_path: Path) -> None:
    """Not even word embeddings under a name that is known."""
    folder = encoder_folder(tmp_path / "m")
    save_file({"transformer.wte.weight": np.zeros((3, 3), np.float32)}, folder / "model.safetensors")
    with pytest.raises(FreeholdError) as caught:
        write_graph(open_folder(folder), "cpu")
    assert caught.value.code == "tensor_missing"


def test_a_misshapen_tensor_shows_both_shapes(encoder_folder: Make, tmp_path: Path) -> None:
    """A config.json with another width in the middle."""
    folder = encoder_folder(tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 65}))
    with pytest.raises(FreeholdError, match=r"intermediate\.dense\.weight has shape \[64, 32\].*\[65, 32\]") as caught:
        write_graph(open_folder(folder), "cpu")
    assert caught.value.code == "tensor_misshapen"


GROWTH = """
import sys
import numpy as np, onnxruntime
def status(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key)) // 1000
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.enable_mem_pattern = False
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
def run(lengths):
    lengths = np.array(lengths)
    tokens = int(lengths.sum())
    session.run(None, {"input_ids": np.full(tokens, 7), "sequence_ids": np.repeat(np.arange(len(lengths)), lengths),
                       "sequence_starts": np.cumsum(lengths) - lengths})
run([9])
before = status("VmRSS")
run([int(each) for each in sys.argv[2].split("+")])
print(status("VmHWM") - before)
"""


@pytest.mark.parametrize("lengths", ["8192", "4096+4096"])
def test_long_texts_keep_no_score_matrix(lengths: str, encoder_folder: Make, graph_file: Make, tmp_path: Path) -> None:
    """8,192 tokens at 16 heads would take 4.3 GB of scores a layer; the whole run grows by well under 1 GB."""
    shape = SHAPES["bge-m3"]
    folder = shape.write(encoder_folder, tmp_path / "m", layers=2, vocab_size=400)
    command = [sys.executable, "-c", GROWTH, str(graph_file(folder, tmp_path / "graph")), lengths]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(finished.stdout) < 700
