"""The report of a shadow as one HTML page that holds all it needs."""

import math
from dataclasses import dataclass
from html import escape

from freehold.cli.charts import Curve, histogram, shares_plot
from freehold.cli.proof_page import facts, page, plot, table
from freehold.cli.shadow_text import bounds_text, counted, kinds_of, measured_text, measures, quantile_cells
from freehold.errors import Language
from freehold.gateway.shadows.shadow_report import STEPS, Report, Spread, Verdicts, moment

BINS = 2  # bars in a factor of ten


@dataclass(frozen=True)
class Words:
    """The words of the page in one language."""

    title: str
    verdict: str
    nothing: str
    facts: tuple[str, ...]
    kinds: tuple[str, ...]
    measures: dict[str, str]
    quantiles: tuple[str, ...]
    first: str
    whole: str
    clients: str
    shadows: str
    differences: str
    latency: str
    worst: str
    columns: tuple[str, ...]
    within: str


WORDS: dict[Language, Words] = {
    "en": Words(
        title="{route} beside its shadow {shadow}",
        verdict="{differs} of {count} compared answers differ ({share})",
        nothing="Nothing has been compared yet",
        facts=("From", "To", "Bounds", "Not compared", "Failed", "Why they differ"),
        kinds=("Answers", "", "compared", "equal", "within bounds", "differ"),
        measures={
            "numbers": "Largest absolute difference of numbers",
            "angles": "1 - cosine of vectors and tensors",
            "orders": "Share of pairs of documents that changed places",
            "texts": "1 - similarity of texts",
        },
        quantiles=("Seconds", "", "p50", "p90", "p99", "most"),
        first="first byte",
        whole="whole answer",
        clients="clients' answers",
        shadows="shadow's answers",
        differences="How answers differ",
        latency="How long answers take",
        worst="Requests that differ most",
        columns=("request", "when", "answer", "of", "why", "measured", "seconds", "shadow's seconds"),
        within="within bounds",
    ),
    "zh": Words(
        title="{route} 与影子模型 {shadow} 的对比",
        verdict="已比较的 {count} 个回答中有 {differs} 个不一致（{share}）",
        nothing="尚无可比较的回答",
        facts=("开始", "截至", "容许范围", "未比较", "失败", "不一致的原因"),
        kinds=("回答", "", "已比较", "相同", "在容许范围内", "不一致"),
        measures={
            "numbers": "数值的最大绝对差",
            "angles": "向量与张量的 1 - 余弦",
            "orders": "名次互换的文档对所占比例",
            "texts": "文本的 1 - 相似度",
        },
        quantiles=("秒", "", "p50", "p90", "p99", "最大"),
        first="首字节",
        whole="完整回答",
        clients="客户端的回答",
        shadows="影子模型的回答",
        differences="回答的差异",
        latency="回答耗时",
        worst="差异最大的请求",
        columns=("请求", "时间", "回答", "模型", "原因", "度量", "秒", "影子秒数"),
        within="在容许范围内",
    ),
}


def shadow_page(report: Report, language: Language) -> str:
    """The whole page."""
    words = WORDS[language]
    title = words.title.format(route=report.route, shadow=report.shadow)
    sections = [_summary(report, words)]
    if report.total.count:
        sections += [_differences(report, words), _latency(report, words)]
    if report.worst:
        sections.append(_worst(report, words))
    return page(title, sections, language)


def _summary(report: Report, words: Words) -> str:
    total = report.total
    verdict = words.nothing
    if total.count:
        share = f"{total.differs / total.count:.2%}"
        verdict = words.verdict.format(differs=total.differs, count=total.count, share=share)
    told = (
        moment(report.since),
        moment(report.updated),
        bounds_text(report),
        counted(report.dropped),
        counted(report.failed),
        counted(report.reasons),
    )
    colour = "fail" if total.differs else "pass"
    rows = [_verdicts(name, kind) for name, kind in kinds_of(report)]
    listed = facts(zip(words.facts, told, strict=True))
    return f'<p class="{colour}">{escape(verdict)}</p>{listed}{table(words.kinds, rows) if rows else ""}'


def _verdicts(name: str, kind: Verdicts) -> tuple[str, ...]:
    return (name, "", *(str(count) for count in (kind.count, kind.equal, kind.within, kind.differs)))


def _differences(report: Report, words: Words) -> str:
    plots = [
        plot(words.measures[name], histogram(*binned(spread), words.measures[name]))
        for name, spread in measures(report).items()
    ]
    return f"<h2>{escape(words.differences)}</h2>{''.join(plots)}"


def _latency(report: Report, words: Words) -> str:
    mine, theirs = report.latency, report.shadow_latency
    rows, plots = [], []
    for name, both in ((words.first, (mine.first, theirs.first)), (words.whole, (mine.whole, theirs.whole))):
        for whose, spread in zip((words.clients, words.shadows), both, strict=True):
            rows.append((name, whose, *quantile_cells(spread)))
        curves = [Curve(words.clients, _risen(both[0])), Curve(words.shadows, _risen(both[1]), "--good")]
        plots.append(plot(f"{name} ({words.quantiles[0]})", shares_plot(curves, words.quantiles[0])))
    return f"<h2>{escape(words.latency)}</h2>{table(words.quantiles, rows)}{''.join(plots)}"


def _risen(spread: Spread) -> list[tuple[float, float]]:
    """From the ground up, so that a single value is drawn too."""
    ends = spread.cumulated()
    return [(value, 0.0) for value, _ in ends[:1]] + ends


def _worst(report: Report, words: Words) -> str:
    rows = [
        (
            pair.request_id,
            moment(pair.at),
            pair.kind,
            pair.model,
            pair.reason or words.within,
            measured_text(pair),
            f"{pair.seconds:.3f}",
            f"{pair.shadow_seconds:.3f}",
        )
        for pair in report.worst
    ]
    return f"<h2>{escape(words.worst)}</h2>{table(words.columns, rows)}"


def binned(spread: Spread) -> tuple[list[int], list[float]]:
    """The counts of a histogram and the edges between them: the first has what is 0, the last what is infinite."""
    width = STEPS // BINS
    bins: dict[int, int] = {}
    for bucket, count in spread.buckets.items():
        place = math.ceil(bucket / width)
        bins[place] = bins.get(place, 0) + count
    first, last = min(bins, default=0), max(bins, default=0)
    counts = [spread.zeros, *(bins.get(place, 0) for place in range(first, last + 1)), spread.infinite]
    return counts, [10.0 ** (place / BINS) for place in range(first - 1, last + 1)]
