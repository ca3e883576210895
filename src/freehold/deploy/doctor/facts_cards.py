"""Facts of how cards are set up: MIG, persistence and memory errors of NVIDIA's, and devices of other vendors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from freehold.deploy.doctor.facts_gpu import SMI_S
from freehold.deploy.doctor.reading import Reader, UnreadableError, output_of

STATE_FIELDS = "index,mig.mode.current,persistence_mode,ecc.errors.uncorrected.volatile.total"
DEV = Path("/dev")
OTHER_DEVICES = {
    "AMD": "kfd",
    "Huawei Ascend": "davinci[0-9]*",
    "Cambricon": "cambricon_dev[0-9]*",
    "Hygon": "mkfd",
    "Intel Gaudi": "accel/accel[0-9]*",
    "MetaX": "mxcd",
    "Moore Threads": "mtgpu.[0-9]*",
    "Kunlunxin": "xpu[0-9]*",
    "Iluvatar": "iluvatar[0-9]*",
    "Enflame": "gcu[0-9]*",
}
"""What each vendor's driver puts below /dev."""


def nvidia_state() -> list[dict[str, Any]]:
    """`[{index, mig, persistence, uncorrected}]`: two flags, and memory errors since the driver was loaded.

    A card that has none of a feature is without that key. Raises UnreadableError where nvidia-smi cannot tell.
    """
    states = parse_state(output_of(["nvidia-smi", f"--query-gpu={STATE_FIELDS}", "--format=csv,noheader"], SMI_S))
    if not states:
        raise UnreadableError("nvidia-smi names no card")
    return states


def parse_state(table: str) -> list[dict[str, Any]]:
    """The rows of `nvidia-smi --query-gpu`; "[N/A]" and "[Not Supported]" stand for what a card does not have."""
    states = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(STATE_FIELDS.split(",")) or not cells[0].isdigit():
            continue
        state: dict[str, Any] = {"index": int(cells[0])}
        for name, cell in (("mig", cells[1]), ("persistence", cells[2])):
            if cell in ("Enabled", "Disabled"):
                state[name] = cell == "Enabled"
        if cells[3].isdigit():
            state["uncorrected"] = int(cells[3])
        states.append(state)
    return states


def accelerators() -> dict[str, int]:
    """How many devices of each other vendor there are; a driver's one door to all of its cards counts as one."""
    found = {vendor: len(list(DEV.glob(pattern))) for vendor, pattern in OTHER_DEVICES.items()}
    return {vendor: count for vendor, count in found.items() if count}


READERS: dict[str, Reader] = {"nvidia_state": nvidia_state, "accelerators": accelerators}
