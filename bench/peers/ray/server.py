"""Ray Serve with `serve.batch`, as its guide shows it."""

import os
import sys
import time

import onnx_models
import ray
from ray import serve
from starlette.requests import Request

port = int(sys.argv[1])


@serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=256)
class Embeddings:
    def __init__(self) -> None:
        self._encoder = onnx_models.PaddedEncoder()

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.01)
    async def vectors(self, texts: list[str]) -> list[list[float]]:
        return self._encoder(texts).tolist()

    async def __call__(self, request: Request) -> dict:
        if request.method == "GET":
            return {"status": "ok"}
        return {"embedding": await self.vectors((await request.json())["text"])}


variables = {name: value for name, value in os.environ.items() if name.startswith("BENCH_") or name == "PYTHONPATH"}
ray.init(num_cpus=4, include_dashboard=False, runtime_env={"env_vars": variables})
serve.start(http_options={"host": "127.0.0.1", "port": port})
serve.run(Embeddings.bind(), name="bench")
while True:
    time.sleep(60)
