"""An MLServer runtime. With batching on, MLServer hands the texts of many requests over as one."""

import onnx_models
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxRuntime(MLModel):
    async def load(self) -> bool:
        self._text = onnx_models.serves_text()
        self._model = onnx_models.PaddedEncoder() if self._text else onnx_models.TensorGraph()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = payload.inputs[0]
        if self._text:
            output = NumpyCodec.encode_output("embedding", self._model(StringCodec.decode_input(given)))
        else:
            output = NumpyCodec.encode_output("output", self._model(NumpyCodec.decode_input(given)))
        return InferenceResponse(model_name=self.name, outputs=[output])
