"""From an artifact to a TensorRT engine: profiles, trtexec or ONNX Runtime's provider, a cache, and the proof."""
