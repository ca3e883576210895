"""Machines that the tests of the doctor know: snapshots written by hand, in the words that such machines use."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from freehold.deploy.doctor.check import Check
from freehold.deploy.doctor.profile import PROFILES, Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot

MACHINES = {path.stem: path for path in sorted((Path(__file__).parent / "machines").glob("*.json"))}
RECOMMENDED = PROFILES["recommended"]


def document(name: str) -> dict[str, Any]:
    """The snapshot of a machine, as data to change."""
    loaded: dict[str, Any] = json.loads(MACHINES[name].read_text(encoding="utf-8"))
    return loaded


def machine(name: str, **facts: Any) -> Snapshot:
    """A machine's snapshot with some facts put in place of its own; None takes one out."""
    changed = copy.deepcopy(document(name))
    changed["facts"].update(facts)
    changed["facts"] = {name: value for name, value in changed["facts"].items() if value is not None}
    return Snapshot.of(changed)


def only(checking: Checking, snapshot: Snapshot, profile: Profile = RECOMMENDED) -> Check:
    """The one check that `checking` makes."""
    (check,) = checking(snapshot, profile)
    return check


def bare(**facts: Any) -> Snapshot:
    """A snapshot of these facts alone."""
    return Snapshot(facts, {})
