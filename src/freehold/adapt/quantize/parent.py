"""What is quantized: an artifact, or an .onnx file that is given a manifest of its own."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from freehold.adapt.onnx_graph import DATA_FILE
from freehold.adapt.quantize.examples import Example, recorded_examples
from freehold.artifact import Ancestor, Artifact, Golden, MadeBy, Manifest, load_goldens
from freehold.artifact.artifact import MANIFEST
from freehold.artifact.external_data import external_data, graph_digest, weight_bytes
from freehold.engine.opening import golden_folder
from freehold.engine.providers import SessionOptions
from freehold.engine.session import OnnxSession
from freehold.errors import FreeholdError


@dataclass(frozen=True)
class Parent:
    """A float model. `digest` is an artifact's, "" for an .onnx file, which has none of its own."""

    artifact: Artifact
    graph: Path
    goldens: tuple[Golden, ...]
    digest: str

    @classmethod
    def open(cls, path: Path, ref: str = "") -> "Parent":
        """Read what lies at `path`, a folder or an .onnx file, which errors call `ref`.

        Raises FreeholdError `artifact_invalid`, `artifact_corrupt`, `graph_invalid`, `golden_invalid`, or
        `quantize_already` for an artifact that is not in fp32.
        """
        if path.is_dir():
            artifact = Artifact.open(path)
            artifact.check_files()
            if artifact.manifest.precision != "fp32":
                raise FreeholdError(
                    "quantize_already", path=ref or path, found=f"precision {artifact.manifest.precision}"
                )
            return cls(artifact, artifact.graph, tuple(load_goldens(artifact.goldens)), artifact.digest)
        session = OnnxSession(path, SessionOptions(), path.stem)
        digest = graph_digest(path)
        manifest = Manifest(
            schema=1,
            name=path.stem,
            kind="tensor",
            layout="tensor",
            precision="fp32",
            inputs=session.inputs,
            outputs=session.outputs,
            made_by=MadeBy("file", "", digest),
            files={},
            ancestors=(Ancestor("source", path.name, digest),),
        )
        goldens = tuple(load_goldens(golden_folder(path)))
        return cls(Artifact(path.parent, manifest, digest), path, goldens, "")

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        return self.artifact.manifest

    @property
    def graph_bytes(self) -> int:
        """The graph that is quantized, with its weights."""
        return weight_bytes(self.graph)

    def examples(self) -> list[Example]:
        """The inputs of its goldens."""
        return [one for golden in self.goldens for one in recorded_examples(golden.cases, self.manifest.kind)]

    def copy_rest(self, folder: Path) -> None:
        """Copy everything but graphs, weights and manifest into `folder`. Raises OSError."""
        if not self.digest:
            goldens = golden_folder(self.graph)
            if goldens.is_dir():
                shutil.copytree(goldens, folder / "goldens")
            return
        weights = {DATA_FILE, MANIFEST, *(path.name for path in external_data(self.graph))}
        for name in self.manifest.files:
            if name not in weights and not name.endswith(".onnx"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.artifact.path / name, folder / name)
