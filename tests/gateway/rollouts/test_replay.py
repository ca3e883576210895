"""Recorded requests, asked of two models."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from freehold.errors import FreeholdError
from freehold.gateway.comparing.contents import Answer
from freehold.gateway.rollouts.replay import MOST, Ask, Recorded, asked_by, read_recording, replay
from freehold.http import Call, MemoryBudget, Response, Stream

CHAT = b'{"path": "/v1/chat/completions", "body": {"messages": [{"role": "user", "content": "Hi"}]}}'
EMBED = b'{"path": "/v1/embeddings", "body": {"input": "a"}, "tolerance": 0.01}'


def said(text: str) -> Answer:
    message = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    return Answer(200, "application/json", json.dumps({"choices": [message]}).encode())


def embedded(*numbers: float) -> Answer:
    row = {"index": 0, "embedding": list(numbers)}
    return Answer(200, "application/json", json.dumps({"data": [row]}).encode())


def asking(answers: dict[str, Callable[[Recorded], Answer]]) -> Ask:
    async def ask(model: str, request: Recorded) -> Answer:
        return answers[model](request)

    return ask


def replayed(requests: bytes, **answers: Callable[[Recorded], Answer]) -> FreeholdError | None:
    """What comes of `requests` where `a` is the old model and `b` the new one."""
    return asyncio.run(replay(read_recording(requests, "g.jsonl"), "a", "b", asking(answers)))


def broken(request: Recorded) -> Answer:
    raise FreeholdError("model_loading", model="x")


def test_models_that_answer_alike_agree() -> None:
    """Texts that are alike, numbers within the tolerance of their line."""
    assert replayed(CHAT, a=lambda _: said("Hello there"), b=lambda _: said("Hello there")) is None
    assert replayed(EMBED, a=lambda _: embedded(1.0, 2.0), b=lambda _: embedded(1.005, 2.0)) is None


def test_a_difference_names_the_request_and_the_measure() -> None:
    """Of several the first one, by its number, with what differs by how much."""
    requests = EMBED + b"\n\n" + CHAT
    text = {"/v1/embeddings": embedded(1.0), "/v1/chat/completions": said("one two three four")}
    found = replayed(requests, a=lambda r: text[r.path], b=lambda r: said("no") if "chat" in r.path else embedded(1.0))
    assert found is not None
    assert found.code == "goldens_differ"
    assert found.details["number"] == 2
    assert "text similarity" in found.cause
    numbers = replayed(EMBED, a=lambda _: embedded(1.0, 2.0), b=lambda _: embedded(1.0, 2.5))
    assert numbers is not None
    assert "largest difference 0.5 > 0.01" in numbers.cause


def test_a_new_model_that_does_not_answer_fails_its_golden() -> None:
    """By an error of ours, or by a status of its own."""
    for bad in (broken, lambda _: Answer(502, "text/plain", b"")):
        found = replayed(CHAT, a=lambda _: said("Hello"), b=bad)
        assert found is not None
        assert found.code == "goldens_fail"
        assert found.details["number"] == 1


def test_an_old_model_that_does_not_answer_proves_nothing() -> None:
    """The new model is not blamed: the replay has to be repeated."""
    for bad in (broken, lambda _: Answer(503, "text/plain", b"")):
        with pytest.raises(FreeholdError) as caught:
            replayed(CHAT, a=bad, b=lambda _: said("Hello"))
        assert caught.value.code == "goldens_unanswered"


def test_chats_are_asked_as_they_can_be_repeated() -> None:
    """Without a temperature they get 0; one that is there stays, and so do other calls."""
    warmer = CHAT.replace(b'"messages"', b'"temperature": 1, "messages"')
    chat, warm, embed = read_recording(b"\n".join([CHAT, warmer, EMBED]), "g.jsonl")
    assert (chat.body["temperature"], warm.body["temperature"]) == (0, 1)
    assert "temperature" not in embed.body


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "g.jsonl:2"),
        (b'{"path": "/v1/embeddings"}', "`body`"),
        (b'{"path": "/v1/embeddings", "body": {}, "comapre": "exact"}', "comapre"),
        (b'{"path": "v1/embeddings", "body": {}}', "v1/embeddings"),
        (b'{"path": "/v1/completions", "body": {"stream": true}}', "stream"),
        (b'{"path": "/v1/embeddings", "body": {}, "tolerance": -1}', "`$.tolerance`"),
        (b'{"path": "/v1/completions", "body": {}, "similarity": 90}', "`$.similarity`"),
        (b"\xff", "g.jsonl:2"),
    ],
)
def test_a_line_that_is_no_request_is_refused_with_its_number(line: bytes, words: str) -> None:
    """Nothing is replayed of a recording that is wrong in part."""
    with pytest.raises(FreeholdError) as caught:
        read_recording(CHAT + b"\n" + line, "g.jsonl")
    assert caught.value.code == "goldens_invalid"
    assert words in caught.value.cause


def test_a_recording_has_bounds() -> None:
    """Neither nothing nor more than can be replayed in time."""
    for data, code in ((b"\n \n", "goldens_empty"), ((CHAT + b"\n") * (MOST + 1), "goldens_invalid")):
        with pytest.raises(FreeholdError) as caught:
            read_recording(data, "g.jsonl")
        assert caught.value.code == code


def test_a_request_is_passed_on_as_a_clients_would_be() -> None:
    """With the model's name in it; whole answers, streams and refusals come back as answers, memory is given back."""
    memory = MemoryBudget(1 << 20)
    bodies: list[Any] = []

    async def frames() -> Any:
        yield b"a"
        yield b"b"

    async def passed(model: str, call: Call) -> Response | Stream:
        bodies.append(json.loads(await call.body()))
        if model == "bad":
            raise FreeholdError("model_not_named", served="x")
        return Response(b"{}") if model == "whole" else Stream(frames(), content_type=b"text/plain")

    ask = asked_by(passed, memory)
    request = Recorded("/v1/embeddings", {"input": "a"})
    whole, streamed, refused = (asyncio.run(_asked(ask, model, request)) for model in ("whole", "streamed", "bad"))
    assert bodies[0] == {"input": "a", "model": "whole"}
    assert (whole.status, whole.body) == (200, b"{}")
    assert (streamed.content_type, streamed.body) == ("text/plain", b"ab")
    assert refused.status == 400
    assert memory.used == 0


async def _asked(ask: Ask, model: str, request: Recorded) -> Answer:
    return await ask(model, request)
