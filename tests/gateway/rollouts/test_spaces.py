"""Embedding models of one space and of several."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from freehold.config import ModelConfig
from freehold.errors import FreeholdError
from freehold.gateway.comparing.contents import Answer
from freehold.gateway.rollouts.replay import Recorded
from freehold.gateway.rollouts.spaces import AGAIN_S, ATTEMPTS, TEXTS, Sight, Spaces, Unknown, apart, embedded

GENERATOR = np.random.default_rng(7)
ONE = tuple(GENERATOR.normal(size=(len(TEXTS), 16)))
OTHER = tuple(GENERATOR.normal(size=(len(TEXTS), 16)))


def answer(vectors: Any) -> Answer:
    rows = [{"index": index, "embedding": list(map(float, vector))} for index, vector in enumerate(vectors)]
    return Answer(200, "application/json", json.dumps({"data": rows}).encode())


def config(name: str, url: str = "http://127.0.0.1:9/v1") -> ModelConfig:
    return ModelConfig(id=name, source=url)


class Models:
    """What three models answer and say of themselves, all of it to be changed."""

    def __init__(self) -> None:
        rounded = tuple(np.round(vector, 1) for vector in ONE)
        self.answers: dict[str, Answer] = {"a": answer(ONE), "b": answer(rounded), "c": answer(OTHER)}
        self.sights = {name: Sight(config(name), None, ("embed",)) for name in "abc"}
        self.asked: list[str] = []
        self.now = 0.0
        self.spaces = Spaces(self.ask, self.sights.get, lambda: self.now)

    async def ask(self, model: str, request: Recorded) -> Answer:
        self.asked.append(model)
        return self.answers[model]

    async def known(self, old: str, new: str) -> FreeholdError | Unknown | None:
        """What is found once the models have been asked."""
        self.spaces.compared(old, new)
        await asyncio.sleep(0.01)
        return self.spaces.compared(old, new)


def together(test: Callable[[Models], Any]) -> Any:
    """`test` on an event loop, and nobody asked behind it."""

    async def run() -> Any:
        models = Models()
        try:
            return await test(models)
        finally:
            await models.spaces.close()

    return asyncio.run(run())


def test_vectors_of_one_space_may_share_an_index_and_others_may_not() -> None:
    """Rounded ones are of the same; another direction, another size or none at all is not."""
    assert apart("a", ONE, "b", tuple(np.round(vector, 1) for vector in ONE)) is None
    assert apart("a", ONE, "b", tuple(3 * vector for vector in ONE)) is None
    for theirs, code in ((OTHER, "spaces_differ"), (tuple(vector[:8] for vector in ONE), "spaces_dimensions")):
        found = apart("a", ONE, "c", theirs)
        assert found is not None
        assert found.code == code
    assert apart("a", ONE, "c", tuple(0 * vector for vector in ONE)) is not None


def test_models_are_asked_once_and_compared() -> None:
    """Not known first, then known without asking again."""

    async def test(models: Models) -> None:
        first = models.spaces.compared("a", "b")
        assert first == Unknown(likely=True)
        assert await models.known("a", "b") is None
        found = await models.known("a", "c")
        assert isinstance(found, FreeholdError)
        assert sorted(models.asked) == ["a", "b", "c"]

    together(test)


def test_a_model_that_says_that_it_does_something_else_is_not_asked() -> None:
    """A chat model has no vectors; one that says nothing is asked, and may turn out to have none."""

    async def test(models: Models) -> None:
        models.sights["b"] = Sight(config("b"), None, ("chat",))
        assert await models.known("a", "b") is None
        assert models.asked == []
        models.sights["b"] = Sight(config("b"))
        models.answers["b"] = Answer(404, "application/json", b"{}")
        assert models.spaces.compared("a", "b") == Unknown(likely=False)
        assert await models.known("a", "b") is None

    together(test)


def test_what_was_found_is_forgotten_with_the_model() -> None:
    """Away, or another one under the same name: it is asked again."""

    async def test(models: Models) -> None:
        assert await models.known("a", "b") is None
        models.answers["b"] = answer(OTHER)
        models.sights["b"] = Sight(config("b", "http://127.0.0.1:10/v1"), None, ("embed",))
        assert isinstance(await models.known("a", "b"), FreeholdError)
        models.answers["b"] = answer(ONE)
        models.sights["b"] = Sight(models.sights["b"].config, FreeholdError("model_loading", model="b"), ("embed",))
        assert await models.known("a", "b") == Unknown(likely=True)
        models.sights["b"] = Sight(models.sights["b"].config, None, ("embed",))
        assert await models.known("a", "b") is None

    together(test)


def test_a_model_of_another_space_is_asked_again_for_it_may_be_mended() -> None:
    """What was found stands until the next answer says otherwise."""

    async def test(models: Models) -> None:
        assert isinstance(await models.known("a", "c"), FreeholdError)
        models.answers["c"] = answer(ONE)
        assert isinstance(await models.known("a", "c"), FreeholdError)
        models.now = AGAIN_S + 1
        assert await models.known("a", "c") is None

    together(test)


def test_a_model_that_cannot_answer_now_is_asked_later() -> None:
    """Its space stays unknown meanwhile."""

    async def test(models: Models) -> None:
        good, models.answers["b"] = models.answers["b"], Answer(503, "text/plain", b"")
        assert await models.known("a", "b") == Unknown(likely=True)
        models.answers["b"] = good
        assert await models.known("a", "b") == Unknown(likely=True)
        models.now = AGAIN_S + 1
        await models.known("a", "b")
        assert await models.known("a", "b") is None

    together(test)


def test_a_model_that_says_that_it_embeds_and_refuses_to_stays_unknown() -> None:
    """A refusal proves no common space: it may take fewer texts at a time, or another key."""

    async def test(models: Models) -> None:
        models.answers["b"] = Answer(400, "application/json", b"{}")
        for _ in range(ATTEMPTS + 1):
            assert await models.known("a", "b") == Unknown(likely=True)
            models.now += AGAIN_S + 1
        models.answers["b"] = answer(ONE)
        await models.known("a", "b")
        assert await models.known("a", "b") is None

    together(test)


def test_a_model_that_never_embeds_and_never_said_so_does_not_embed() -> None:
    """Some servers answer 500 where they lack a path: a rollout must not wait for them for ever."""

    async def test(models: Models) -> None:
        models.answers["b"] = Answer(500, "text/plain", b"")
        models.sights["b"] = Sight(config("b"))
        for _ in range(ATTEMPTS - 1):
            assert await models.known("a", "b") == Unknown(likely=False)
            models.now += AGAIN_S + 1
        await models.known("a", "b")
        assert await models.known("a", "b") is None
        models.sights["b"] = Sight(config("b"), None, ("embed",))
        assert await models.known("a", "b") == Unknown(likely=True)

    together(test)


@pytest.mark.parametrize(
    "found",
    [
        Answer(200, "application/json", b'{"ok": true}'),
        Answer(200, "text/html", b"<html>"),
        answer(ONE[:2]),
        answer([[], [], [], []]),
        answer([[1.0], [1.0], [1.0], [1.0, 2.0]]),
        Answer(400, "application/json", b"{}"),
    ],
)
def test_what_is_no_vector_for_each_text_is_no_embedding(found: Answer) -> None:
    """An echo, a page, too few, empty or unlike vectors, a refusal."""

    async def ask(model: str, request: Recorded) -> Answer:
        return found

    assert asyncio.run(embedded(ask, "a")) is None
