"""The lineage as a page."""

import re
from xml.etree import ElementTree

from freehold.cli.lineage_picture import HEIGHT, WIDTH, page
from freehold.store.lineage import Step

SVG = "{http://www.w3.org/2000/svg}"


def tree() -> Step:
    """Two made of one, which came of data; a name that would be markup."""
    int8 = Step("quantized", "m", ("m:2",), "sha256:" + "2" * 64, kind="embed", precision="int8", size=23_000_000)
    trt = Step("compiled", "m", ("m:3", "m:a-very-long-tag-indeed-longer"), "sha256:" + "3" * 64, asked=True)
    onnx = Step("onnx", "<m>", ("m:1",), "sha256:" + "1" * 64, children=(int8, trt))
    return Step("data", "<script>alert(1)</script>", license="mit", children=(onnx,))


def drawn(text: str) -> ElementTree.Element:
    found = re.search(r"<svg.*</svg>", text, flags=re.DOTALL)
    assert found is not None
    return ElementTree.fromstring(found[0].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1))


def test_every_step_has_a_box_and_every_making_an_arrow() -> None:
    """Boxes do not overlap and lie within the drawing."""
    svg = drawn(page(tree(), "m:3"))
    boxes = [(float(one.get("x", "")), float(one.get("y", ""))) for one in svg.iter(f"{SVG}rect")]
    assert (len(boxes), len(list(svg.iter(f"{SVG}path")))) == (4, 3)
    width, height = map(float, svg.get("viewBox", "").split()[2:])
    for x, y in boxes:
        assert 0 <= x <= width - WIDTH
        assert 0 <= y <= height - HEIGHT
    for number, (x, y) in enumerate(boxes):
        assert all(abs(x - other) >= WIDTH or abs(y - below) >= HEIGHT for other, below in boxes[:number])
    assert [one.get("class") for one in svg.iter(f"{SVG}g")] == ["data", "onnx", "quantized", "compiled asked"]


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No script, no address; names are text, whatever they hold, and long ones are cut but told in full."""
    text = page(tree(), "m:3")
    assert "<script" not in text
    assert not re.search(r"(https?:)?//|@import|url\(|href|src=", text)
    svg = drawn(text)
    texts = [one.text or "" for one in svg.iter(f"{SVG}text")]
    assert "<script>alert(1)</script>" in texts
    assert any(one.endswith("…") for one in texts)
    assert "23.0 MB" in " ".join(texts)
    assert any("m:a-very-long-tag-indeed-longer" in (one.text or "") for one in svg.iter(f"{SVG}title"))
