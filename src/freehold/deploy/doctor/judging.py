"""Judge a snapshot by a profile: every check, in the order in which a reader wants them, as one report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from freehold.deploy.doctor import checks_gpu, checks_machine, checks_network, checks_system, cluster, gpu
from freehold.deploy.doctor.check import STATUSES, Check, Language, Status, Text
from freehold.deploy.doctor.profile import Checking, Profile
from freehold.deploy.doctor.snapshot import Snapshot

CHECKS: tuple[Checking, ...] = (
    *checks_machine.CHECKS,
    *checks_system.CHECKS,
    *checks_gpu.CHECKS,
    *gpu.CHECKS,
    *cluster.CHECKS,
    *checks_network.CHECKS,
)

COLOURS: dict[Status, str] = {"ok": "32", "warn": "33", "fail": "31", "skip": "90"}
"""Of ECMA-48's SGR: green, yellow, red, grey."""
NEEDED, FIX = Text("needed", "需要"), Text("fix", "解决办法")
READY, NOT_READY = Text("ready", "可以使用"), Text("not ready", "尚不可用")


@dataclass(frozen=True)
class Report:
    """What was found of one machine, by one profile."""

    profile: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Nothing that is needed fails; warnings are fine."""
        return all(check.status != "fail" for check in self.checks)

    @property
    def counts(self) -> dict[str, int]:
        """How many checks have each status."""
        return {status: sum(check.status == status for check in self.checks) for status in STATUSES}

    def data(self, language: Language) -> dict[str, Any]:
        """As JSON: `{ok, profile, summary: {ok, warn, fail, skip}, checks: [...]}`."""
        return {
            "ok": self.ok,
            "profile": self.profile,
            "summary": self.counts,
            "checks": [check.told(language) for check in self.checks],
        }

    def text(self, language: Language, colour: bool) -> str:
        """A line a check; those that warn or fail also say what is needed, why, and the fix.

        What is skipped stands below, a line for each reason; last, a summary.
        """
        width = max((len(check.id) for check in self.checks), default=0)
        lines: list[str] = []
        skipped: dict[str, list[str]] = {}
        for check in self.checks:
            row = check.told(language)
            if check.status == "skip":
                skipped.setdefault(row["found"], []).append(check.id)
                continue
            lines.append(f"{_status(check.status, colour)}  {check.id:<{width}}  {row['found']}")
            if check.status != "ok":
                margin = " " * (width + 8)
                lines += [
                    f"{margin}{getattr(NEEDED, language)}: {row['needed']}",
                    f"{margin}{row['why']}",
                    f"{margin}{getattr(FIX, language)}: {row['fix']}",
                ]
        lines += [f"{_status('skip', colour)}  {', '.join(ids)}: {found}" for found, ids in skipped.items()]
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        verdict = getattr(READY if self.ok else NOT_READY, language)
        return "\n".join([*lines, "", f"{self.profile}: {verdict} ({counts})"])


def judge(snapshot: Snapshot, profile: Profile) -> Report:
    """Every check of `snapshot`. Pure, and it never raises, whatever the snapshot lacks."""
    return Report(profile.name, tuple(check for checking in CHECKS for check in checking(snapshot, profile)))


def _status(status: Status, colour: bool) -> str:
    return f"\x1b[{COLOURS[status]}m{status:<4}\x1b[0m" if colour else f"{status:<4}"
