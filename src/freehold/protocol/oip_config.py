"""Triton's model configuration extension: the part of `ModelConfig` that says something of a model here.

Source: `extension_model_configuration.md` and `model_config.proto` of Triton's documents; fields have the names there.
"""

from collections.abc import Sequence

import msgspec

from freehold.artifact import TensorSpec


class ConfigTensor(msgspec.Struct):
    """One input or output; `dims` are without the batch where the model has one."""

    name: str
    data_type: str
    dims: tuple[int, ...]


class Latest(msgspec.Struct):
    """A policy that serves the newest versions."""

    num_versions: int = 1


class VersionPolicy(msgspec.Struct):
    """Which versions are served."""

    latest: Latest = msgspec.field(default_factory=Latest)


class ConfigText(msgspec.Struct):
    """The value of a parameter."""

    string_value: str


class DynamicBatching(msgspec.Struct):
    """Requests that wait are run together, without waiting for more of them; those of priority 2 behind the others."""

    preferred_batch_size: tuple[int, ...] = ()
    max_queue_delay_microseconds: int = 0
    priority_levels: int = 2
    default_priority_level: int = 1


class ModelConfig(msgspec.Struct):
    """What `GET /v2/models/{model}/config` answers. `max_batch_size` 0: every dimension stands in `dims`."""

    name: str
    platform: str
    backend: str
    version_policy: VersionPolicy
    max_batch_size: int
    input: tuple[ConfigTensor, ...]
    output: tuple[ConfigTensor, ...]
    default_model_filename: str
    parameters: dict[str, ConfigText]
    dynamic_batching: DynamicBatching | msgspec.UnsetType = msgspec.UNSET


def config_tensors(specs: Sequence[TensorSpec], *, batched: bool) -> tuple[ConfigTensor, ...]:
    """Specs as a configuration lists them: `TYPE_STRING` is what BYTES is called there."""
    return tuple(
        ConfigTensor(
            spec.name,
            "TYPE_STRING" if spec.datatype == "BYTES" else f"TYPE_{spec.datatype}",
            spec.shape[1:] if batched else spec.shape,
        )
        for spec in specs
    )
