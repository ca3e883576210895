"""`freehold run`: one answer without a server."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from freehold.artifact.golden import load_goldens

Freehold = Callable[..., Any]


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what the next command reads from standard input."""

    def give(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8"))

    return give


def test_an_embedding_is_the_recorded_one(freehold: Freehold, minilm_artifact: Path) -> None:
    """MiniLM's vector for a text of its raw golden, in full with --json."""
    (golden,) = load_goldens(minilm_artifact / "goldens")
    case = next(case for case in golden.cases if case.inputs["text"] == "How do I reset my password?")
    ran = freehold("run", str(minilm_artifact), case.inputs["text"], "--json")
    assert ran.code == 0
    assert ran.data["proof"] == "raw"
    assert ran.data["tokens"] > 5
    (vector,) = ran.data["embeddings"]
    np.testing.assert_allclose(vector, case.outputs["embeddings"].array(), atol=1e-4)


def test_a_vector_is_shown_short_with_its_length(freehold: Freehold, tiny_bert_folder: Path) -> None:
    """First values, dimensions and length; one line a text."""
    ran = freehold("run", str(tiny_bert_folder), "one", "two")
    assert ran.code == 0
    assert ran.out.count("32 dimensions, length 1.0000") == 2
    assert ", ...]" in ran.out


def test_a_text_can_be_piped_in(
    freehold: Freehold, tiny_bert_folder: Path, standard_input: Callable[[str], None]
) -> None:
    """`-` is standard input, without its last line break."""
    standard_input("two\nlines\n")
    piped = freehold("run", str(tiny_bert_folder), "-", "--json").data["embeddings"]
    assert piped == freehold("run", str(tiny_bert_folder), "two\nlines", "--json").data["embeddings"]


def test_a_cut_text_is_said(freehold: Freehold, tiny_bert_folder: Path) -> None:
    """How many tokens were computed and how many texts were cut."""
    ran = freehold("run", str(tiny_bert_folder), "word " * 100)
    assert "64 tokens, 1 texts cut" in ran.out


def test_documents_are_ranked(
    freehold: Freehold, tiny_reranker_folder: Path, standard_input: Callable[[str], None]
) -> None:
    """Best first, with scores in 0..1 and the place that each was given at; `-` reads one a line."""
    ran = freehold("run", str(tiny_reranker_folder), "query", "first", "second", "third", "--json")
    results = ran.data["results"]
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score < 1 for score in scores)
    assert {result["index"]: result["document"] for result in results} == {0: "first", 1: "second", 2: "third"}
    standard_input("first\n\nsecond\nthird\n")
    assert freehold("run", str(tiny_reranker_folder), "query", "-", "--json").data["results"] == results
    assert "second" in freehold("run", str(tiny_reranker_folder), "query", "first", "second").out


def test_classes_are_shown_by_name(freehold: Freehold, encoder_folder: Callable[..., Path], folder: Path) -> None:
    """A logit a label."""
    model = encoder_folder(folder / "classes", architecture="BertForSequenceClassification", labels=3)
    ran = freehold("run", str(model), "text", "--json")
    assert set(ran.data["logits"][0]) == {"LABEL_0", "LABEL_1", "LABEL_2"}
    assert "LABEL_2 " in freehold("run", str(model), "text").out


def test_a_graph_answers_zeros_or_a_file(
    freehold: Freehold, mlp: Path, folder: Path, standard_input: Callable[[str], None]
) -> None:
    """Without input by its shapes; with a file or standard input its values. The suffix may be left out."""
    zeros = freehold("run", "mlp", "--json").data["outputs"]
    assert zeros == [{"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [0.0] * 4}]
    document = json.dumps({"x": [[0.1] * 16, [0.2] * 16]})
    (folder / "x.json").write_text(document)
    given = freehold("run", str(mlp), "x.json", "--json").data["outputs"]
    assert given[0]["shape"] == [2, 4]
    standard_input(document)
    assert freehold("run", str(mlp), "-", "--json").data["outputs"] == given
    assert "y  FP32 [2, 4]  [" in freehold("run", str(mlp), "x.json").out


def test_input_of_the_wrong_form_is_wrong_usage(
    freehold: Freehold, tiny_bert_folder: Path, tiny_reranker_folder: Path, mlp: Path
) -> None:
    """Exit 2, with the form that the kind wants."""
    for words, form in (
        ([tiny_bert_folder], "MODEL TEXT..."),
        ([tiny_reranker_folder, "query"], "MODEL QUERY DOCUMENT..."),
        ([mlp, "a.json", "b.json"], "MODEL [FILE.json]"),
    ):
        ran = freehold("run", *map(str, words), "--json")
        assert (ran.code, ran.error["code"]) == (2, "input_wanted")
        assert form in ran.error["fix"]


def test_a_file_that_cannot_be_read_is_an_error(freehold: Freehold, mlp: Path) -> None:
    """Absent or no JSON of this graph: what is wrong with it."""
    assert freehold("run", str(mlp), "absent.json", "--json").error["code"] == "input_unreadable"
    ran = freehold("run", str(mlp), str(mlp), "--json")
    assert (ran.code, ran.error["code"]) == (1, "input_malformed")


def test_a_model_that_fails_its_proof_is_not_asked(freehold: Freehold, permuted_minilm: Path) -> None:
    """Its numbers would be wrong, and a script would not notice."""
    ran = freehold("run", str(permuted_minilm), "text", "--json")
    assert (ran.code, ran.out, ran.error["code"]) == (1, "", "proof_failed")


def test_a_model_is_named_by_the_id_of_this_folders_configuration(
    freehold: Freehold, mlp: Path, tiny_bert_folder: Path, folder: Path
) -> None:
    """One of several by its id; the file itself has too many."""
    (folder / "freehold.yaml").write_text(
        f"models:\n  - {{id: a, source: {mlp}}}\n  - {{id: b, source: {tiny_bert_folder}}}\n"
    )
    assert freehold("run", "b", "text", "--json").data["kind"] == "embed"
    assert freehold("run", "a", "--json").data["kind"] == "tensor"
    ran = freehold("run", "freehold.yaml", "--json")
    assert (ran.code, ran.error["code"]) == (2, "model_choice_needed")
    assert "a, b" in ran.error["cause"]
