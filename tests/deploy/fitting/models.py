"""Files of models that tests of memory reckon with: Qwen2.5-0.5B, and a small BERT."""

from freehold.deploy.fitting.model_files import ModelFiles
from freehold.deploy.fitting.shape import Transformer

QWEN = Transformer(
    layers=24, hidden=896, heads=14, kv_heads=2, head_size=64, inner=4864, vocab_size=151936, positions=32768
)
DECODER = ModelFiles(
    "folder", "generate", 988_097_792, values={"BF16": 494_032_768}, tables=136_134_656, shape=QWEN, max_tokens=32768,
    tokenizer="BPE",
)  # fmt: skip
BERT = Transformer(layers=4, hidden=512, heads=8, kv_heads=8, head_size=64, inner=2048, vocab_size=21128, positions=512)
