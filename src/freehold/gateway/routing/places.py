"""The paths that are passed on: OpenAI's, and those of a model in the Open Inference Protocol."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from freehold.errors import FreeholdError
from freehold.http import Dialect, Right
from freehold.http.call import Endpoint

PATHS = (
    *("chat/completions", "completions", "responses", "embeddings", "rerank", "score", "moderations"),
    *("audio/speech", "audio/transcriptions", "audio/translations"),
    *("images/generations", "images/edits", "images/variations"),
)
"""Of OpenAI's API, below /v1 and without it; what a server does not know it refuses itself."""
OF_A_MODEL = (
    *(("GET", path) for path in ("", "ready", "config", "stats")),
    *(("POST", path) for path in ("infer", "generate", "generate_stream")),
)
"""Of the Open Inference Protocol, below /v2/models/NAME, with or without /versions/VERSION."""
_STEPS = re.compile(r"\.{1,2}|.*[/\\].*", re.DOTALL)
"""No version: a server that decodes a path before it reads it would be led from one model to another."""
OF_PROMPTS = frozenset({"chat/completions", "completions", "responses", "generate", "generate_stream"})
"""Calls of which servers remember how prompts begin."""
OF_DOCUMENTS = frozenset({"embeddings", "rerank", "score", "infer"})
"""Calls whose callers give up early."""


@dataclass(frozen=True, slots=True)
class Place:
    """What stands at a path. `path` is what follows the API's address, or the model's in the Open Inference Protocol
    (`of_a_model`); `local` answers for models of this process."""

    method: str
    path: str
    of_a_model: bool = False
    local: Endpoint | None = None

    @property
    def dialect(self) -> Dialect:
        """In which errors are told."""
        return "oip" if self.of_a_model else "openai"

    @property
    def right(self) -> Right:
        """What a caller needs."""
        return "infer" if self.method == "POST" else "metadata"

    @property
    def kind(self) -> str:
        """Whose deadline holds."""
        return "embed" if self.path in OF_DOCUMENTS else "generate"

    def there(self, model: str, version: str | None) -> str:
        """The path that is asked for at a server that calls the model `model`. Raises `path_not_found`."""
        if not self.of_a_model:
            return self.path
        if version is not None and _STEPS.fullmatch(version):
            raise FreeholdError("path_not_found", path=f"/versions/{version[:200]}")
        below = "" if version is None else f"/versions/{quote(version, safe='')}"
        return f"v2/models/{quote(model, safe='')}{below}" + (f"/{self.path}" if self.path else "")


def passed_on() -> Iterator[tuple[str, Place]]:
    """Every path, as a pattern, and what stands there."""
    for path in PATHS:
        for prefix in ("/v1", ""):
            yield f"{prefix}/{path}", Place("POST", path)
    yield "/v2/rerank", Place("POST", "rerank")  # Cohere's
    for method, path in OF_A_MODEL:
        for version in ("", "/versions/{version}"):
            yield f"/v2/models/{{model}}{version}" + (f"/{path}" if path else ""), Place(method, path, of_a_model=True)
