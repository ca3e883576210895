"""The lineage of an artifact as one HTML page: a drawing of our own, nothing fetched from elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from freehold.store.lineage import Step

WIDTH, HEIGHT = 236, 88  # of a box
_ACROSS, _DOWN = 300, 108  # from box to box
_MARGIN = 16
_LETTERS = 30  # that fit into a box

_STYLE = """
body { margin: 2rem; font: 15px system-ui, sans-serif; color: #1b1f24; background: #fff; }
h1 { font-size: 1.25rem; }
svg { max-width: 100%; height: auto; }
rect { fill: #f6f8fa; stroke: #8b949e; }
.data rect, .base rect, .fine-tune rect, .source rect { fill: #fff8e5; stroke: #c69026; }
.onnx rect { fill: #e8f3ff; stroke: #3178c6; }
.quantized rect { fill: #e9f7ee; stroke: #2d8a4e; }
.compiled rect { fill: #f3ebff; stroke: #8250df; }
.absent rect { stroke-dasharray: 5 4; }
.asked rect { stroke-width: 3; }
text { font: 13px system-ui, sans-serif; fill: #1b1f24; }
.role { font-size: 11px; letter-spacing: 0.06em; fill: #57606a; }
.name { font-weight: 600; }
.small { font: 11px ui-monospace, monospace; fill: #57606a; }
path { fill: none; stroke: #8b949e; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117; }
  text { fill: #e6edf3; }
  .role, .small { fill: #9da7b3; }
  rect { fill: #161b22 !important; }
}
"""


@dataclass(frozen=True)
class _Box:
    """A step at its place: `x` and `y` of its upper left corner in pixels."""

    step: Step
    x: float
    y: float
    children: tuple["_Box", ...]

    def walk(self) -> Iterator["_Box"]:
        yield self
        for child in self.children:
            yield from child.walk()


def page(tree: Step, ref: str) -> str:
    """The whole page for the tree that `ref` stands in; makings run from left to right."""
    boxes = list(_placed(tree, 0, 0)[0].walk())
    width = max(box.x for box in boxes) + WIDTH + _MARGIN
    height = max(box.y for box in boxes) + HEIGHT + _MARGIN
    title = escape(f"Lineage of {ref}")
    drawn = [line for box in boxes for line in _arrows(box)] + [_box(box) for box in boxes]
    return "\n".join(
        [
            "<!doctype html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head><body>',
            f"<h1>{title}</h1>",
            f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{title}">',
            *drawn,
            "</svg></body></html>",
            "",
        ]
    )


def _placed(step: Step, depth: int, row: int) -> tuple[_Box, int]:
    """The box of a step and its children's, from `row` down; and the first row that is free below them."""
    children, below = [], row
    for child in step.children:
        box, below = _placed(child, depth + 1, below)
        children.append(box)
    y = (children[0].y + children[-1].y) / 2 if children else float(_MARGIN + row * _DOWN)
    return _Box(step, float(_MARGIN + depth * _ACROSS), y, tuple(children)), max(below, row + 1)


def _arrows(box: _Box) -> Iterator[str]:
    for child in box.children:
        start, end = box.x + WIDTH, child.x
        middle, y, to = (start + end) / 2, box.y + HEIGHT / 2, child.y + HEIGHT / 2
        yield f'<path d="M{start:g} {y:g} C{middle:g} {y:g} {middle:g} {to:g} {end:g} {to:g}"/>'


def _box(box: _Box) -> str:
    step = box.step
    beside = f"with {', '.join(one.title for one in step.inputs)}" if step.inputs else step.made_by
    lines = (
        ("role", step.role.upper()),
        ("name", ", ".join(step.names) or step.title),
        ("", " ".join(filter(None, (step.kind, step.precision, _size(step.size)))) or step.revision or step.license),
        ("small", " ".join(filter(None, (step.digest.removeprefix("sha256:")[:12], beside)))),
    )
    texts = "".join(
        f'<text class="{style}" x="{box.x + 12:g}" y="{box.y + 20 + 19 * place:g}">{escape(_cut(text))}</text>'
        for place, (style, text) in enumerate(lines)
    )
    told = escape("\n".join(filter(None, (step.title, *step.names, step.digest, step.made_by, step.license))))
    marks = f"{step.role} asked" if step.asked else step.role
    frame = f'<rect x="{box.x:g}" y="{box.y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
    return f'<g class="{escape(marks)}"><title>{told}</title>{frame}{texts}</g>'


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _size(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:,.1f} MB"
