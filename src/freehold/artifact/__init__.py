"""Artifact, Manifest, Golden and how outputs are compared: the nouns between `adapt`, `store` and `engine`."""

from freehold.artifact.artifact import Artifact, write_manifest
from freehold.artifact.compare import Difference, Tolerance, compare, tolerance_for
from freehold.artifact.golden import Case, Golden, RecordedBy, Tensor, load_goldens, save_golden
from freehold.artifact.manifest import (
    Ancestor,
    Decoder,
    FileEntry,
    Kind,
    Limits,
    MadeBy,
    Manifest,
    PairText,
    TensorSpec,
)

__all__ = [
    "Ancestor",
    "Artifact",
    "Case",
    "Decoder",
    "Difference",
    "FileEntry",
    "Golden",
    "Kind",
    "Limits",
    "MadeBy",
    "Manifest",
    "PairText",
    "RecordedBy",
    "Tensor",
    "TensorSpec",
    "Tolerance",
    "compare",
    "load_goldens",
    "save_golden",
    "tolerance_for",
    "write_manifest",
]
