"""Do two versions answer alike? Asked of small programs that answer as servers do."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from freehold.deploy.releases.probing import compared, differing
from freehold.deploy.releases.staging import moves
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.replay import Recorded
from tests.deploy.world import deployment

(MOVE,) = moves(deployment("fp32"), deployment("bf16"))
Answers = Callable[[str, dict[str, Any]], Any]


class Server:
    """Both versions behind one gateway: by path a function of the model and the body; None is a 404."""

    def __init__(self, inputs: list[dict[str, Any]] | None = None, **answers: Answers) -> None:
        self.inputs = inputs
        self.answers = {f"/v1/{name.replace('_', '/')}": answer for name, answer in answers.items()}
        self.asked: list[tuple[str, str]] = []

    def send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """One answer."""
        if path.startswith("/v2/models/"):
            return self._tensors(method, path.split("/")[3], body)
        asked = json.loads(body)
        self.asked.append((path, asked["model"]))
        answer = self.answers.get(path, lambda _model, _body: None)(asked["model"], asked)
        return (404, b"{}") if answer is None else (answer, b"{}") if isinstance(answer, int) else (200, dumped(answer))

    def _tensors(self, method: str, model: str, body: bytes) -> tuple[int, bytes]:
        if self.inputs is None:
            return 404, b"{}"
        if method == "GET":
            facts = {"name": model, "versions": ["1"], "platform": "onnx", "outputs": [], "properties": {}}
            return 200, dumped({**facts, "inputs": self.inputs})
        (given,) = json.loads(body)["inputs"]
        self.asked.append(("infer", model))
        scale = 1.0 if model == MOVE.model else 1.5
        data = [value * scale for value in given["data"]]
        return 200, dumped({"outputs": [{"name": "y", "datatype": "FP32", "shape": given["shape"], "data": data}]})


def dumped(answer: object) -> bytes:
    """As JSON."""
    return json.dumps(answer).encode()


def vectors(*numbers: float) -> Answers:
    """Each text's vector, of the version in force and, where there is a second one, of the other."""

    def embed(model: str, body: dict[str, Any]) -> Any:
        number = numbers[0] if model == MOVE.model else numbers[-1]
        return {"data": [{"index": place, "embedding": [1.0, number]} for place, _ in enumerate(body["input"])]}

    return embed


def said(old: str, new: str) -> Answers:
    """What each version says in a chat."""

    def chat(model: str, _body: dict[str, Any]) -> Any:
        message = {"role": "assistant", "content": old if model == MOVE.model else new}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    return chat


def code(server: Server, *recorded: Recorded) -> str | None:
    """Of the difference that is found."""
    found = differing(MOVE, recorded, server.send)
    return None if found is None else found.code


def test_versions_that_answer_alike_do_not_differ() -> None:
    """Only what the version in force does is asked of both."""
    server = Server(embeddings=vectors(0.5), chat_completions=said("one two", "one two"))
    assert code(server) is None
    assert ("/v1/rerank", MOVE.coming) not in server.asked
    assert ("/v1/chat/completions", MOVE.coming) in server.asked


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param(Server(embeddings=vectors(0.5, 0.52)), "goldens_differ", id="vectors"),
        pytest.param(Server(embeddings=vectors(0.5, -3.0)), "spaces_differ", id="another space"),
        pytest.param(Server(chat_completions=said("one two three", "bread")), "goldens_differ", id="words"),
        pytest.param(
            Server([{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]), "goldens_differ", id="numbers of tensors"
        ),
    ],
)
def test_versions_that_answer_otherwise_do(server: Server, expected: str) -> None:
    """Beyond what may differ; embedding models in the words of their spaces."""
    assert code(server) == expected


def test_what_is_recorded_is_asked_in_place_of_the_fixed_requests() -> None:
    """With its own tolerance; a path that names a model names the version that is asked."""
    request = Recorded("/v1/embeddings", {"input": ["a"]}, tolerance=0.1)
    assert code(Server(embeddings=vectors(0.5, 0.52)), request) is None
    tensors = Server([{"name": "x", "datatype": "FP32", "shape": [4]}])
    asked = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [4], "data": [0, 0, 0, 0]}]}
    assert code(tensors, Recorded("/v2/models/whatever/infer", asked)) is None
    assert [model for path, model in tensors.asked if path == "infer"] == [MOVE.model, MOVE.coming]


def test_a_version_that_fails_a_request_is_told() -> None:
    """One that does not work is no difference to be accepted."""
    broken = Server(rerank=lambda model, _body: {"results": []} if model == MOVE.model else 500)
    assert code(broken) == "goldens_fail"


def test_a_version_in_force_that_fails_proves_nothing() -> None:
    """Which is raised: there is nothing to compare with."""
    request = Recorded("/v1/rerank", {"query": "a", "documents": ["b"]})
    with pytest.raises(FreeholdError) as caught:
        code(Server(rerank=lambda _model, _body: 503), request)
    assert caught.value.code == "goldens_unanswered"


@pytest.mark.parametrize(
    ("inputs", "data"),
    [
        ([{"name": "x", "datatype": "INT64", "shape": [-1, 2]}], [0, 0]),
        ([{"name": "x", "datatype": "BOOL", "shape": [2]}], [False, False]),
        ([{"name": "x", "datatype": "FP32", "shape": [1, 3]}], [-1.0, -0.09375, 0.8125]),
        ([{"name": "x", "datatype": "BYTES", "shape": [2]}], None),
        ([{"name": "x", "datatype": "FP32", "shape": [4096, 4096]}], None),
        ([], None),
    ],
)
def test_tensors_of_numbers_are_made_by_their_shapes(inputs: list[dict[str, Any]], data: list[Any] | None) -> None:
    """Of texts, and of what is very large, none."""
    made = compared(MOVE.model, (), Server(inputs).send)
    assert [request.body["inputs"][0]["data"] for request in made] == ([] if data is None else [data])


@pytest.mark.parametrize("status", [429, 503])
def test_a_version_in_force_that_is_too_busy_is_not_passed_over(status: int) -> None:
    """Else nothing would be compared, and that would pass for agreement."""
    server = Server(chat_completions=lambda _model, _body: status)
    with pytest.raises(FreeholdError, match="goldens_unanswered"):
        differing(MOVE, (), server.send)


@pytest.mark.parametrize("status", [401, 404, 429])
def test_two_refusals_are_no_agreement(status: int) -> None:
    """A recording of a path that is not there, for example."""
    server = Server(embedings=lambda _model, _body: status)
    with pytest.raises(FreeholdError, match="goldens_unanswered"):
        differing(MOVE, (Recorded("/v1/embedings", {"input": "x"}),), server.send)
