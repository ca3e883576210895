"""What has to be done in Dify: wanted minus found, as data, before anything is changed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from freehold.deploy.dify.connecting.becoming import Wanted
from freehold.deploy.dify.connecting.keys import Keys
from freehold.deploy.dify.connecting.provider import API_KEY, ENDPOINT, FIELDS, TYPES
from freehold.deploy.dify.console import PROVIDER, Console, Credential, Default, ModelType
from freehold.errors import FreeholdError

_SPACED = re.compile(r"(?P<model>.+)@[0-9a-f]{8}")
_OURS = frozenset(field.name for field in FIELDS)


@dataclass(frozen=True)
class Found:
    """What a Dify has, as far as it concerns what is wanted."""

    models: Mapping[tuple[str, str], Credential | None]
    """By type and name; a credential only of those that are wanted, and of older spaces."""
    uses: Mapping[str, tuple[str, ...]]
    """By the name of an older space, the apps and knowledge bases that name it."""
    defaults: Mapping[ModelType, Default | None]
    sees_all: bool = True
    """Whether the account sees everybody's knowledge bases: what it does not see may use a model, too."""


@dataclass(frozen=True)
class Step:
    """What is done about one model. `fields` are those of its credentials that differ; `uses` what names it."""

    action: Literal["add", "update", "same", "keep", "remove"]
    type: ModelType
    name: str
    fields: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    wanted: Wanted | None = None
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The credentials that Dify is given, the key among them."""

    @property
    def changes(self) -> bool:
        """Whether Dify is another one afterwards."""
        return self.action in ("add", "update", "remove")


@dataclass(frozen=True)
class Plan:
    """All steps, in order, and the defaults that are set. `installs`: the plugin comes first."""

    steps: tuple[Step, ...]
    defaults: Mapping[ModelType, str]
    installs: bool = False

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return self.installs or bool(self.defaults) or any(step.changes for step in self.steps)


@dataclass(frozen=True)
class Intent:
    """What is wanted of Dify. `defaults` are those that the configuration names, by the names that clients ask for."""

    models: tuple[Wanted, ...]
    key: str | None = field(repr=False)
    defaults: Mapping[ModelType, str]
    prune: bool = False
    older: tuple[Wanted, ...] = ()
    """Names of older spaces that a model still answers in: where Dify has one, it is led there."""


def look(console: Console, intent: Intent) -> Found:
    """What Dify has. Raises what the console's calls raise."""
    listed = [(one.type, one.name) for one in console.models.listed()]
    wanted = {(one.type, one.name) for one in (*intent.models, *intent.older)}
    credentials: dict[tuple[str, str], Credential | None] = {
        (kind, name): console.models.credential(name, kind)
        if (kind, name) in wanted or _older_space(kind, name, intent)
        else None
        for kind in TYPES
        for other, name in listed
        if other == kind
    }
    uses: dict[str, tuple[str, ...]] = {}
    older = any(_older_space(kind, name, intent) for kind, name in credentials)
    for use in console.uses.all() if older else ():  # every app is read for it
        uses[use.model] = (*uses.get(use.model, ()), f"{use.kind} {use.title}")
    types = {one.type for one in intent.models}
    defaults = {kind: console.models.default(kind) for kind in TYPES if kind in types}
    return Found(credentials, uses, defaults, not older or console.uses.sees_all())


NOTHING = Found({}, {}, {})
"""A Dify without the plugin."""


def plan(intent: Intent, found: Found, keys: Keys, *, installs: bool = False) -> Plan:
    """What is to be done, pure. Raises `dify_default_type` for a default of another type than the model is."""
    steps = [_of_wanted(one, intent.key, found, keys) for one in intent.models]
    return Plan((*steps, *_older(intent, found, keys)), _defaults(intent, found), installs)


def _of_wanted(one: Wanted, key: str | None, found: Found, keys: Keys) -> Step:
    values = {**({API_KEY: key} if key else {}), **one.credentials}
    step = Step("add", one.type, one.name, wanted=one, values=values)
    if (one.type, one.name) not in found.models:
        return step
    credential = found.models[one.type, one.name]
    if credential is None:
        return replace(step, action="update", fields=(API_KEY,))
    shown = credential.values
    # what a person set beside our fields stays, and the plugin takes whatever it does not know
    beside = {name: value for name, value in shown.items() if name not in _OURS and not _starred(value)}
    given = keys.given(f"{one.type} {one.name}", key, shown.get(API_KEY, ""))
    fields = [
        field.name
        for field in FIELDS
        if field.name != API_KEY and (shown.get(field.name) or "") != one.credentials.get(field.name, "")
    ]
    differ = (*fields, *(() if given else (API_KEY,)))
    return replace(step, action="update" if differ else "same", fields=differ, values={**beside, **values})


def _starred(value: str) -> bool:
    """A secret as Dify shows it, which given back would be taken for the secret."""
    return "****" in value


def _older(intent: Intent, found: Found, keys: Keys) -> list[Step]:
    """Spaces that our embedding models were in before. What is used, or may be, is never removed."""
    homes = {one.name: one for one in intent.older}
    steps = []
    for kind, name in found.models:
        if not _older_space(kind, name, intent):
            continue
        step = Step("keep", "text-embedding", name, uses=found.uses.get(name, ()))
        if intent.prune and found.sees_all and not step.uses and _leads_here(found.models[kind, name], intent):
            step = replace(step, action="remove")
        elif name in homes:
            step = replace(_of_wanted(homes[name], intent.key, found, keys), uses=step.uses)
        steps.append(step)
    return steps


def _older_space(kind: str, name: str, intent: Intent) -> bool:
    """Whether it is one of our embedding models as it was before its vectors changed."""
    spaced = _SPACED.fullmatch(name)
    ours = {one.model: one.name for one in intent.models if one.type == "text-embedding"}
    return kind == "text-embedding" and spaced is not None and ours.get(spaced["model"], name) != name


def _leads_here(credential: Credential | None, intent: Intent) -> bool:
    """Whether it asks our server, or nobody: another deployment's model may have the same name."""
    ours = {one.credentials[ENDPOINT] for one in intent.models}
    return credential is None or credential.values.get(ENDPOINT) in ours


def _defaults(intent: Intent, found: Found) -> dict[ModelType, str]:
    """Those that the configuration names; of other types our first model, where Dify has none, or an older space."""
    wanted: dict[ModelType, str] = {}
    for kind in TYPES:
        ours = [one for one in intent.models if one.type == kind]
        now = found.defaults.get(kind)
        asked = intent.defaults.get(kind)
        if asked is not None:
            name = _named(asked, kind, intent.models)
            if now is None or (now.provider, now.name) != (PROVIDER, name):
                wanted[kind] = name
        elif ours and now is None:
            wanted[kind] = ours[0].name
        elif now is not None and now.provider == PROVIDER and _older_space(kind, now.name, intent):
            wanted[kind] = _named(now.name.rpartition("@")[0], kind, intent.models)
    return wanted


def _named(model: str, kind: ModelType, models: Sequence[Wanted]) -> str:
    """The name in Dify of the model that clients ask for by `model`."""
    types = {one.type: one.name for one in models if one.model == model}
    if kind not in types:
        raise FreeholdError("dify_default_type", model=model, wanted=kind, found=", ".join(types) or "-")
    return types[kind]
