"""The tree that an artifact stands in."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.artifact import Ancestor, Artifact, write_manifest
from freehold.config import parse
from freehold.store import Store
from freehold.store.lineage import Step, lineage

DATA = Ancestor("data", "letters.jsonl", f"sha256:{'1' * 64}", license="cc-by-4.0")
BASE = Ancestor("base", "hf://org/base", revision="abc")
TUNED = Ancestor("fine-tune", "run-7")
CALIBRATION = Ancestor("data", "calibration.jsonl")


@pytest.fixture
def family(store: Store, make_artifact: Callable[..., Path]) -> dict[str, str]:
    """data -> base -> fine-tune -> onnx -> quantized -> compiled, and a golden beside; digests by role."""
    ancestors = (DATA, BASE, TUNED)
    onnx = store.add(make_artifact(b"onnx", ancestors=ancestors), "m")
    store.tag(parse("m:1"), "prod")
    with_golden = store.add(make_artifact(b"golden", parent=onnx.digest, ancestors=ancestors), "m")
    int8 = make_artifact(b"int8", parent=onnx.digest, precision="int8", ancestors=(*ancestors, CALIBRATION))
    quantized = store.add(int8, "m", "int8")
    folder = make_artifact(b"plan", parent=quantized.digest, precision="int8")
    (folder / "model.engine").write_bytes(b"engine")
    write_manifest(folder, Artifact.open(folder).manifest)
    compiled = store.add(folder, "m", "trt")
    return {
        "onnx": onnx.digest,
        "derived": with_golden.digest,
        "quantized": quantized.digest,
        "compiled": compiled.digest,
    }


def roles(step: Step) -> list[str]:
    return [one.role for one in step.walk()]


@pytest.mark.parametrize("ref", ["m:1", "m:2", "m:int8", "m:trt"])
def test_the_whole_family_is_one_tree(store: Store, family: dict[str, str], ref: str) -> None:
    """Whichever of it is asked for, which is marked; an artifact with two tags is one."""
    tree = lineage(store.find(parse(ref)), store.list())
    assert roles(tree) == ["data", "base", "fine-tune", "onnx", "derived", "quantized", "compiled"]
    found = {step.role: step for step in tree.walk()}
    assert {role: found[role].digest for role in family} == family
    assert found["onnx"].names == ("m:1", "m:prod")
    assert [step.digest for step in tree.walk() if step.asked] == [store.find(parse(ref)).digest]
    assert [one.title for one in found["quantized"].inputs] == ["calibration.jsonl"]
    assert (found["base"].revision, found["data"].license) == ("abc", "cc-by-4.0")


def test_a_parent_that_is_not_here_is_shown_as_such(store: Store, family: dict[str, str]) -> None:
    """With everything here that was made of it."""
    store.remove(parse(f"m@{family['onnx']}"))
    tree = lineage(store.find(parse("m:int8")), store.list())
    assert roles(tree) == ["data", "base", "fine-tune", "absent", "derived", "quantized", "compiled"]
    absent = next(step for step in tree.walk() if step.role == "absent")
    assert (absent.digest, absent.names) == (family["onnx"], ())
