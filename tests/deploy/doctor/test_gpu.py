"""Whether cards, driver, CUDA, ONNX Runtime and TensorRT go together."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from freehold.deploy.doctor import gpu
from freehold.deploy.doctor.snapshot import Snapshot
from tests.deploy.doctor.known import MACHINES, RECOMMENDED, bare, machine, only

GPUS = dataclasses.replace(RECOMMENDED, gpu="needed")
LOCK = Path(__file__).parents[3] / "requirements" / "cuda.lock"


def cards(*capabilities: str, driver: str = "580.65.06") -> dict[str, Any]:
    """The fact `nvidia`, with a card for each capability."""
    named = [{"index": at, "name": f"card {at}", "capability": each} for at, each in enumerate(capabilities)]
    return {"driver": driver, "cuda": "13.0", "gpus": named}


def test_the_tables_are_those_of_our_lock() -> None:
    """What the image carries, and what its onnxruntime-gpu is built for."""
    lock = LOCK.read_text()
    runtime = re.search(r"^onnxruntime-gpu==([0-9.]+)", lock, re.MULTILINE)
    cudnn = re.search(r"^nvidia-cudnn-cu([0-9]+)==", lock, re.MULTILINE)
    assert runtime is not None
    assert cudnn is not None
    assert int(cudnn[1]) == gpu.IMAGE_CUDA
    packages = {"onnxruntime-gpu": runtime[1], f"nvidia-cudnn-cu{cudnn[1]}": "9"}
    assert only(gpu.runtime, bare(packages=packages), GPUS).status == "ok"


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_every_known_machine_is_judged(name: str) -> None:
    """By all checks, each once, whatever its snapshot lacks."""
    ids = [only(checking, machine(name), GPUS).id for checking in gpu.CHECKS]
    assert len(set(ids)) == len(ids)
    assert all(only(checking, Snapshot({})).status == "skip" for checking in gpu.CHECKS)


@pytest.mark.parametrize(
    ("driver", "packages", "status"),
    [
        ("580.65.06", {}, "ok"),
        ("575.57", {}, "fail"),
        ("550.54", {}, "fail"),
        ("550.54", {"onnxruntime-gpu": "1.22.0"}, "ok"),
        ("550.54", {"onnxruntime-gpu": "1.27.0", "nvidia-cudnn-cu12": "9.1"}, "ok"),
        ("550.54", {"onnxruntime-gpu": "1.27.0"}, "fail"),
        ("470.82", {"onnxruntime-gpu": "1.22.0"}, "fail"),
    ],
)
def test_a_driver_must_be_as_new_as_cuda(driver: str, packages: dict[str, str], status: str) -> None:
    """Of the installed runtime, else of our image; only a warning where no GPU is needed."""
    snapshot = bare(nvidia=cards("9.0", driver=driver), packages=packages)
    check = only(gpu.driver_cuda, snapshot, GPUS)
    assert check.status == status
    assert only(gpu.driver_cuda, snapshot).status == ("warn" if status == "fail" else status)
    assert "{" not in check.fix.en + check.fix.zh


def test_cudnn_of_another_cuda_is_told() -> None:
    """With both versions."""
    check = only(gpu.runtime, bare(packages={"onnxruntime-gpu": "1.31.1", "nvidia-cudnn-cu12": "9.1"}), GPUS)
    assert (check.status, check.found.en) == ("fail", "onnxruntime-gpu 1.31.1 beside cuDNN for CUDA 12")


def test_tensorrt_goes_with_the_same_cuda_and_a_driver() -> None:
    """A warning each: it is asked for by few."""
    runtime = {"onnxruntime-gpu": "1.31.1"}
    assert only(gpu.tensorrt, bare(packages={**runtime, "tensorrt-cu12": "10"})).status == "warn"
    assert only(gpu.tensorrt, bare(packages={**runtime, "tensorrt-cu13": "10"})).status == "ok"
    old = bare(packages={**runtime, "tensorrt-cu13": "10"}, nvidia=cards("8.0", driver="530.30"))
    assert only(gpu.tensorrt, old).status == "warn"


@pytest.mark.parametrize(
    ("capabilities", "status", "says"),
    [
        (("7.0",), "fail", "card 0 7.0"),
        (("9.0", "7.5"), "warn", "card 1 7.5: no bf16"),
        (("8.0",), "ok", "card 0 8.0: bf16"),
        (("8.9",), "ok", "card 0 8.9: bf16, fp8"),
        (("12.0",), "ok", "card 0 12.0: bf16, fp8, fp4"),
    ],
)
def test_the_weakest_card_decides(capabilities: tuple[str, ...], status: str, says: str) -> None:
    """What it computes with is told."""
    check = only(gpu.capability, bare(nvidia=cards(*capabilities)), GPUS)
    assert (check.status, check.found.en) == (status, says)


def test_how_cards_are_set_up_is_told_by_number() -> None:
    """MIG on 1, no persistence on 0, errors on 0 and 1."""
    state = [
        {"index": 0, "mig": False, "persistence": False, "uncorrected": 3},
        {"index": 1, "mig": True, "persistence": True, "uncorrected": 1},
    ]
    snapshot = bare(nvidia_state=state)
    assert [only(check, snapshot, GPUS).status for check in (gpu.mig, gpu.persistence, gpu.memory_errors)] == [
        "warn",
        "warn",
        "fail",
    ]
    assert only(gpu.mig, snapshot).found.en == "MIG is on: card 1"
    assert "-i 0,1" in only(gpu.memory_errors, snapshot).fix.en
    fine = bare(nvidia_state=[{"index": 0, "mig": False, "persistence": True, "uncorrected": 0}])
    assert {only(check, fine).status for check in (gpu.mig, gpu.persistence, gpu.memory_errors)} == {"ok"}


def test_other_vendors_cards_are_told() -> None:
    """A warning where GPUs are needed and these are the only ones."""
    found = bare(accelerators={"Huawei Ascend": 8})
    assert only(gpu.others, found).found.en == "Huawei Ascend"
    assert only(gpu.others, found, GPUS).status == "warn"
    assert only(gpu.others, bare(accelerators={"AMD": 1}, nvidia=cards("9.0")), GPUS).status == "ok"
