"""KServe's SDK as its guide shows it: a Model with `predict`, no batching (the SDK has none)."""

import sys

import numpy as np
import onnx_models
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer


class OnnxModel(Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._text = onnx_models.serves_text()
        self._model = onnx_models.PaddedEncoder() if self._text else onnx_models.TensorGraph()
        self.ready = True

    def predict(self, payload: InferRequest, headers: dict | None = None) -> InferResponse:
        array = payload.inputs[0].as_numpy()
        if self._text:
            texts = [text.decode() if isinstance(text, bytes) else str(text) for text in array.reshape(-1)]
            name, result = "embedding", self._model(texts)
        else:
            name, result = "output", self._model(array.astype(np.float32))
        output = InferOutput(name, list(result.shape), "FP32")
        output.set_data_from_numpy(result, binary_data=payload.from_grpc)
        return InferResponse("bench", self.name, [output])


if __name__ == "__main__":
    name, port, grpc_port = sys.argv[1:]
    ModelServer(http_port=int(port), grpc_port=int(grpc_port), workers=1).start([OnnxModel(name)])
