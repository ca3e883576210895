"""BentoML with its adaptive batching, as its guide for embeddings shows it: the texts of many requests in one call."""

import bentoml
import onnx_models


@bentoml.service(traffic={"timeout": 120}, logging={"access": {"enabled": False}})
class Embeddings:
    def __init__(self) -> None:
        self._encoder = onnx_models.PaddedEncoder()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def embed(self, texts: list[str]) -> list[list[float]]:
        return self._encoder(texts).tolist()
