"""Calls of the console API: signed in, renewed once, every reply held against its shape."""

from dataclasses import replace
from typing import TypeVar

from freehold.deploy.dify.console.answers import Answer
from freehold.deploy.dify.console.sessions import KeySession, Session
from freehold.deploy.dify.console.wire import API, Request, Wire
from freehold.errors import FreeholdError

PLUGIN = "langgenius/openai_api_compatible"
"""The plugin that speaks to servers like ours."""
PROVIDER = f"{PLUGIN}/openai_api_compatible"
"""Its model provider, as paths and settings of Dify name it."""
MODEL_S = 330.0
"""Silence in which a model may be asked: the plugin itself waits 300 s for a cold one."""

T = TypeVar("T")


class Calls:
    """One session with one Dify."""

    def __init__(self, wire: Wire, session: Session) -> None:
        self.wire = wire
        self._session = session

    def send(self, request: Request) -> Answer:
        """The answer, whatever its status but 401: a session that ran out is renewed once.

        `path` of the request is below /console/api. Raises `dify_console_session`, `dify_console_admin_key`,
        `dify_console_not_set_up`, and as `Wire.send`.
        """
        request = replace(request, path=API + request.path)
        answer = self.wire.send(request, self._session.headers())
        if answer.status == 401 and answer.code != "not_setup" and self._session.renew():
            answer = self.wire.send(request, self._session.headers())
        if answer.status == 401 and isinstance(self._session, KeySession):
            raise FreeholdError("dify_console_admin_key", address=self.wire.address, reason=answer.words)
        if answer.status == 401:
            raise answer.refusal()
        return answer

    def do(self, request: Request) -> Answer:
        """A successful answer. Raises as `send` and `Answer.refusal`."""
        answer = self.send(request)
        if not answer.ok:
            raise answer.refusal()
        return answer

    def ask(self, request: Request, kind: type[T]) -> T:
        """What a successful answer says. Raises as `do` and `Answer.read`."""
        return self.do(request).read(kind)
