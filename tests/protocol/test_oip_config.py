"""A model in the terms of Triton's configuration."""

import json

import msgspec
import pytest

from freehold.artifact import TensorSpec
from freehold.protocol.oip_config import ConfigTensor, Latest, ModelConfig, VersionPolicy, config_tensors
from freehold.protocol.oip_tensors import DATATYPES


@pytest.mark.parametrize("datatype", DATATYPES)
def test_types_have_tritons_names(datatype: str) -> None:
    """`TYPE_` and the protocol's name; BYTES is called a string."""
    (tensor,) = config_tensors((TensorSpec("x", datatype, (-1, 3)),), batched=False)
    assert tensor == ConfigTensor("x", "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}", (-1, 3))


def test_a_batch_stands_in_no_dims() -> None:
    """It is what `max_batch_size` tells of."""
    assert config_tensors((TensorSpec("x", "FP32", (-1, 3)),), batched=True)[0].dims == (3,)


def test_a_model_without_batches_says_nothing_of_how() -> None:
    """`max_batch_size` 0 is told, `dynamic_batching` is not."""
    config = ModelConfig("m", "onnxruntime_onnx", "onnxruntime", VersionPolicy(Latest(2)), 0, (), (), "model.onnx", {})
    told = json.loads(msgspec.json.encode(config))
    assert (told["max_batch_size"], told["version_policy"]) == (0, {"latest": {"num_versions": 2}})
    assert "dynamic_batching" not in told
