"""Which differences between rows are larger than chance: of the people in the test pairs, and of
the seeds."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from vdg import published as paper
from vdg.metrics.intervals import identity_interval, seed_interval
from vdg.report.rows import LOWER_IS_BETTER, DatasetReport, Row

SWEEP = 6  # more rows than this are compared with one of them, not with each other


@dataclass
class Difference:
    """A metric of one row less that of another, with 95 % intervals.

    people: over the identities, of each pair's mean over the seeds. spread, seeds: standard
    deviation and interval over the seeds; None for a single seed.
    """

    mean: float
    people: tuple[float, float]
    spread: float | None = None
    seeds: tuple[float, float] | None = None

    @property
    def survives(self) -> bool:
        """Both intervals exclude zero; with a single seed, that of the people does."""
        intervals = [interval for interval in (self.people, self.seeds) if interval]
        return all(low > 0 or high < 0 for low, high in intervals)


@dataclass
class Comparison:
    """`other` less `one`, by metric."""

    one: Row
    other: Row
    differences: dict[str, Difference]

    def better(self, metric: str) -> tuple[Row, Row]:
        """The two rows, the better one first."""
        higher = self.differences[metric].mean > 0
        rows = (self.other, self.one)
        return rows if higher != (metric in LOWER_IS_BETTER) else rows[::-1]


def difference(one: Row, other: Row, metric: str) -> Difference:
    values = other.per_pair(metric) - one.per_pair(metric)  # (S, N)
    gap = Difference(float(values.mean()), identity_interval(values, one.column("identity")))
    if len(values) > 1:
        means = values.mean(1)
        gap.spread, gap.seeds = float(means.std(ddof=1)), seed_interval(means)
    return gap


def compare(report: DatasetReport, one: Row, other: Row) -> Comparison:
    """All metrics that each pair has."""
    return Comparison(one, other, {m: difference(one, other, m) for m in report.per_pair})


def among_ours(report: DatasetReport) -> list[Comparison]:
    """Each two rows of ours; of many rows, each against the base."""
    rows, base = report.of_kind("ours"), report.base
    pairs = list(itertools.combinations(rows, 2))
    if len(rows) > SWEEP and base:
        pairs = [(base, row) for row in rows if row is not base]
    return [compare(report, *pair) for pair in pairs]


def with_compared(report: DatasetReport) -> list[Comparison]:
    """The base less each compared system."""
    base = report.base
    return [compare(report, row, base) for row in report.final("compared")] if base else []


@dataclass
class Ranking:
    """The published ranking in SSIM, and that of the rows here that stand beside it.

    published, here: rows, the best first. pairs: how many two rows have published values that
    differ; alike: how many of these are in the published order here, `confirmed` of them beyond
    chance; the others are `reversed`, `refuted` of them beyond chance.
    """

    published: list[Row]
    here: list[Row]
    pairs: int = 0
    alike: int = 0
    confirmed: int = 0
    refuted: int = 0

    @property
    def reversed(self) -> int:
        return self.pairs - self.alike

    @property
    def costs(self) -> list[float]:
        return costs(self.here)

    @property
    def equal_compute(self) -> bool:
        return equal_compute(self.costs)


def costs(rows: Iterable[Row]) -> list[float]:
    """10¹² multiply-adds of the rows' trainings, ascending; empty if one is unknown."""
    known = [row.training[0].training_tmac for row in rows]
    return [] if None in known else sorted(known)


def equal_compute(costs: list[float]) -> bool:
    """Whether trainings of these costs cost the same within 10 %."""
    return bool(costs) and costs[-1] <= 1.1 * costs[0]


def ranking(report: DatasetReport) -> Ranking | None:
    """The paper's ranking of whole systems, on the pairs of this pipeline; None where no two of
    them with different published scores, or no compared one, are here."""
    ours = [r for r in report.final("ours") if r.paper in (paper.FULL, paper.WEIGHTED)]
    compared = [row for row in report.final("compared") if row.paper]
    if not compared:
        return None
    published = sorted(compared + ours, key=lambda row: -published_ssim(report, row))
    here = sorted(published, key=lambda row: -row.mean("ssim"))
    counted = Ranking(published, here)
    for higher, lower in itertools.combinations(published, 2):
        if published_ssim(report, higher) > published_ssim(report, lower):
            _count(counted, difference(lower, higher, "ssim"))
    return counted if counted.pairs else None


def _count(ranking: Ranking, gap: Difference) -> None:
    alike = gap.mean > 0
    ranking.pairs += 1
    ranking.alike += alike
    ranking.confirmed += alike and gap.survives
    ranking.refuted += not alike and gap.survives


def published_ssim(report: DatasetReport, row: Row) -> float:
    """SSIM of the published row that a row stands beside."""
    return paper.row(row.paper, report.published)["ssim"]
