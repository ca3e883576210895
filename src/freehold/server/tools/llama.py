"""The form of Llama 3: the whole answer is a JSON object, or one follows `<|python_tag|>`."""

from freehold.server.tools.events import NewId, call_id
from freehold.server.tools.marked import MarkedParser

TAG = "<|python_tag|>"


class LlamaParser(MarkedParser):
    """`{"name": ..., "parameters": {...}}`; several are separated by `;` or stand one behind another.

    An answer that is other JSON (its first key is none of a call's) is content, as soon as that key is there.
    """

    marker = TAG

    def __init__(self, new_id: NewId = call_id) -> None:
        super().__init__(new_id)
        self._state = self._bare

    def _bare(self) -> bool:
        """Where a call may stand without the tag: at the beginning, and behind a call."""
        body = self._pending.lstrip()
        if not body and not self._last:
            return False
        self._state = self._content
        if body.startswith("{"):
            self._marked, self._pending = self._pending[: len(self._pending) - len(body)], body
            self._begin_object()
        return True

    def _closed(self) -> bool:
        """What separates calls."""
        body = self._pending.lstrip()
        if not body and not self._last:
            return False
        self._pending = body.removeprefix(";")
        self._state = self._bare
        return True
