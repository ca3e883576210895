"""What is said of models over REST and gRPC."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import UNSET

from freehold.errors import FreeholdError
from freehold.protocol.oip_config import ConfigTensor
from freehold.server.description import BATCH_ROWS, config, metadata, statistics
from freehold.server.models import Models
from freehold.server.visible import Visible
from tests.server.conftest import served


@pytest.fixture
async def models(model_paths: dict[str, Path]) -> AsyncIterator[Models]:
    """Two versions of a tensor model and an embedding model, loaded."""
    paths = model_paths
    versions = [served("net", paths["fp32"], "1"), served("net", paths["int8"], "2"), served("tiny", paths["tiny"])]
    known = Models(versions)
    await known.load(lambda _: None)
    yield known
    await known.close(0)


def seen(models: Models, *names: str) -> Visible:
    return Visible(models, lambda name: name in names)


@pytest.mark.anyio
async def test_metadata_is_of_one_version_and_names_all(models: Models) -> None:
    """Each version has tensors of its own."""
    first, newest = models.find("net", "1"), models.find("net")
    assert metadata(models, first).inputs[0].datatype == "FP32"
    assert metadata(models, newest).inputs[0].datatype == "INT8"
    assert metadata(models, newest).versions == ("1", "2")
    assert metadata(models, first).properties["kind"] == "tensor"


@pytest.mark.anyio
async def test_a_configuration_is_of_one_row_where_rows_are_a_batch(models: Models) -> None:
    """Of a text model, and of a graph without a free first dimension, shapes are whole."""
    tensors, texts = config(models, models.find("net")), config(models, models.find("tiny"))
    assert tensors.max_batch_size == BATCH_ROWS
    assert tensors.input == (ConfigTensor("x", "TYPE_INT8", (3,)),)
    assert tensors.version_policy.latest.num_versions == 2
    assert (texts.max_batch_size, texts.dynamic_batching) == (0, UNSET)
    assert texts.output == (ConfigTensor("embedding", "TYPE_FP32", (-1, 32)),)
    assert texts.parameters["kind"].string_value == "embed"


@pytest.mark.anyio
async def test_statistics_are_of_all_of_one_or_of_one_version(models: Models) -> None:
    """Of those models that the caller sees; of others not even that they are there."""
    everything = seen(models, "net", "tiny")
    assert [(one.name, one.version) for one in statistics(everything)] == [("net", "1"), ("net", "2"), ("tiny", "1")]
    assert [one.version for one in statistics(everything, "net")] == ["1", "2"]
    assert [one.version for one in statistics(everything, "net", "1")] == ["1"]
    assert [one.name for one in statistics(seen(models, "tiny"))] == ["tiny"]
    for model, version, code in (("net", "3", "version_unknown"), ("other", "", "model_not_found")):
        with pytest.raises(FreeholdError, match=code):
            statistics(everything, model, version)
    with pytest.raises(FreeholdError, match="model_not_found"):
        statistics(seen(models, "tiny"), "net")


@pytest.mark.anyio
async def test_what_never_loaded_has_no_tensors_to_tell_of(tmp_path: Path) -> None:
    """Why it failed is told; its statistics are zeros."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    models = Models([served("broken", broken)])
    await models.load(lambda _: None)
    for call in (metadata, config):
        with pytest.raises(FreeholdError, match="graph_invalid"):
            call(models, models.find("broken"))
    assert statistics(seen(models, "broken"))[0].inference_count == 0
