"""Which apps and knowledge bases use a model: found by reading everything that could name one.

Dify has no call that answers this. Apps name models in their configuration and in the graphs of their workflows, the
draft and the published one; knowledge bases name their embedding model and how they rank. All of it is searched for a
provider beside a name, so that a node of a sort that came later is found too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

import msgspec

from freehold.deploy.dify.console.calls import PROVIDER, Calls
from freehold.deploy.dify.console.wire import Request

_PAGE = 100  # the most that Dify gives at once
_SHORT = PROVIDER.rsplit("/", 1)[1]  # as Dify named providers before plugins
_PROVIDERS = frozenset({PROVIDER, _SHORT})
_PAIRS = (
    ("provider", "name"),
    ("provider", "model"),
    ("reranking_provider_name", "reranking_model_name"),
    ("embedding_provider_name", "embedding_model_name"),
    ("embedding_model_provider", "embedding_model"),
    ("model_provider_name", "model_name"),
)
"""Keys that stand side by side wherever Dify names a model."""
_GRAPHS = frozenset({"advanced-chat", "workflow"})
_OWNER = "owner"


@dataclass(frozen=True)
class Use:
    """One app or knowledge base that names `model` of the provider."""

    model: str
    kind: Literal["app", "knowledge base"]
    id: str
    title: str


class Item(msgspec.Struct, frozen=True):
    """One row of a list of apps or knowledge bases."""

    id: str
    name: str
    mode: str = ""


class Page(msgspec.Struct, frozen=True):
    """A page of such a list."""

    data: tuple[Item, ...]
    has_more: bool


class Whole(msgspec.Struct, frozen=True):
    """The same page with everything that its rows say."""

    data: tuple[Any, ...]


class Workspace(msgspec.Struct, frozen=True):
    """The workspace that is worked in, and what the account is there."""

    id: str
    role: str | None = None


class Uses:
    """What of a workspace uses models. Every method raises as `Calls.ask`: what could not be read is never `unused`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def all(self) -> tuple[Use, ...]:
        """Every use of a model of the provider, by apps (drafts too) and knowledge bases."""
        return (*self._by_apps(), *self._by_knowledge())

    def sees_all(self) -> bool:
        """Whether the account is the workspace's owner: others do not see everybody's knowledge bases."""
        return self.workspace().role == _OWNER

    def workspace(self) -> Workspace:
        """The workspace that is worked in. Asked by POST, as the console itself does."""
        return self._calls.ask(Request("POST", "/workspaces/current"), Workspace)

    def _by_apps(self) -> Iterator[Use]:
        for item, row in self._rows("/apps"):
            documents = [row, self._whole(f"/apps/{item.id}")]
            if item.mode in _GRAPHS:
                documents += [self._whole(f"/apps/{item.id}/workflows/{which}") for which in ("draft", "publish")]
            for model in sorted(set(named(documents))):
                yield Use(model, "app", item.id, item.name)

    def _by_knowledge(self) -> Iterator[Use]:
        for item, row in self._rows("/datasets", include_all="true"):
            for model in sorted(set(named(row))):
                yield Use(model, "knowledge base", item.id, item.name)

    def _rows(self, path: str, **more: str) -> Iterator[tuple[Item, Any]]:
        for number in count(1):
            answer = self._calls.do(Request("GET", path, query={"page": number, "limit": _PAGE, **more}))
            page = answer.read(Page)
            yield from zip(page.data, answer.read(Whole).data, strict=True)
            if not page.has_more or not page.data:
                return

    def _whole(self, path: str) -> Any:
        """A document, None where there is none: a workflow that was never drawn or published, an app just deleted."""
        answer = self._calls.send(Request("GET", path))
        if answer.status == 404:
            return None
        if not answer.ok:
            raise answer.refusal()
        return answer.read(object)


def named(document: object) -> Iterator[str]:
    """Every model of the provider that is named anywhere in a document."""
    if isinstance(document, Mapping):
        for provider, name in _PAIRS:
            if document.get(provider) in _PROVIDERS and isinstance(model := document.get(name), str) and model:
                yield model
        document = list(document.values())
    if isinstance(document, list):
        for inner in document:
            yield from named(inner)
