"""What is known of a name that clients ask for, before it becomes models of Dify."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal, get_args

from freehold.artifact import Kind
from freehold.config import Ability, Config, ModelConfig, Route

Thinking = Literal["no", "always", "switch"]
"""Whether it reasons before it answers; `switch`: a request says (`enable_thinking` in its chat template)."""

OF_KIND: Mapping[Kind, tuple[Ability, ...]] = {"embed": ("embed",), "rerank": ("rerank",)}
"""What a kind is able to by itself; whether one that generates can chat, its files or its server tell."""


@dataclass(frozen=True)
class Known:
    """One name that clients ask for. None and empty: not known."""

    name: str
    kind: Kind | None = None
    abilities: tuple[Ability, ...] = ()
    context_length: int | None = None
    """Tokens of prompt and answer; where texts are cut of an embedding or rerank model."""
    max_output_tokens: int | None = None
    thinking: Thinking = "no"
    schemas: bool = False
    """Whether its server holds answers to a JSON schema."""
    prompts: Mapping[str, str] = field(default_factory=dict)
    """Prefixes by what they are for: query, document, passage."""
    digest: str = ""
    """`sha256:<hex>` of its artifact, or of the weights of its folder."""
    seed: str = ""
    """What tells it from others where there is no digest: an upstream's address and its name there."""
    answers: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False)
    """Of an embedding model, vectors by text: its goldens."""

    def over(self, other: "Known") -> "Known":
        """This, and what `other` knows beyond it."""
        return Known(
            self.name,
            self.kind or other.kind,
            self.abilities or other.abilities,
            self.context_length or other.context_length,
            self.max_output_tokens or other.max_output_tokens,
            self.thinking if self.thinking != "no" else other.thinking,
            self.schemas or other.schemas,
            self.prompts or other.prompts,
            self.digest or other.digest,
            self.seed or other.seed,
            self.answers or other.answers,
        )


def said(model: ModelConfig) -> Known:
    """What the configuration says of a model; its files and its server know the rest."""
    kind = None if model.kind == "auto" else model.kind
    elsewhere = model.hosting == "upstream"
    return Known(
        model.id,
        kind,
        model.abilities or (OF_KIND.get(kind, ()) if kind is not None else ()),
        model.context_length,
        model.max_output_tokens,
        schemas=model.hosting == "here" or model.engine == "vllm",
        seed=f"{model.source} {model.upstream_model or model.id}" if elsewhere else "",
    )


def names(config: Config, models: Mapping[str, Known]) -> tuple[Known, ...]:
    """Every name of `config` that clients ask for, models first: a route takes the place of a model of its name.

    `models` has each model's by its id.
    """
    routes = {route.model: _of_route(route, models) for route in config.routes}
    own = [routes.pop(model.id, models[model.id]) for model in config.models]
    return (*own, *routes.values())


def _of_route(route: Route, models: Mapping[str, Known]) -> Known:
    """What all models that may answer for a route have in common."""
    asked = sorted((target for target in route.to if target.weight), key=lambda target: -target.weight)
    those = [models[target.id] for target in asked]
    if route.fallback is not None:
        those.append(models[route.fallback])
    return replace(reduce(_common, those), name=route.model)


def _common(one: Known, other: Known) -> Known:
    """What holds for both; the vectors are those of the first, which has the larger share."""
    return replace(
        one,
        kind=one.kind if one.kind == other.kind else None,
        abilities=tuple(ability for ability in one.abilities if ability in other.abilities),
        context_length=_least(one.context_length, other.context_length),
        max_output_tokens=_least(one.max_output_tokens, other.max_output_tokens),
        thinking=one.thinking if one.thinking == other.thinking else "no",
        schemas=one.schemas and other.schemas,
        prompts=one.prompts if one.prompts == other.prompts else {},
    )


def _least(one: int | None, other: int | None) -> int | None:
    return min((length for length in (one, other) if length is not None), default=None)


def told(name: str, row: Mapping[str, object]) -> Known:
    """What a row of our server's `/v1/models` tells of a model."""
    abilities, more = row.get("abilities"), row.get("freehold")
    details: Mapping[str, object] = more if isinstance(more, Mapping) else {}
    kind, digest = details.get("kind"), details.get("digest")
    return Known(
        name,
        next((one for one in get_args(Kind) if one == kind), None),
        tuple(one for one in get_args(Ability) if isinstance(abilities, Sequence) and one in abilities),
        _number(details.get("context_length")),
        _number(details.get("max_output_tokens")),
        digest=digest if isinstance(digest, str) else "",
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
