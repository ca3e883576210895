"""Where an artifact comes from and what was made of it, as a tree: data, base, fine-tune, ONNX, quantized, compiled."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from freehold.artifact import Ancestor, Manifest
from freehold.store.store import Stored

_QUANTIZED = frozenset({"int8", "int4", "w8a8"})
_ENGINES = frozenset({".engine", ".plan"})


@dataclass(frozen=True)
class Step:
    """One thing on the way, and what was made of it.

    `role`: data, base, fine-tune or source (no artifact); onnx, quantized, compiled, derived (an artifact). `names` are
    its references in the store; none for what is not there. `inputs` are what went in beside the step above: the data
    that a quantization was calibrated with. `asked`: the one that the tree is about.
    """

    role: str
    title: str
    names: tuple[str, ...] = ()
    digest: str = ""
    revision: str = ""
    license: str = ""
    kind: str = ""
    precision: str = ""
    size: int | None = None  # bytes
    made_by: str = ""
    inputs: tuple["Step", ...] = ()
    children: tuple["Step", ...] = ()
    asked: bool = False

    def walk(self) -> Iterator["Step"]:
        """This step and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


def lineage(asked: Stored, everything: Iterable[Stored]) -> Step:
    """The tree that `asked` stands in, from its oldest ancestor, with everything in the store made on the way."""
    family = _Family(everything)
    top = asked
    while (above := family.parent(top)) is not None:
        top = above
    lost = top.manifest.parent
    made = [top] if lost is None else family.children(lost)
    before = _common([one.manifest.ancestors for one in made])
    trees = tuple(family.step(one, None, before, asked.digest) for one in made)
    tree = trees[0] if lost is None else Step("absent", "not in this store", digest=lost, children=trees)
    for ancestor in reversed(before):
        tree = replace(_outside(ancestor), children=(tree,))
    return tree


class _Family:
    """Artifacts by digest; one under several names is one."""

    def __init__(self, everything: Iterable[Stored]) -> None:
        self._named: dict[str, list[Stored]] = {}
        for stored in everything:
            self._named.setdefault(stored.digest, []).append(stored)

    def parent(self, stored: Stored) -> Stored | None:
        """The artifact it was made from, where that is in the store."""
        found = self._named.get(stored.manifest.parent or "", [])
        return found[0] if found else None

    def children(self, digest: str) -> list[Stored]:
        """What was made of it, in the order of coming."""
        made = [all_of[0] for all_of in self._named.values() if all_of[0].manifest.parent == digest]
        return sorted(made, key=lambda one: one.made_at)

    def step(self, stored: Stored, above: Manifest | None, known: Sequence[Ancestor], asked: str) -> Step:
        """An artifact with everything below it; `known` are the ancestors that the tree has above it."""
        manifest = stored.manifest
        below = self.children(stored.digest)
        return Step(
            role=_role(manifest, above),
            title=manifest.name,
            names=tuple(one.ref for one in self._named[stored.digest]),
            digest=stored.digest,
            license=manifest.license,
            kind=manifest.kind,
            precision=manifest.precision,
            size=stored.size,
            made_by=f"{manifest.made_by.tool} {manifest.made_by.version}".strip(),
            inputs=tuple(_outside(one) for one in manifest.ancestors if one not in known),
            children=tuple(self.step(child, manifest, manifest.ancestors, asked) for child in below),
            asked=stored.digest == asked,
        )


def _common(all_of: Sequence[Sequence[Ancestor]]) -> Sequence[Ancestor]:
    """The ancestors that all begin with: those of a parent that is not here."""
    shortest = min(all_of, key=len)
    parted = (place for place, one in enumerate(shortest) if any(other[place] != one for other in all_of))
    return shortest[: next(parted, len(shortest))]


def _outside(ancestor: Ancestor) -> Step:
    return Step(
        ancestor.role, ancestor.name, digest=ancestor.digest, revision=ancestor.revision, license=ancestor.license
    )


def _role(manifest: Manifest, above: Manifest | None) -> str:
    if any(PurePosixPath(name).suffix in _ENGINES for name in manifest.files):
        return "compiled"
    if above is None and manifest.parent is None:
        return "onnx"
    before = above.precision if above is not None else ""
    return "quantized" if manifest.precision in _QUANTIZED and manifest.precision != before else "derived"
