"""What the scores say in one minute: values alone, templates put them into sentences."""

from dataclasses import dataclass, field

import numpy as np

from vdg.evaluation.names import CAMERAS
from vdg.report.comparisons import (
    Comparison,
    Ranking,
    costs,
    equal_compute,
    ranking,
    with_compared,
)
from vdg.report.rows import LOWER_IS_BETTER, DatasetReport, Row
from vdg.report.tables import camera_groups

WITHOUT_NETWORK = ("copy-source", "mean-image")


@dataclass
class Floor:
    """Our rows above both reference rows that need no network, in a metric."""

    metric: str
    reference: float  # the better of the two
    values: list[float]  # of all our rows
    above: list[str]
    below: list[str]


@dataclass
class Refinement:
    """A metric before and after stage II. better: how many of our variants it improves."""

    metric: str
    before: list[float]
    after: list[float]
    better: int


@dataclass
class Survivors:
    """Differences between our variants that survive, in a metric. worse: by the better row."""

    metric: str
    compared: int
    worse: dict[str, list[str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(map(len, self.worse.values()))

    @property
    def ranked(self) -> list[tuple[list[str], list[str]]]:
        """(better rows, worse rows): rows that are better than the same ones stand together, those
        that are better than most first."""
        groups: dict[tuple[str, ...], list[str]] = {}
        for better, worse in self.worse.items():
            groups.setdefault(tuple(worse), []).append(better)
        ranked = sorted(groups.items(), key=lambda group: -len(group[0]))
        return [(better, list(worse)) for worse, better in ranked]


@dataclass
class Cameras:
    """SSIM of the pairs of one camera sequence, and of the others.

    share: of the pairs, that are of one sequence. rows: name, SSIM there, SSIM elsewhere.
    """

    share: float
    rows: list[tuple[str, float, float]]


@dataclass
class Summary:
    """All of it. below: reference row -> our rows with a lower FID; beyond: our rows with a higher
    IS than the real targets."""

    floors: list[Floor]
    refined: list[tuple[Row, Row]]  # stage I, and the variant that refines it
    refinements: list[Refinement]
    survivors: list[Survivors]
    against: list[Comparison]  # the base less each compared system
    ranking: Ranking | None
    below: dict[str, list[str]]
    beyond: list[str]
    cameras: Cameras | None  # where pairs of one sequence and others are scored

    @property
    def equal_compute(self) -> bool:
        """Whether the base and the compared systems were trained at one cost."""
        return equal_compute(costs([self.against[0].other, *(c.one for c in self.against)]))


def summarise(report: DatasetReport, ours: list[Comparison]) -> Summary:
    """ours: the differences between our rows, from `among_ours`."""
    rows = report.of_kind("ours")
    refined = [(report.coarse_of(row), row) for row in report.final("ours")]
    refined = [(before, after) for before, after in refined if before]
    real = report.value(report.row("real"), "is")
    return Summary(
        [_floor(report, metric) for metric in ("ssim", "mask_ssim")] if rows else [],
        refined,
        [_refinement(report, refined, m) for m in ("sharpness", "fid", "ssim")] if refined else [],
        [s for s in (_survivors(ours, m) for m in ("ssim", "mask_ssim")) if s.compared],
        with_compared(report),
        ranking(report),
        {name: _below(report, name) for name in WITHOUT_NETWORK},
        [row.name for row in rows if report.value(row, "is") > real],
        _cameras(report),
    )


def _cameras(report: DatasetReport) -> Cameras | None:
    groups = dict(camera_groups(report))
    one = groups.pop(CAMERAS[0], None)
    if one is None or not groups:
        return None
    others = np.concatenate(list(groups.values()))
    lines = []
    for row in filter(None, (report.row("copy-source"), report.base)):
        ssim = row.per_pair("ssim").mean(0)
        lines.append((row.name, float(ssim[one].mean()), float(ssim[others].mean())))
    return Cameras(len(one) / (len(one) + len(others)), lines)


def _floor(report: DatasetReport, metric: str) -> Floor:
    reference = max(report.row(name).mean(metric) for name in WITHOUT_NETWORK)
    values = {row.name: row.mean(metric) for row in report.of_kind("ours")}
    above = [name for name, value in values.items() if value > reference]
    below = [name for name in values if name not in above]
    return Floor(metric, reference, list(values.values()), above, below)


def _refinement(report: DatasetReport, refined: list[tuple[Row, Row]], metric: str) -> Refinement:
    before = [report.value(row, metric) for row, _ in refined]
    after = [report.value(row, metric) for _, row in refined]
    better = sum(_better(metric, b, a) for b, a in zip(before, after, strict=True))
    return Refinement(metric, before, after, better)


def _better(metric: str, before: float, after: float) -> bool:
    if metric == "sharpness":
        return abs(after - 1) < abs(before - 1)
    return after < before if metric in LOWER_IS_BETTER else after > before


def _survivors(ours: list[Comparison], metric: str) -> Survivors:
    variants = [c for c in ours if not (c.one.coarse or c.other.coarse)]
    survivors = Survivors(metric, len(variants))
    for comparison in variants:
        if comparison.differences[metric].survives:
            better, worse = comparison.better(metric)
            survivors.worse.setdefault(better.name, []).append(worse.name)
    return survivors


def _below(report: DatasetReport, reference: str) -> list[str]:
    floor = report.value(report.row(reference), "fid")
    return [row.name for row in report.of_kind("ours") if report.value(row, "fid") < floor]
