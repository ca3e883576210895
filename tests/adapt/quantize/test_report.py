"""The report as data and as a table."""

import msgspec

from freehold.adapt.quantize.quality import Quality
from freehold.adapt.quantize.report import Data, Proof, Report, as_data, as_text, encode
from freehold.adapt.quantize.search import Cost, Step
from freehold.adapt.quantize.speed import Speed
from freehold.artifact import Tolerance

QUALITY = Quality(32, 0.98, 0.991, 0.1, 0.99, accuracy=0.9, accuracy_before=0.92)
REPORT = Report(
    schema=1,
    kind="embed",
    name="m-int8",
    digest="sha256:" + "1" * 64,
    parent="sha256:" + "2" * 64,
    precision="int8",
    method="dynamic",
    form="by-row",
    metric="cosine",
    sensitivity_metric="cosine",
    size_before=90_000_000,
    size_after=23_000_000,
    quality=QUALITY,
    speed=Speed(2.1, 1.01, (0.2, 0.1), 15),
    proof=Proof(8, True, 0.985, 0.05, Tolerance(cosine_min=0.97)),
    data=Data("eval.jsonl", 16, 32),
    sensitivity=(Cost("a", ("a",), 100, 1e-3, QUALITY), Cost("b", ("b",), 100, 5e-3, QUALITY)),
    kept={"b": "float"},
    quantized=35,
    machine="a processor",
    made_with={"method": "dynamic"},
    seed=0,
    min_quality=0.99,
    search=(Step(1, "float", 0.991),),
)


def test_round_trip() -> None:
    """What is attached reads back as it was."""
    assert msgspec.json.decode(encode(REPORT), type=Report) == REPORT
    assert as_data(REPORT)["quality"]["cosine_mean"] == 0.991


def test_table() -> None:
    """The table shows size, speed, quality, proof, and what costs most, first."""
    text = as_text(REPORT)
    for part in (
        "90.0 MB -> 23.0 MB (26%)",
        "2.10 times",
        "mean 0.991000",
        "90.00%, its parent 92.00%",
        "8 raw goldens",
    ):
        assert part in text
    assert text.index("5.00e-03  b  (float)") < text.index("1.00e-03  a")


def test_table_of_a_decoder() -> None:
    """Other kinds show other measures; without goldens there is no proof."""
    quality = Quality(3, top1=0.97, perplexity_ratio=1.02)
    report = msgspec.structs.replace(REPORT, quality=quality, proof=Proof(0, False), sensitivity=(), kept={})
    text = as_text(report)
    for part in ("97.00%", "+2.00%", "nothing proves", "35 in by-row"):
        assert part in text
