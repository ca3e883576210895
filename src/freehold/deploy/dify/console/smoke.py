"""Real calls through Dify, by an app and a knowledge base that are made for it and removed again."""


class Smoke:
    """Calls that prove the way from Dify through its plugin to the model."""

    def chat(self, model: str) -> str:
        """Ask a chat model through an app; its answer. Raises `dify_console_smoke`."""
        raise NotImplementedError

    def retrieval(self, embedding: str, rerank: str | None = None) -> str:
        """Index a text with an embedding model and find it again, ranked by `rerank`; the text that was found.

        Raises `dify_console_smoke`.
        """
        raise NotImplementedError
