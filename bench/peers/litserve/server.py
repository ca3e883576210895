"""LitServe: its default is one worker; with BENCH_BATCH it batches as its guide shows."""

import os
import sys

import litserve
import onnx_models


class Embeddings(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self._encoder = onnx_models.PaddedEncoder()

    def decode_request(self, request: dict) -> str:
        return request["text"]

    def predict(self, texts: list[str] | str) -> list:
        single = isinstance(texts, str)
        vectors = self._encoder([texts] if single else list(texts)).tolist()
        return vectors[0] if single else vectors

    def encode_response(self, vector: list[float]) -> dict:
        return {"embedding": vector}


if __name__ == "__main__":
    batch = int(os.environ["BENCH_BATCH"])
    api = Embeddings(max_batch_size=batch, batch_timeout=0.01 if batch > 1 else 0.0)
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=int(os.environ["BENCH_WORKERS"]), timeout=120
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
