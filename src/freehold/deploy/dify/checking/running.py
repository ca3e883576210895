"""Run all checks against one server, and report them as a user of Dify would meet them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from freehold.deploy.dify.checking import (
    checks_address,
    checks_chat,
    checks_embedding,
    checks_forms,
    checks_rerank,
    checks_speed,
    checks_stream,
    checks_tools,
)
from freehold.deploy.dify.checking.check import Area, Check, Finding, find, not_asked
from freehold.deploy.dify.checking.plugin_calls import Plugin, Target
from freehold.deploy.doctor.check import STATUSES, Language, Status, Text
from freehold.deploy.doctor.judging import COLOURS

CHECKS: tuple[Check, ...] = (
    *checks_address.CHECKS,
    *checks_chat.CHECKS,
    *checks_stream.CHECKS,
    *checks_tools.CHECKS,
    *checks_forms.CHECKS,
    *checks_embedding.CHECKS,
    *checks_rerank.CHECKS,
    *checks_speed.CHECKS,
)
AREAS: dict[str, tuple[Area, ...]] = {
    "chat": ("chat", "stream", "tools", "forms"),
    "embedding": ("embedding",),
    "rerank": ("rerank",),
}
"""By kind of model, what is asked of it."""
LONGEST = 20
"""All checks together may take so many times as long as one call; what is not asked then counts as not proven."""
KINDS = {"chat": Text("chat", "对话"), "embedding": Text("embedding", "向量"), "rerank": Text("rerank", "重排")}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """What came of all checks."""

    target: Target
    findings: tuple[Finding, ...]
    late: bool = False
    """Whether the time was over before all were asked."""

    @property
    def ok(self) -> bool:
        """All was asked, and nothing that Dify needs fails."""
        return not self.late and not any(finding.failed for finding in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """How many checks have each status."""
        return {status: sum(finding.status == status for finding in self.findings) for status in STATUSES}

    def data(self, language: Language) -> dict[str, Any]:
        """As JSON: `{ok, url, models, summary, seen: [...], checks: [{id, status, found, why, fix, sent, ...}]}`."""
        return {
            "ok": self.ok,
            "url": self.target.url,
            "models": {kind: getattr(self.target, kind) for kind in KINDS},
            "summary": self.counts,
            "seen": list(self.seen(language)),
            "checks": [finding.told(language, self.target.key) for finding in self.findings],
        }

    def text(self, language: Language, colour: bool) -> str:
        """A line a check, more for those that warn or fail; what is skipped by reason; what a user of Dify sees."""
        width = max(len(finding.check.id) for finding in self.findings)
        lines: list[str] = []
        skipped: dict[str, list[str]] = {}
        for finding in self.findings:
            row = finding.told(language, self.target.key)
            if finding.status == "skip":
                skipped.setdefault(row["found"], []).append(row["id"])
                continue
            lines.append(f"{_painted(finding.status, colour)}  {row['id']:<{width}}  {row['found']}")
            if finding.status != "ok":
                details = [row["why"], *(f"{LABELS[name][language]}: {row[name]}" for name in LABELS if row[name])]
                lines += [f"{'':<{width + 8}}{detail}" for detail in details]
        for found, ids in skipped.items():
            named = ", ".join(ids) if len(ids) <= NAMED else COUNTED[language].format(count=len(ids))
            lines.append(f"{_painted('skip', colour)}  {named}: {found}")
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return "\n".join([*lines, "", *self.seen(language), f"{self.target.url}: {counts}"])

    def seen(self, language: Language) -> Iterator[str]:
        """What a user of Dify would see, a line for each model and for each thing that goes wrong with it."""
        told = {name: text[language] for name, text in SEEN.items()}
        if shut := next((one for one in self._failed("address") if one.check.gate), None):
            yield told["nothing"].format(why=getattr(shut.check.why, language))
            return
        wished = [finding for finding in self.findings if finding.check.area == "address" and finding.status == "warn"]
        for finding in (*self._failed("address"), *wished):
            yield f"- {finding.check.id}: {getattr(finding.check.why, language)}"
        for kind, areas in AREAS.items():
            name = getattr(self.target, kind)
            if not name:
                continue
            wrong = [finding for area in areas for finding in self._failed(area)]
            refused = any(finding.check.id == f"{kind}_validates" for finding in wrong)
            form = "refused" if refused else "faulty" if wrong else "works"
            yield told[form].format(kind=getattr(KINDS[kind], language), name=name)
            yield from (f"- {finding.check.id}: {getattr(finding.check.why, language)}" for finding in wrong)

    def _failed(self, area: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.check.area == area and finding.failed]


LABELS: dict[str, dict[Language, str]] = {
    "sent": {"en": "sent", "zh": "发送"},
    "received": {"en": "received", "zh": "收到"},
    "fix": {"en": "fix", "zh": "解决办法"},
}
NAMED = 4
"""So many checks that are skipped for one reason are named; more are counted."""
COUNTED: dict[Language, str] = {"en": "{count} checks", "zh": "{count} 项检查"}
SEEN: dict[str, dict[Language, str]] = {
    "nothing": {"en": "Dify can add no model: {why}", "zh": "Dify 无法添加任何模型：{why}"},
    "refused": {"en": "{kind} model `{name}`: Dify refuses to add it.", "zh": "{kind}模型 `{name}`：Dify 拒绝添加。"},
    "faulty": {
        "en": "{kind} model `{name}`: Dify adds it, and then:",
        "zh": "{kind}模型 `{name}`：Dify 可以添加，但随后：",
    },
    "works": {
        "en": "{kind} model `{name}`: Dify adds it, and it works.",
        "zh": "{kind}模型 `{name}`：Dify 可以添加并正常使用。",
    },
}


def run(plugin: Plugin, say: Say, clock: Callable[[], float] = time.monotonic) -> Report:
    """Every check in order; `say` hears which one is asked. `clock` gives seconds."""
    ends = clock() + LONGEST * plugin.target.seconds
    late = False
    shut: dict[str, Check] = {}
    findings: list[Finding] = []
    for number, check in enumerate(CHECKS, 1):
        say(f"{number}/{len(CHECKS)} {check.id}")
        late = late or clock() > ends
        finding = _too_late(check, plugin) if late else _asked(check, plugin, shut)
        if check.gate and finding.status in ("fail", "warn"):
            shut[check.area] = check
        findings.append(finding)
    return Report(plugin.target, tuple(findings), late)


def _too_late(check: Check, plugin: Plugin) -> Finding:
    seconds = f"{LONGEST * plugin.target.seconds:.0f}"
    reason = Text(f"not asked, since {seconds} s are over", f"未检查：已超过 {seconds} 秒")
    return Finding(check, "skip", reason, check.fix)


def _asked(check: Check, plugin: Plugin, shut: dict[str, Check]) -> Finding:
    kind = next((kind for kind, areas in AREAS.items() if check.area in areas), "")
    gate = shut.get("address") or shut.get(kind) or shut.get(check.area)
    if gate is not None:
        return not_asked(check, gate)
    if kind and not getattr(plugin.target, kind):
        reason = Text(f"no {KINDS[kind].en} model", f"没有{KINDS[kind].zh}模型")
        return Finding(check, "skip", reason, check.fix)
    return find(check, plugin)


def _painted(status: Status, colour: bool) -> str:
    return f"\x1b[{COLOURS[status]}m{status:<4}\x1b[0m" if colour else f"{status:<4}"
