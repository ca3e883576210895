"""From Dify's console to our server: models are added, an app is asked, a text is indexed and found, all really."""

from typing import Any

from freehold.config import Network
from freehold.deploy.dify.console import Account, Door, open_console
from tests.dify_console.server import serving
from tests.dify_console.state import Dify


def test_a_console_calls_our_models(chat_node: Any) -> None:
    """Dify calls each model before it keeps it; then an answer is streamed, and a text is embedded and found again."""
    common = {"endpoint_url": f"{chat_node.url}/v1", "context_size": "4096"}
    chat = common | {"mode": "chat", "function_calling_type": "tool_call", "stream_mode_delimiter": "\\n\\n"}
    said: list[str] = []
    with serving(Dify().with_user().with_plugin()) as dify:
        door = Door(dify.url, Network(), {}, poll_s=0.01)
        with open_console(door, Account("admin@example.com", "secret123"), said.append) as console:
            console.models.put("talker", "llm", chat, "freehold")
            console.models.put("minilm", "text-embedding", common | {"max_chunks": "1"}, "freehold")
            assert console.models.validate("nobody", "llm", chat) is not None
            assert console.smoke.chat("talker")
            assert "warehouse" in console.smoke.retrieval("minilm")
        assert (dify.apps, dify.knowledge, dify.knowledge_keys) == ([], [], {})
