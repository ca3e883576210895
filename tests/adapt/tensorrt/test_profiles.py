"""Shapes that engines are built for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from freehold.adapt import graphs
from freehold.adapt.input_shapes import parse_all
from freehold.adapt.tensorrt.profiles import Asked, Profile, profiles_of
from freehold.adapt.tensorrt.subject import Port, Subject, open_subject
from freehold.artifact import Artifact, Case, Golden, Limits, RecordedBy, Tensor
from freehold.errors import FreeholdError

Open = Callable[..., Subject]


@pytest.fixture
def subject(dense: Artifact, tmp_path: Path) -> Open:
    """A subject with other inputs, recorded shapes of its first input, and fields of its manifest."""

    def write(*ports: Port, recorded: tuple[tuple[int, ...], ...] = (), **fields: object) -> Subject:
        opened = open_subject(dense.path, "dense", tmp_path, lambda _: None)
        cases = tuple(Case({ports[0].name: Tensor.of(np.zeros(shape, np.float32))}, {}) for shape in recorded)
        artifact = replace(dense, manifest=msgspec.structs.replace(dense.manifest, **fields))
        return replace(
            opened, artifact=artifact, inputs=ports, goldens=(Golden(RecordedBy("torch", "2", "sha256:0"), cases),)
        )

    return write


def asked(least: str = "", usual: str = "", most: str = "") -> Asked:
    return Asked.of(*(parse_all(text.split()) for text in (least, usual, most)))


def refusal(subject: Subject, wanted: Asked) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        profiles_of(subject, wanted)
    return caught.value


def test_batch_from_the_engine_and_the_rest_from_the_goldens(subject: Open) -> None:
    """The batch goes to the engine's largest; other free dimensions are as they were recorded."""
    model = subject(Port("x", "FP32", ("batch", 3, "length")), recorded=((1, 3, 16), (3, 3, 40), (1, 3, 24)))
    assert profiles_of(model, Asked()) == (Profile("x", (1, 3, 16), (16, 3, 24), (64, 3, 40)),)


def test_a_recorded_batch_may_be_the_largest(subject: Open) -> None:
    """What was recorded must be replayed."""
    model = subject(Port("x", "FP32", ("batch", 3)), recorded=((100, 3),))
    assert profiles_of(model, Asked())[0].most == (100, 3)


def test_fixed_shapes_need_no_profile(subject: Open) -> None:
    """Only inputs with free dimensions have one."""
    assert profiles_of(subject(Port("x", "FP32", (1, 3)), Port("s", "FP32", ())), Asked()) == ()


def test_texts_are_packed_up_to_the_budget_or_the_longest_text(
    subject: Open, tiny_bert_folder: Path, tmp_path: Path
) -> None:
    """Tokens to the engine's largest batch, sequences to as many as fit into it."""
    path = graphs.build(tiny_bert_folder, tmp_path / "graphs")
    packed = open_subject(path, "m", tmp_path, lambda _: None)
    profiles = {profile.name: profile for profile in profiles_of(packed, Asked())}
    assert profiles["input_ids"] == Profile("input_ids", (1,), (256,), (1024,))
    assert profiles["sequence_starts"] == Profile("sequence_starts", (1,), (8,), (512,))
    ids, starts = Port("input_ids", "INT64", ("tokens",)), Port("sequence_starts", "INT64", ("sequences",))
    longer = subject(ids, starts, layout="packed", limits=Limits(max_tokens=8192))
    assert profiles_of(longer, Asked())[0].most == (8192,)


def test_padded_texts_go_to_the_longest_text(subject: Open) -> None:
    """Rows by length."""
    model = subject(Port("input_ids", "INT64", ("n", "length")), layout="padded", limits=Limits(max_tokens=64))
    assert profiles_of(model, Asked()) == (Profile("input_ids", (1, 1), (8, 64), (512, 64)),)


def test_what_is_asked_for_goes_before_what_is_derived(subject: Open) -> None:
    """Of one bound alone too; the usual size moves into the range, and one symbol is one size in every input."""
    ports = Port("x", "FP32", ("batch", "length")), Port("mask", "BOOL", ("batch", "length"))
    model = subject(*ports)
    assert profiles_of(model, asked(most="x=8x32")) == (
        Profile("x", (1, 1), (8, 32), (8, 32)),
        Profile("mask", (1, 1), (8, 32), (8, 32)),
    )
    wanted = asked("x=2,4", "mask=4x16", "x=8,32")
    assert profiles_of(model, wanted)[1] == Profile("mask", (2, 4), (4, 16), (8, 32))


def test_a_dimension_that_nobody_knows_is_asked_for(subject: Open) -> None:
    """With the flag to write."""
    error = refusal(subject(Port("x", "FP32", ("batch", "length"))), Asked())
    assert error.code == "tensorrt_shape_unknown"
    assert "--max x=8x8" in error.fix
    unsaid = refusal(subject(Port("x", "FP32", ("batch", "length"))), asked(usual="x=1x8"))
    assert unsaid.code == "tensorrt_shape_unknown"


@pytest.mark.parametrize(
    ("least", "usual", "most", "reason"),
    [
        ("", "", "z=1x8", "inputs are x"),
        ("", "", "x=1", "the graph has"),
        ("", "", "x=1x9x2", "the graph has"),
        ("x=9x8x3", "", "x=4x8x3", "may not exceed"),
        ("", "x=9x8x3", "x=4x8x3", "may not exceed"),
        ("", "", "x=4x8x3 y=5", "another input"),
    ],
)
def test_shapes_that_do_not_suit_the_graph_are_refused(
    subject: Open, least: str, usual: str, most: str, reason: str
) -> None:
    """Names, ranks, fixed sizes, order, and sizes that must be the same."""
    model = subject(Port("x", "FP32", ("batch", "length", 3)), Port("y", "FP32", ("batch",)))
    error = refusal(model, asked(least, usual, most))
    assert error.code == "tensorrt_shape_invalid"
    assert reason in error.cause


def test_a_shape_needs_its_inputs_name() -> None:
    """There may be several inputs, and a wrong guess costs minutes."""
    with pytest.raises(FreeholdError) as caught:
        asked(most="1x8")
    assert caught.value.code == "tensorrt_shape_nameless"


def test_a_golden_outside_of_the_range_is_refused(subject: Open) -> None:
    """It could never be replayed."""
    model = subject(Port("x", "FP32", ("batch", 3)), recorded=((5, 3),))
    error = refusal(model, asked(most="x=4x3"))
    assert (error.code, error.details["size"]) == ("tensorrt_golden_outside", 5)
