"""What `freehold dify connect` tells people: each step about a model, the defaults, the real calls with their times."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from freehold.cli.columns import columns
from freehold.deploy.dify.connecting.applying import Proof
from freehold.deploy.dify.connecting.planning import Plan, Step
from freehold.errors import Language

SHOWN = 60
"""Characters of an answer."""


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    actions: Mapping[str, str]
    calls: Mapping[str, str]
    default: str
    plugin: str
    same: str
    planned: str
    used: str
    unused: str
    proof: str


WORDS: dict[Language, Words] = {
    "en": Words(
        {"add": "add", "update": "update", "same": "same", "keep": "keep", "remove": "remove"},
        {"chat": "chat", "retrieval": "retrieval"},
        "default",
        "install the plugin",
        "Nothing differs.",
        "Nothing was changed: this is the plan.",
        "used by {uses}",
        "an older space; --prune removes it if the owner signs in, nothing uses it, and it leads to this server",
        "{what} through Dify with {models}: {seconds} s: {answer}",
    ),
    "zh": Words(
        {"add": "添加", "update": "更新", "same": "不变", "keep": "保留", "remove": "移除"},
        {"chat": "对话", "retrieval": "检索"},
        "默认",
        "安装插件",
        "没有差异。",
        "未做任何更改：以上为计划。",
        "被使用：{uses}",
        "旧的向量空间；若以所有者登录、无人使用且指向本服务器，可用 --prune 移除",
        "通过 Dify {what}（{models}）：{seconds} 秒：{answer}",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What was found, planned or done at one Dify."""

    address: str
    version: str
    plan: Plan
    applied: bool
    proofs: tuple[Proof, ...] = field(default=())


def as_data(outcome: Outcome) -> dict[str, Any]:
    """For programs."""
    return {
        "dify": outcome.address,
        "version": outcome.version,
        "applied": outcome.applied,
        "installs": outcome.plan.installs,
        "steps": [
            {
                "action": step.action,
                "type": step.type,
                "name": step.name,
                "fields": list(step.fields),
                "uses": list(step.uses),
            }
            for step in outcome.plan.steps
        ],
        "defaults": dict(outcome.plan.defaults),
        "proofs": [
            {"what": one.what, "models": list(one.models), "seconds": round(one.seconds, 3), "answer": one.answer}
            for one in outcome.proofs
        ],
    }


def as_text(outcome: Outcome, language: Language) -> str:
    """For people: a line for each model, then what else there is to say."""
    words, plan = WORDS[language], outcome.plan
    rows = [(words.plugin, "", "", "")] if plan.installs else []
    rows += [(words.actions[step.action], step.type, step.name, _why(step, words)) for step in plan.steps]
    rows += [(words.default, kind, name, "") for kind, name in plan.defaults.items()]
    lines = columns(rows)
    if not plan.changes:
        lines.append(words.same)
    elif not outcome.applied:
        lines.append(words.planned)
    return "\n".join([*lines, *(_proof(one, words) for one in outcome.proofs)])


def _why(step: Step, words: Words) -> str:
    if step.action == "keep":
        return words.used.format(uses=", ".join(step.uses)) if step.uses else words.unused
    return ", ".join(step.fields)


def _proof(one: Proof, words: Words) -> str:
    answer = " ".join(one.answer.split())
    shown = answer if len(answer) <= SHOWN else f"{answer[: SHOWN - 3]}..."
    what = words.calls[one.what]
    return words.proof.format(what=what, models=", ".join(one.models), seconds=f"{one.seconds:.2f}", answer=shown)
