"""Do two embedding models speak of the same space? Vectors of two spaces in one index make a search that finds nothing.

Both embed the same few texts. In one space (another precision, another engine, another replica) the two vectors of a
text point the same way; vectors of different models do not, even where they have as many dimensions.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from freehold.config import ModelConfig
from freehold.errors import FreeholdError
from freehold.gateway.comparing.contents import Answer, read
from freehold.gateway.rollouts.replay import Ask, Recorded

LEAST_COSINE = 0.9
"""Quantized forms of one model stay above it; vectors of models that were trained apart have cosines about 0."""
ATTEMPTS = 3  # after which a model that fails to embed and does not say that it can counts as one that does not
AGAIN_S = 10.0  # after which a model that is in nobody's space is asked again: it may have been mended
TEXTS = (
    "The cat sleeps on the warm stone.",
    "Invoices are paid within thirty days of receipt.",
    "El tren sale a las ocho de la mañana.",
    "模型在本机运行，数据不会离开公司。",
)

log = logging.getLogger(__name__)

Vectors = tuple[np.ndarray[Any, Any], ...]


@dataclass(frozen=True)
class Sight:
    """What is known of a model without asking it. `error`: why it cannot answer now; `abilities`: empty where they are
    not told."""

    config: ModelConfig
    error: FreeholdError | None = None
    abilities: Collection[str] = ()


@dataclass
class _Known:
    """One model's vectors: of whom they are, whether it is an embedding model, and when it was asked."""

    config: ModelConfig
    asked_at: float
    asking: "asyncio.Task[None] | None" = None
    vectors: Vectors | None = None
    answered: bool = False
    attempts: int = 0


@dataclass(frozen=True)
class Unknown:
    """Two models have not been compared yet. `likely`: both say that they embed."""

    likely: bool


@dataclass
class Spaces:
    """Which models share a space: asked in the background, known until one of them is away or another one.

    `sight` tells what is known of a model; `clock` is in seconds and never goes back.
    """

    ask: Ask
    sight: Callable[[str], Sight | None]
    clock: Callable[[], float]
    _known: dict[str, _Known] = field(default_factory=dict)

    def compared(self, old: str, new: str) -> FreeholdError | Unknown | None:
        """Why vectors of both cannot stand in one index; None where they can, or where one of them is no embedding
        model."""
        sights = [self.sight(model) for model in (old, new)]
        told = [sight.abilities if sight is not None else () for sight in sights]
        if any(abilities and "embed" not in abilities for abilities in told):
            return None
        mine, theirs = self._vectors(old, sights[0]), self._vectors(new, sights[1])
        if mine is None or theirs is None:
            return Unknown(all("embed" in abilities for abilities in told))
        if not mine or not theirs:
            return None
        found = apart(old, mine, new, theirs)
        if found is not None:
            self._ask_again(old, new)
        return found

    async def close(self) -> None:
        """Ask nobody any more."""
        tasks = [known.asking for known in self._known.values() if known.asking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _vectors(self, model: str, sight: Sight | None) -> Vectors | None:
        """The model's vectors, () where it gives none; None while they are not known."""
        known = self._known.get(model)
        if sight is None or sight.error is not None:
            if known is not None and known.asking is None:
                del self._known[model]  # another one may come back under its name
            return None
        if known is None or (known.config != sight.config and known.asking is None):
            known = self._known[model] = _Known(sight.config, self.clock())
            self._begin(model, known)
        if known.answered:
            return known.vectors or ()
        if known.attempts >= ATTEMPTS and "embed" not in sight.abilities:
            return ()
        self._ask_again(model)
        return None

    def _begin(self, model: str, known: _Known) -> None:
        known.attempts += 1
        known.asking = asyncio.get_running_loop().create_task(self._learn(model, known))

    async def _learn(self, model: str, known: _Known) -> None:
        try:
            known.vectors = await embedded(self.ask, model)
            sight = self.sight(model)
            known.answered = known.vectors is not None or sight is None or "embed" not in sight.abilities
            if not known.answered:
                raise FreeholdError("space_untold", model=model)
        except FreeholdError as error:
            log.info("space_unknown", extra={"model": model, "cause": error.cause})
        finally:
            known.asking = None

    def _ask_again(self, *models: str) -> None:
        """What was found stands until the next answer."""
        for model in models:
            known = self._known[model]
            if known.asking is None and self.clock() - known.asked_at > AGAIN_S:
                known.asked_at = self.clock()
                self._begin(model, known)


async def embedded(ask: Ask, model: str) -> Vectors | None:
    """The vectors that `model` gives the probe texts; None where it is no embedding model.

    Raises FreeholdError where it cannot be told: the model does not answer now.
    """
    answer = await ask(model, Recorded("/v1/embeddings", {"input": list(TEXTS), "encoding_format": "float"}))
    if answer.status >= 500 or answer.status in (408, 429):
        raise FreeholdError("space_unknown", model=model, status=answer.status)
    return _vectors(answer)


def apart(old: str, mine: Vectors, new: str, theirs: Vectors) -> FreeholdError | None:
    """Why vectors of `old` and `new` cannot stand in one index, or None."""
    dimensions, others = len(mine[0]), len(theirs[0])
    if dimensions != others:
        return FreeholdError("spaces_dimensions", old=old, new=new, dimensions=dimensions, others=others)
    cosine = min(_cosine(a, b) for a, b in zip(mine, theirs, strict=True))
    if cosine >= LEAST_COSINE:
        return None
    return FreeholdError("spaces_differ", old=old, new=new, cosine=f"{cosine:.3f}", least=LEAST_COSINE)


def _vectors(answer: Answer) -> Vectors | None:
    if answer.status >= 300:
        return None
    content = read(answer)
    of_one_size = len({array.shape for array in content.numbers}) == 1
    if content.kind != "vectors" or len(content.numbers) != len(TEXTS) or not of_one_size:
        return None
    return content.numbers if content.numbers[0].size else None


def _cosine(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    """The cosine of two vectors; 0 where one has no direction."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(np.dot(a, b)) / lengths if lengths else 0.0
    return cosine if np.isfinite(cosine) else 0.0
