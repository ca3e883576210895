"""Recorded cases through an engine, by trtexec's flags."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freehold.adapt import graphs
from freehold.adapt.tensorrt.replay import MOST_CASES, Replayed, choose, feeds_of, read_outputs
from freehold.adapt.tensorrt.subject import Port, Subject, open_subject
from freehold.artifact import Artifact, Case, Golden, RecordedBy, Tensor
from freehold.errors import FreeholdError

StandIn = Callable[..., Path]


@pytest.fixture
def subject(dense: Artifact, tmp_path: Path) -> Subject:
    """x [batch, 8] -> y [batch, 4], with two recorded cases."""
    return open_subject(dense.path, "dense", tmp_path, lambda _: None)


def replayed(subject: Subject, program: Path, work: Path) -> Replayed:
    engine = work / "engine.plan"
    engine.write_text(str(subject.graph))
    return Replayed(str(program), engine, "10.13.3", 0, subject, work)


def test_an_engine_that_answers_as_recorded_is_proven(subject: Subject, stand_in: StandIn, tmp_path: Path) -> None:
    """Its digits as far as they are printed."""
    proof = replayed(subject, stand_in(), tmp_path).prove(subject.artifact.manifest)
    assert (proof.status, proof.cases, proof.replayed, proof.failure) == ("self", 2, 2, None)


def test_an_engine_that_answers_otherwise_is_not(subject: Subject, stand_in: StandIn, tmp_path: Path) -> None:
    """What differed is in the error."""
    proof = replayed(subject, stand_in(factor=1.01), tmp_path).prove(subject.artifact.manifest)
    assert proof.status == "failed"
    assert proof.failure is not None
    assert (proof.failure.code, proof.failure.details["output"]) == ("tensorrt_proof_failed", "y")


def test_without_a_record_there_is_no_proof(subject: Subject, tmp_path: Path) -> None:
    """And nothing is run."""
    bare = replace(subject, goldens=())
    assert replayed(bare, tmp_path / "gone", tmp_path).prove(subject.artifact.manifest).status == "none"


def test_texts_become_what_the_graph_takes(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """As the engine of the house packs them."""
    path = graphs.build(tiny_bert_folder, tmp_path / "graphs")
    packed = open_subject(path, "m", tmp_path, lambda _: None)
    feeds = feeds_of(Case({"text": "hello"}, {}), packed)
    assert set(feeds) == {port.name for port in packed.inputs}
    assert feeds["sequence_starts"].tolist() == [0]
    assert feeds["input_ids"].shape == feeds["sequence_ids"].shape == (7,)  # [CLS] h e l l o [SEP]


def test_one_case_of_each_class_goes_first() -> None:
    """A long record is not replayed whole: each run starts a program."""
    cases = tuple(Case({}, {}, label) for label in ("a",) * 20 + ("b",))
    chosen = [case.label for _, case in choose([Golden(RecordedBy("torch", "2", ""), cases)])]
    assert chosen[:2] == ["a", "b"]
    assert len(chosen) == MOST_CASES


def test_integers_are_narrow_before_tensorrt_10(
    subject: Subject, script: Callable[[str], Path], tmp_path: Path
) -> None:
    """Its engines have int32 where the graph has int64."""
    case = Case({"x": Tensor.of(np.zeros((1, 8), np.int64))}, {})
    wide = replace(subject, inputs=(Port("x", "INT64", ("batch", 8)),))
    engine = replayed(wide, script("exit 1"), tmp_path)
    for version, size in (("8.6.1", 32), ("10.0.0", 64)):
        with pytest.raises(FreeholdError):
            replace(engine, version=version).answer(case)
        assert (tmp_path / "input-0.bin").stat().st_size == size


def test_outputs_are_read_with_numbers_that_json_lacks(subject: Subject, tmp_path: Path) -> None:
    """nan and inf stand bare in what trtexec writes; an output's name may hold such a word."""
    path = tmp_path / "out.json"
    path.write_text('[ { "name" : "y"\n, "dimensions" : "1x4"\n, "values" : [ nan, -inf, inf, -1.5e-05 ]\n } ]')
    values = read_outputs(path, subject)["y"]
    np.testing.assert_array_equal(values, np.array([[np.nan, -np.inf, np.inf, -1.5e-05]], np.float32))
    named = replace(subject, outputs=(Port("nan inf", "INT64", ()),))
    path.write_text(json.dumps([{"name": "nan inf", "dimensions": "", "values": [3]}]))
    assert read_outputs(path, named)["nan inf"].tolist() == 3


@pytest.mark.parametrize(
    "text", ["", "[", '[{"name": "z", "dimensions": "1", "values": [1]}]', "[1]", '[{"name": "y"}]']
)
def test_outputs_that_cannot_be_read_are_told(subject: Subject, tmp_path: Path, text: str) -> None:
    """Cut files, other names, other forms; and no file at all."""
    (tmp_path / "out.json").write_text(text)
    for path in (tmp_path / "out.json", tmp_path / "gone"):
        with pytest.raises(FreeholdError) as caught:
            read_outputs(path, subject)
        assert caught.value.code == "tensorrt_output"
