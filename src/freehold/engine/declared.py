"""Whether a graph is what a configuration declares: names, datatypes and shapes of its inputs and outputs."""

from collections.abc import Sequence

from freehold.artifact import Manifest, TensorSpec
from freehold.errors import FreeholdError


def check_declared(manifest: Manifest, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> None:
    """Raises FreeholdError `graph_not_as_declared` at the first difference.

    Where any input is declared all must be, since a client that reads the declaration sends no other; outputs may be
    left out. A dimension that is free on either side suits every size.
    """
    for declared, actual in ((inputs, manifest.inputs), (outputs, manifest.outputs)):
        known = {spec.name: spec for spec in actual}
        for spec in declared:
            found = known.get(spec.name)
            if found is None or not _suits(spec, found):
                has = _shown(found) if found is not None else ", ".join(known)
                raise FreeholdError("graph_not_as_declared", model=manifest.name, declared=_shown(spec), graph=has)
    left = [spec for spec in manifest.inputs if spec.name not in {declared.name for declared in inputs}]
    if inputs and left:
        raise FreeholdError("graph_not_as_declared", model=manifest.name, declared="-", graph=_shown(left[0]))


def _suits(declared: TensorSpec, found: TensorSpec) -> bool:
    return (
        declared.datatype == found.datatype
        and len(declared.shape) == len(found.shape)
        and all(a == b or -1 in (a, b) for a, b in zip(declared.shape, found.shape, strict=True))
    )


def _shown(spec: TensorSpec) -> str:
    return f"{spec.name} {spec.datatype} {list(spec.shape)}"
