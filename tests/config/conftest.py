"""Configuration files as people write them, and folders to put them in."""

from collections.abc import Callable
from pathlib import Path

import pytest

HANDBOOK = """\
model:
  path: "/models/custom-model.onnx"
  input_shape: [1, 32, 1024]
  max_tokens: 4096
"""

WHOLE = """\
models:
  - {id: bge-m3, source: "bge-m3:1"}
  - {id: bge-reranker-v2-m3, source: /models/bge-reranker-v2-m3}
  - id: qwen3-32b
    source: /models/Qwen3-32B
    engine: vllm              # auto (default) | onnx | vllm | openai
    gpus: 2                   # or {resource: huawei.com/Ascend910, count: 1}; implies device: cuda
    context_length: 32768     # prompt + completion; the handbook's max_tokens is its alias
    max_output_tokens: 8192
  - {id: fallback, source: "https://llm.corp.local/v1", key: "${env:CORP_KEY}"}
routes: [{model: chat, to: [{id: qwen3-32b}], fallback: fallback}]
access: {auth: keys}                    # keys | none
network: {ca: /etc/ssl/corp.pem, proxy: "${env:HTTPS_PROXY}"}
deploy: {target: compose, registry: harbor.corp.local/mirror, pull_secrets: [harbor]}
dify: {url: "https://dify.corp.local"}  # an existing one; {version: 1.15.0} deploys one
"""


@pytest.fixture
def handbook() -> str:
    """The `config.yaml` of the handbook, word for word."""
    return HANDBOOK


@pytest.fixture
def whole() -> str:
    """A configuration with every section."""
    return WHOLE


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file under the test's folder."""

    def write_file(text: str, name: str = "freehold.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file
