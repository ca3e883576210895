"""BentoML with its adaptive batching, as its guide for embeddings shows it."""

import bentoml
import onnx_models


@bentoml.service(traffic={"timeout": 120})
class Embeddings:
    def __init__(self) -> None:
        self._encoder = onnx_models.PaddedEncoder()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def vectors(self, texts: list[str]) -> list[list[float]]:
        return self._encoder(texts).tolist()


@bentoml.service(traffic={"timeout": 120})
class Front:
    """One text a request, so that the batching above merges requests."""

    embeddings = bentoml.depends(Embeddings)

    @bentoml.api
    async def embed(self, text: str) -> dict:
        vectors = await self.embeddings.to_async.vectors([text])
        return {"embedding": vectors[0]}
