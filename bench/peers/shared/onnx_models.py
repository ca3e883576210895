"""What every ONNX peer runs: tokenize, pad to the longest of the batch, one session. Read from BENCH_* variables.

This runs in the peers' own environments, so it imports nothing of ours. The padding and truncation that a shipped
`tokenizer.json` carries (MiniLM's pads every text to 128) are replaced: peers are given the better setting.
"""

import os

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def session(threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(os.environ["BENCH_GRAPH"], options, providers=["CPUExecutionProvider"])


class PaddedEncoder:
    """Texts -> float32 [texts, width], of length 1."""

    def __init__(self) -> None:
        self._tokenizer = Tokenizer.from_file(os.environ["BENCH_TOKENIZER"])
        self._tokenizer.enable_truncation(int(os.environ["BENCH_MAX_TOKENS"]))
        self._tokenizer.enable_padding(pad_id=int(os.environ["BENCH_PAD_ID"]))
        self._session = session(int(os.environ["BENCH_THREADS"]))

    def __call__(self, texts: list[str]) -> np.ndarray:
        encoded = self._tokenizer.encode_batch(texts)
        feeds = {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
        }
        return self._session.run(["embedding"], feeds)[0]


class TensorGraph:
    """One float32 array -> one float32 array."""

    def __init__(self) -> None:
        self._session = session(int(os.environ["BENCH_THREADS"]))

    def __call__(self, array: np.ndarray) -> np.ndarray:
        return self._session.run(["output"], {"input": array})[0]


def serves_text() -> bool:
    return os.environ["BENCH_KIND"] == "text"
