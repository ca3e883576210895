"""Triton's python backend: one call brings the requests of a batch (one of them without dynamic batching)."""

import numpy as np
import onnx_models
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args: dict) -> None:
        self._text = onnx_models.serves_text()
        self._model = onnx_models.PaddedEncoder() if self._text else onnx_models.TensorGraph()

    def execute(self, requests: list) -> list:
        if self._text:
            return self._embed(requests)
        arrays = [triton.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        outputs = [self._model(array) for array in arrays]
        return [triton.InferenceResponse([triton.Tensor("output", output)]) for output in outputs]

    def _embed(self, requests: list) -> list:
        texts = [triton.get_input_tensor_by_name(request, "text").as_numpy().reshape(-1) for request in requests]
        vectors = self._model([text.decode() for group in texts for text in group])
        rows = np.split(vectors, np.cumsum([len(group) for group in texts])[:-1])
        return [triton.InferenceResponse([triton.Tensor("embedding", row)]) for row in rows]
