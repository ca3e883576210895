"""`freehold verify REF --against OTHER`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Freehold = Callable[..., Any]


def test_a_changed_weight_is_named_by_its_node(
    freehold: Freehold, minilm_artifact: Path, permuted_minilm: Path
) -> None:
    """Exit 1; the proof's own failure goes first, and the trace says where it comes from; the page shows both."""
    page = permuted_minilm.parent / "page.html"
    ran = freehold("verify", str(permuted_minilm), "--against", str(minilm_artifact), "--html", str(page), "--json")
    assert ran.code == 1
    assert ran.data["models"][0]["error"]["code"] == "proof_failed"
    found = ran.data["against"]
    assert (found["unit"], found["first"]["kind"]) == ("node", "Gemm")
    assert found["before"]["max_abs"] == 0.0
    assert found["steps"][-1]["output"] == "embeddings"
    text = page.read_text()
    assert "Where it differs" in text
    assert found["first"]["name"] in text


def test_without_goldens_the_other_model_is_the_judge(freehold: Freehold, mlp: Path, other_mlp: Path) -> None:
    """Seeded inputs serve; the node is in the error, and equal models pass."""
    ran = freehold("verify", str(other_mlp), "--against", str(mlp), "--json")
    assert ran.code == 1
    error = ran.data["models"][0]["error"]
    assert (error["code"], error["details"]["op"], error["details"]["tensor"]) == ("graphs_differ", "MatMul", "a")
    told = freehold("verify", str(other_mlp), "--against", str(mlp))
    assert "first to differ: node MatMul #0 (MatMul, w1), tensor a" in told.out
    same = freehold("verify", str(mlp), "--against", str(mlp), "--device", "openvino", "--json")
    assert (same.code, same.data["against"]["first"], len(same.data["against"]["steps"])) == (0, None, 3)


def test_an_embedding_model_without_goldens_is_fed_seeded_texts(freehold: Freehold, tiny_artifact: Path) -> None:
    """A text model's own tokenizer reads them."""
    ran = freehold("verify", str(tiny_artifact), "--against", str(tiny_artifact), "--json")
    assert ran.code == 0
    assert (ran.data["against"]["shape_class"], ran.data["against"]["first"]) == ("seeded", None)


def test_recorded_cases_of_the_reference_serve_too(freehold: Freehold, mlp: Path, other_mlp: Path) -> None:
    """A candidate without goldens is fed what was recorded of the model that is right."""
    assert freehold("golden", "record", str(mlp)).code == 0
    ran = freehold("verify", str(other_mlp), "--against", str(mlp), "--json")
    assert ran.data["against"]["first"]["output"] == "a"
    assert ran.data["against"]["shape_class"] != "seeded"


def test_models_that_take_other_inputs_are_refused(freehold: Freehold, mlp: Path, tiny_artifact: Path) -> None:
    """With the input that nothing is known for."""
    ran = freehold("verify", str(mlp), "--against", str(tiny_artifact), "--json")
    assert (ran.code, ran.error["code"]) == (1, "trace_inputs_unsuited")


def test_several_models_are_not_compared_with_one(freehold: Freehold, mlp: Path, other_mlp: Path, folder: Path) -> None:
    """The option wants one model."""
    (folder / "freehold.yaml").write_text(f"models: [{{source: '{mlp}'}}, {{source: '{other_mlp}'}}]\n")
    assert freehold("verify", "--against", str(mlp)).code == 2
