"""Which models a server has, found as Dify would see it: by what each name answers to the calls of a validation."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from freehold.deploy.dify.checking.plugin_calls import Plugin, other_form
from freehold.deploy.dify.checking.reading import dig, rows

Say = Callable[[str], None]
KINDS = ("chat", "embedding", "rerank")
MOST = 32
"""Names that are asked; a gateway to providers may list hundreds."""
SILENT = 3
"""After so many names that did not answer in time no more are asked."""


def with_models(plugin: Plugin, names: Sequence[str], say: Say) -> Plugin:
    """A plugin whose target names a chat, an embedding and a rerank model: the first of `names` that answers as such.

    Without `names`, those that the server lists. Where the target already names a model, nothing is looked for; what
    is not found stays "".
    """
    target = plugin.target
    if target.chat or target.embedding or target.rerank:
        return plugin
    for base in (target.url, other_form(target.url)):  # of a wrong address the checks tell: here it only must not hide
        asking = plugin.instead(url=base)
        found = _found(asking, names or listed(asking), say)
        if found:
            return plugin.instead(**found)
    return plugin


def listed(plugin: Plugin) -> list[str]:
    """The names of GET /models, [] where there is no such list."""
    names = [dig(row, "id") for row in rows(plugin.models(), "data")]
    return [name for name in names if isinstance(name, str) and name]


def _found(plugin: Plugin, names: Sequence[str], say: Say) -> dict[str, str]:
    """By kind, the first name that answers as one."""
    found: dict[str, str] = {}
    silent = 0
    for name in names[:MOST]:
        say(name)
        asking = Plugin(replace(plugin.target, chat=name, embedding=name, rerank=name), plugin.memory)
        kind = _kind_of(asking, [kind for kind in KINDS if kind not in found])
        if kind is not None:
            found[kind] = name
        silent += any(answer.trouble == "slow" for answer in asking.exchanges)
        if len(found) == len(KINDS) or silent == SILENT:
            break
    return found


def _kind_of(plugin: Plugin, kinds: Sequence[str]) -> str | None:
    """The first of `kinds` whose call is answered as one of that kind; a model that is silent once is left alone."""
    for kind in kinds:
        answer, key = {
            "chat": (plugin.validate_chat, "choices"),
            "embedding": (plugin.validate_embedding, "data"),
            "rerank": (plugin.validate_rerank, "results"),
        }[kind]
        exchange = answer()
        if dig(exchange.json, key):
            return kind
        if exchange.trouble == "slow":
            break
    return None
