"""Variants of one graph over one data file, in a scratch folder, measured against the graph itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from freehold.adapt.onnx_graph import DataFile
from freehold.adapt.quantize.forms import Form
from freehold.adapt.quantize.quality import Quality, quality
from freehold.adapt.quantize.rewrite import Forms, rewrite
from freehold.adapt.quantize.tasks import Observed, Task
from freehold.adapt.quantize.units import FloatGraph
from freehold.artifact import Manifest

FLOAT = "float.onnx"
VARIANT = "variant.onnx"


@dataclass
class Laboratory:
    """Where variants of `source` lie. `open` writes every weight in every form once; a variant is then a small file."""

    source: FloatGraph
    manifest: Manifest
    folder: Path
    data: DataFile = field(default_factory=DataFile)
    _answers: dict[int, Observed] = field(default_factory=dict)

    @classmethod
    def open(cls, source: FloatGraph, manifest: Manifest, folder: Path, forms: Sequence[Form]) -> "Laboratory":
        """Fill the empty `folder`. Raises OSError."""
        made = cls(source, manifest, folder)
        plain = rewrite(source, {}, made.data)
        for form in forms:
            rewrite(source, {unit.name: form for unit in source.units}, made.data)
        made.data.save(folder)
        plain.save(made.float_graph)
        return made

    @property
    def float_graph(self) -> Path:
        """The source as it lies here."""
        return self.folder / FLOAT

    def judge(self, forms: Forms, task: Task) -> Quality:
        """How near the source comes to itself with its units in `forms`, each one of those that the laboratory was
        opened with. Raises OSError, and as `Task.observe`."""
        path = self.folder / VARIANT
        rewrite(self.source, forms, self.data).save(path)
        try:
            return quality(self.manifest, task.examples, self.reference(task), task.observe(path))
        finally:
            path.unlink()

    def reference(self, task: Task) -> Observed:
        """What the source itself answers."""
        if id(task) not in self._answers:
            self._answers[id(task)] = task.observe(self.float_graph)
        return self._answers[id(task)]
