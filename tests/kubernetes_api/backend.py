"""A program that answers by HTTP, to stand behind the API server's proxy."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.kubernetes_api.requests import Answer, Listener, Request

Answering = Callable[[str, str, Mapping[str, str], bytes], tuple[int, bytes]]
"""From method, path, headers in lower case and body to status and body."""


@contextmanager
def backend(answering: Answering) -> Iterator[str]:
    """The address at which it listens meanwhile."""

    def answer(request: Request) -> Answer:
        status, body = answering(request.method, request.path, request.headers, request.body)
        return Answer(status, iter([body]))

    with Listener(answer).listening() as url:
        yield url
