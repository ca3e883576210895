"""FastAPI as people write it: a pydantic model in, a plain function (so a thread pool), a dict out. No batching."""

import numpy as np
import onnx_models
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class EmbeddingsRequest(BaseModel):
    model: str
    input: str


class Tensor(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class InferRequest(BaseModel):
    inputs: list[Tensor]


class InferResponse(BaseModel):
    model_name: str
    outputs: list[Tensor]


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


if onnx_models.serves_text():
    encoder = onnx_models.PaddedEncoder()

    @app.post("/v1/embeddings")
    def embeddings(request: EmbeddingsRequest) -> dict:
        vector = encoder([request.input])[0].tolist()
        row = {"object": "embedding", "index": 0, "embedding": vector}
        return {
            "object": "list",
            "model": request.model,
            "data": [row],
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }

else:
    graph = onnx_models.TensorGraph()

    @app.post("/v2/models/{model}/infer")
    def infer(model: str, request: InferRequest) -> InferResponse:
        given = request.inputs[0]
        output = graph(np.array(given.data, np.float32).reshape(given.shape))
        tensor = Tensor(name="output", datatype="FP32", shape=list(output.shape), data=output.ravel().tolist())
        return InferResponse(model_name=model, outputs=[tensor])
