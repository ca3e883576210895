"""What a server and its models say of themselves."""

import json

from freehold.artifact import TensorSpec
from freehold.protocol.oip_metadata import (
    EXTENSIONS,
    ModelReady,
    ServerMetadata,
    TensorMetadata,
    encode_metadata,
    tensor_metadata,
)


def test_metadata_lists_what_is_there() -> None:
    """The extensions are those that really work; specs become metadata as they are; a list is one, too."""
    assert json.loads(encode_metadata(ServerMetadata("freehold", "1", EXTENSIONS)))["extensions"] == list(EXTENSIONS)
    assert tensor_metadata((TensorSpec("x", "FP32", (-1, 3)),)) == (TensorMetadata("x", "FP32", (-1, 3)),)
    assert json.loads(encode_metadata([ModelReady("m", ready=True)])) == [{"name": "m", "ready": True}]
