"""Check: one fact about a server that Dify relies on; why Dify does, what was sent, what came back, and the fix."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from freehold.deploy.dify.checking.exchange import Exchange
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.doctor.check import Language, Status, Text, Words, in_both

Area = Literal["address", "chat", "stream", "tools", "forms", "embedding", "rerank", "speed"]


class Failed(Exception):  # noqa: N818 - an outcome of a check, no error of ours
    """What was found is not what Dify needs; `fix` where there is a better one than the check's own."""

    def __init__(self, found: Words, fix: Text | None = None) -> None:
        super().__init__(in_both(found).en)
        self.found, self.fix = in_both(found), fix


class NotApplicable(Exception):  # noqa: N818 - as above
    """The question does not arise here, or could not be answered; the reason."""

    def __init__(self, reason: Words) -> None:
        super().__init__(in_both(reason).en)
        self.reason = in_both(reason)


@dataclass(frozen=True)
class Check:
    """One question. `ask` makes calls, returns what it found, and raises Failed or NotApplicable otherwise."""

    id: str
    area: Area
    ask: Callable[[Plugin], Words]
    why: Text
    """What a user of Dify sees where it fails."""
    fix: Text
    needed: bool = True
    """Whether Dify needs it: else a failure is a warning."""
    gate: bool = False
    """Whether nothing else of its area is asked where it fails."""


@dataclass(frozen=True)
class Finding:
    """What came of a check."""

    check: Check
    status: Status
    found: Text
    fix: Text
    exchanges: tuple[Exchange, ...] = ()
    """The calls it rests on, the deciding one last."""

    @property
    def failed(self) -> bool:
        """Whether Dify needs what is not there."""
        return self.status == "fail"

    def told(self, language: Language, secret: str = "") -> dict[str, str]:
        """As data: id, status, found, why, fix, sent, received; `secret` is masked wherever it stands."""
        last = self.exchanges[-1] if self.exchanges else None
        row = {
            "id": self.check.id,
            "area": self.check.area,
            "status": str(self.status),
            "found": getattr(self.found, language),
            "why": getattr(self.check.why, language),
            "fix": getattr(self.fix, language),
            "sent": last.request.told() if last else "",
            "received": last.told() if last else "",
        }
        return {name: text.replace(secret, "***") if secret else text for name, text in row.items()}


def find(check: Check, plugin: Plugin) -> Finding:
    """Ask one check."""
    asking = plugin.recording()
    try:
        found, fix = in_both(check.ask(asking)), check.fix
        status: Status = "ok"
    except Failed as failure:
        found, fix = failure.found, failure.fix or check.fix
        status = "fail" if check.needed else "warn"
    except NotApplicable as reason:
        found, fix, status = reason.reason, check.fix, "skip"
    return Finding(check, status, found, fix, tuple(asking.exchanges))


def not_asked(check: Check, gate: Check) -> Finding:
    """What is not asked since its gate is shut."""
    reason = Text(f"not asked, since {gate.id} failed", f"未检查：{gate.id} 未通过")
    return Finding(check, "skip", reason, check.fix)


def listed(names: Sequence[str]) -> str:
    """Names for a sentence."""
    return ", ".join(names) if names else "-"
