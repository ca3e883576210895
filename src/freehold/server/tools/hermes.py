"""The form of Hermes and Qwen: `<tool_call>` and `</tool_call>` around a JSON object, several one after another."""

from freehold.server.tools.events import NewId, call_id
from freehold.server.tools.marked import MarkedParser

BEGIN = "<tool_call>"
END = "</tool_call>"


class HermesParser(MarkedParser):
    """`<tool_call>\\n{"name": ..., "arguments": {...}}\\n</tool_call>`."""

    marker = BEGIN

    def __init__(self, new_id: NewId = call_id) -> None:
        super().__init__(new_id)

    def _closed(self) -> bool:
        """The end marker; without it the call counts all the same."""
        body = self._pending.lstrip()
        if body.startswith(END):
            self._pending = body.removeprefix(END)
        elif END.startswith(body) and not self._last:
            return False
        self._state = self._content
        return True
