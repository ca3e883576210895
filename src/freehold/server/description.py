"""What is said of the server and of one model over REST and gRPC: metadata, configuration, statistics."""

import json

from msgspec import UNSET

from freehold import __version__
from freehold.protocol.oip_config import ConfigText, DynamicBatching, Latest, ModelConfig, VersionPolicy, config_tensors
from freehold.protocol.oip_metadata import EXTENSIONS, ModelMetadata, ServerMetadata, tensor_metadata
from freehold.protocol.oip_statistics import ModelStatistics
from freehold.server.inference import signature
from freehold.server.models import Models, Served
from freehold.server.shared_memory import SharedMemory
from freehold.server.visible import Visible

PLATFORM = "onnx_onnxv1"
"""The protocol's name of what Triton's configuration calls `onnxruntime_onnx`."""
BATCH_ROWS = 64
"""Rows up to which batches are tried when a tensor model is tuned: what its configuration calls its largest batch."""

TOLD = frozenset({"digest", "proof", "labels"})
"""Those of a model's properties that say what it is, and that nobody can wish."""


def server(shared: SharedMemory) -> ServerMetadata:
    """The server itself, with the extensions that it offers as it is configured."""
    of_choice = ("system_shared_memory",) if shared.is_on else ()
    return ServerMetadata("freehold", __version__, (*EXTENSIONS, *of_choice))


def metadata(models: Models, served: Served) -> ModelMetadata:
    """A model's tensors. Raises FreeholdError `model_loading` or why it failed while its graph is not known."""
    inputs, outputs = signature(served.manifest)
    return ModelMetadata(
        served.id,
        tuple(models.versions(served.id)),
        PLATFORM,
        tensor_metadata(inputs),
        tensor_metadata(outputs),
        properties(served),
    )


def config(models: Models, served: Served) -> ModelConfig:
    """A model in Triton's terms. Raises as `metadata` does.

    Where every tensor of a graph has a free first dimension that is its batch: `dims` are those of one row, and
    `max_batch_size` the rows that it makes sense to send together; a request may have more. Of all others it is 0, and
    `dims` are whole.
    """
    manifest = served.manifest
    inputs, outputs = signature(manifest)
    batched = manifest.kind == "tensor" and all(spec.shape[:1] == (-1,) for spec in (*inputs, *outputs))
    return ModelConfig(
        served.id,
        "onnxruntime_onnx",
        "onnxruntime",
        VersionPolicy(Latest(len(models.versions(served.id)))),
        BATCH_ROWS if batched else 0,
        config_tensors(inputs, batched=batched),
        config_tensors(outputs, batched=batched),
        "model.onnx",
        {name: ConfigText(value) for name, value in properties(served).items()},
        DynamicBatching() if batched else UNSET,
    )


def statistics(models: Visible, model: str = "", version: str = "") -> list[ModelStatistics]:
    """What each version did since its load: of all models, or of one, all of its versions or one.

    Raises `model_not_found`, `version_unknown`.
    """
    found = models.all()
    if model:
        versions = [version] if version else models.versions(models.find(model).id)
        found = [models.find(model, one) for one in versions]
    return [served.statistics.told(served.id, served.version) for served in found]


def properties(served: Served) -> dict[str, str]:
    """What is said of a model beside its tensors: kind, digest, precision, proof, and a classifier's labels as JSON."""
    manifest, facts = served.manifest, served.facts
    said = {"kind": str(manifest.kind)}
    if facts is not None:
        said |= {"digest": facts.digest, "precision": facts.precision, "proof": facts.proof}
    if manifest.labels:
        said["labels"] = json.dumps(manifest.labels, ensure_ascii=False)  # properties are texts
    return said
