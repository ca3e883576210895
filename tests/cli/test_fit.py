"""`freehold doctor --fit`: the table, the formula, the largest that fits, and the exit code."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from freehold.cli.deployments import Given
from freehold.cli.fit import check_files, fit_beside, fit_here, machine_here, told
from freehold.config import Dify, load
from freehold.deploy.fitting.fit import Machine, fitting
from freehold.deploy.fitting.model_files import read_model
from freehold.deploy.services.deployment import Deployment
from freehold.errors import FreeholdError
from freehold.machine import read_memory

Freehold = Callable[..., Any]


def test_what_fits_is_told_with_its_formula(
    freehold: Freehold, folder: Path, encoder_folder: Callable[..., Path]
) -> None:
    """As text and as JSON; exit 0."""
    encoder_folder(folder / "m")
    (folder / "freehold.yaml").write_text("models: [{id: texts, source: ./m}]\n")
    ran = freehold("doctor", "--fit")
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == [
        "model",
        "where",
        "weights",
        "KV",
        "workspace",
        "sum",
        "available",
        "verdict",
    ]
    assert "texts: weights + KV + workspace = " in ran.out
    assert "largest: context_length " in ran.out
    data = freehold("doctor", "--fit", "--json").data
    assert data["ok"] is True
    server, texts = data["rows"]
    assert (server["model"], texts["verdict"], len(texts["formula"])) == ("(server)", "fits", 2)
    assert texts["sum"] == texts["weights"] + texts["kv"] + texts["workspace"]


def test_what_does_not_fit_ends_with_1(freehold: Freehold, folder: Path) -> None:
    """A graph whose declared rows of tensors no machine holds."""
    import onnx
    from onnx import TensorProto, helper

    wide = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1 << 40]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", wide[:1], wide[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), folder / "wide.onnx")
    (folder / "freehold.yaml").write_text("models: [{id: wide, source: ./wide.onnx}]\n")
    ran = freehold("doctor", "--fit", "--json")
    assert (ran.code, ran.data["ok"], ran.data["rows"][1]["verdict"]) == (1, False, "no")


def test_a_model_that_is_not_here_is_named(freehold: Freehold, folder: Path) -> None:
    """With the way to get it."""
    (folder / "freehold.yaml").write_text("models: [{id: far, source: hf://BAAI/bge-m3}]\n")
    ran = freehold("doctor", "--fit")
    assert ran.code == 1
    assert "freehold fetch hf://BAAI/bge-m3" in ran.err


def test_this_machine_is_what_is_available(folder: Path, encoder_folder: Callable[..., Path]) -> None:
    """Its memory as the engine would read it; a deployment has a gateway beside."""
    encoder_folder(folder / "m")
    (folder / "freehold.yaml").write_text(f"models: [{{id: texts, source: {folder / 'm'}}}]\n")
    config = load(str(folder / "freehold.yaml"), {}, folder)
    machine = machine_here()
    assert machine.memory is not None
    assert abs(machine.memory - read_memory().available) < 1 << 30
    assert fit_here(config).rows[0].model == "(server)"
    assert fit_here(config, apart=True).rows[0].model == "(servers)"
    beside = fit_here(msgspec.structs.replace(config, dify=Dify(version="1.15.0")), apart=True)
    assert (beside.rows[-1].model, beside.rows[-1].need.sum) == ("(Dify)", 4 << 30)
    assert beside.ok


def test_what_comes_is_counted_beside_what_runs(folder: Path, encoder_folder: Callable[..., Path]) -> None:
    """Its own process and memory alone; cards that are taken are told before anything is read."""
    encoder_folder(folder / "m")
    config = load(_written(folder, "models: [{id: texts, source: ./m}]\n"), {}, folder)
    (unit,) = Deployment.of(config).units
    fit = fit_beside([unit], [unit])
    assert [row.model for row in fit.rows] == ["(server)", "texts"]
    whole = replace(unit, memory_mb=read_memory().total >> 20)
    assert fit_beside([unit], [whole]).refusal() is not None
    card = load(_written(folder, "models: [{id: v, source: ./m, engine: vllm, gpus: 1}]\n"), {}, folder)
    (served,) = Deployment.of(card).units
    with pytest.raises(FreeholdError, match="of GPU 0"):
        fit_beside([served], [served])


def test_a_release_whose_files_were_changed_does_not_start_as_itself(
    folder: Path, encoder_folder: Callable[..., Path]
) -> None:
    """It would answer as another one."""
    encoder_folder(folder / "m")
    given = Given.read(_written(folder, "models: [{id: texts, source: ./m}]\n"), {}, folder)
    units = given.deployment({}, {}).units
    check_files(units, {})
    (folder / "m" / "config.json").write_text((folder / "m" / "config.json").read_text() + " ")
    with pytest.raises(FreeholdError) as refused:
        check_files(units, {})
    assert (refused.value.code, refused.value.details["path"]) == ("fit_files_changed", folder / "m")
    assert given.deployment({}, {}).units[0].revision != units[0].revision


def test_a_note_is_told(folder: Path, encoder_folder: Callable[..., Path]) -> None:
    """Below the formula."""
    encoder_folder(folder / "m")
    config = load(_written(folder, "models: [{id: v, source: ./m, engine: vllm, gpus: 1}]\n"), {}, folder)
    fit = fitting(config, {"v": read_model(folder / "m")}, Machine(1 << 34, 2))
    assert "  no GPU was found here" in told(fit)[1].splitlines()


def _written(folder: Path, text: str) -> str:
    (folder / "freehold.yaml").write_text(text)
    return str(folder / "freehold.yaml")
