"""Every run's scores, gathered into the rows of the results table."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from vdg import published as paper
from vdg.errors import InputError
from vdg.layout import REFERENCES
from vdg.report.inputs import (
    REMEDY,
    Config,
    Dataset,
    ReferenceScores,
    RunScores,
    Scores,
    Training,
    read,
    read_table,
)

MAIN = ("ssim", "is", "mask_ssim", "mask_is", "fid", "sharpness")
OPTIONAL = ("pose_iou", "pck", "lpips")  # opt-in per data set
CLASSIFIED = ("is", "mask_is", "fid", "train_fid")
PER_PAIR = ("ssim", "mask_ssim", "pose_iou", "pck", "lpips")
LOWER_IS_BETTER = ("fid", "lpips")


@dataclass
class Row:
    """One row of a table: the same run with every seed.

    metrics: values by metric, one per seed. tables: the scores of each pair, one per seed.
    training: what each seed's model file says.
    """

    name: str
    kind: str  # published, reference, compared or ours
    metrics: dict[str, list[float]]
    about: str = ""
    run: str = ""
    coarse: bool = False
    paper: str | None = None
    pairs: int | None = None
    tables: list[pd.DataFrame] = field(default_factory=list)
    training: list[Training] = field(default_factory=list)

    def mean(self, metric: str) -> float:
        """The mean of a metric over the seeds."""
        return float(np.mean(self.metrics[metric]))

    def per_pair(self, metric: str) -> np.ndarray:
        """(S, N): a metric of each of N pairs with each of S seeds."""
        return np.stack([table[metric].to_numpy(float) for table in self.tables])

    def column(self, name: str) -> np.ndarray:
        """(N,): what is known of the pairs, whoever generates them: views, identity."""
        return self.tables[0][name].to_numpy()


@dataclass
class DatasetReport:
    """All rows of one data set."""

    name: str
    settings: Dataset
    seeds: list[int]
    rows: list[Row]
    classifier: str
    floor: float  # mask-SSIM of noise against noise

    @property
    def suffix(self) -> str:
        """Marks the metrics of a stand-in classifier; empty for the published network."""
        return _suffix(self.of_kind("reference")[0].metrics)

    @property
    def pairs(self) -> int:
        return self.of_kind("reference")[0].pairs

    @property
    def identities(self) -> int:
        """How many people the pairs show."""
        return len(set(self.row("real").column("identity")))

    @property
    def published(self) -> str:
        """The columns of the paper's table that are set beside ours: of Market-1501, unless the
        data set has some of its own."""
        return self.settings.published or "market1501"

    def column(self, metric: str) -> str:
        """The key of a metric in scores.json."""
        if metric == "fid" and self.settings.fid_reference == "train":
            metric = "train_fid"
        return metric + self.suffix if metric in CLASSIFIED else metric

    def value(self, row: Row, metric: str) -> float:
        return row.mean(self.column(metric))

    @property
    def main(self) -> list[str]:
        """The metrics of the main table."""
        known = self.of_kind("reference")[0].metrics
        return [*MAIN, *(metric for metric in OPTIONAL if metric in known)]

    @property
    def per_pair(self) -> list[str]:
        """The metrics that each pair has."""
        return [metric for metric in PER_PAIR if metric in self.main]

    @property
    def comparable(self) -> list[str]:
        """The metrics whose values may be set beside published ones."""
        metrics = paper.COLUMNS[self.published]
        return [m for m in metrics if not (self.suffix and m in CLASSIFIED)]

    def of_kind(self, *kinds: str) -> list[Row]:
        return [row for row in self.rows if row.kind in kinds]

    @property
    def trained(self) -> list[Row]:
        return self.of_kind("compared", "ours")

    def final(self, kind: str) -> list[Row]:
        """The rows of a kind that no variant refines."""
        return [row for row in self.of_kind(kind) if not row.coarse]

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)

    @property
    def base(self) -> Row | None:
        """The row of ours that others are compared with: the paper's whole method, if there."""
        rows = self.final("ours")
        return next((row for row in rows if row.paper == paper.FULL), rows[0] if rows else None)

    def coarse_of(self, row: Row) -> Row | None:
        """The stage I that a row refines: the coarse row of the same system and settings."""

        def stage1(row: Row) -> tuple:
            return row.training[0].system, row.training[0].stage1

        rows = (r for r in self.trained if r.coarse and r is not row and stage1(r) == stage1(row))
        return next(rows, None)


def collect(config: Config, scores: Path) -> list[DatasetReport]:
    """Read the scores of the runs that the configuration names, and of no others.

    Raises InputError that names the file where one is missing, damaged or of another evaluation.
    """
    return [_dataset(name, config, scores / name) for name in config.datasets]


def _dataset(name: str, config: Config, folder: Path) -> DatasetReport:
    settings = config.datasets[name]
    rows = []
    if settings.published:
        rows = [_published_row(system, settings.published) for system in paper.TABLE]
    real = read(folder / "references" / "real.json", ReferenceScores)
    for reference in REFERENCES:
        row = Row(reference, "reference", {})
        rows.append(_fill(row, [folder / "references" / reference], ReferenceScores, real))
    for run in config.rows:
        files = [folder / f"{run.run}-{seed}" / "scores" for seed in config.seeds]
        row = Row(run.name, run.kind, {}, run.about, run.run, run.coarse, run.paper)
        rows.append(_fill(row, files, RunScores, real))
    order = ("published", "reference", "compared", "ours")
    rows.sort(key=lambda row: order.index(row.kind))
    floor = real.about.mask_ssim_floor
    report = DatasetReport(name, settings, config.seeds, rows, real.classifier, floor)
    _require_same_pairs(report, folder)
    return report


def _published_row(system: str, dataset: str) -> Row:
    metrics = paper.row(system, dataset)
    return Row(system, "published", {m: [value] for m, value in metrics.items()})


def _fill(row: Row, files: list[Path], form: type[Scores], real: ReferenceScores) -> Row:
    """Read a row's scores: of each file, without its ending, a .json and a .csv."""
    all_scores = [read(_with(file, ".json"), form) for file in files]
    for file, scores in zip(files, all_scores, strict=True):
        _require_same_evaluation(_with(file, ".json"), scores, real)
        row.tables.append(_pair_table(_with(file, ".csv"), scores))
    row.metrics = {m: [scores.metrics[m] for scores in all_scores] for m in real.metrics}
    row.pairs = real.pairs
    row.training = [scores.about for scores in all_scores] if form is RunScores else []
    return row


def _with(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _suffix(metrics: dict) -> str:
    return next((m.removeprefix("fid") for m in metrics if m.startswith("fid")), "")


def _require_same_evaluation(path: Path, scores: Scores, real: ReferenceScores) -> None:
    main = (*MAIN, "train_fid")  # which may stand in the place of fid
    needed = {m + _suffix(real.metrics) if m in CLASSIFIED else m for m in main} | {*real.metrics}
    missing = sorted(needed - scores.metrics.keys())
    if missing:
        raise InputError(f"{path}: no metric {missing[0]!r}: {REMEDY}")
    for key in ("pairs", "classifier"):
        here, there = getattr(scores, key), getattr(real, key)
        if here != there:
            raise InputError(f"{path}: {key}: {here}, but real.json has {there}: {REMEDY}")


def _pair_table(path: Path, scores: Scores) -> pd.DataFrame:
    """The scores of each pair."""
    metrics = [m for m in PER_PAIR if m in scores.metrics]
    table = read_table(path, [*metrics, "pose_distance"])
    for column in ("identity", "views"):
        if column not in table:
            raise InputError(f"{path}: no column {column!r}: {REMEDY}")
    return table


def _require_same_pairs(report: DatasetReport, folder: Path) -> None:
    """Paired differences need the same pairs in the same order."""
    names = ["from", "to"]
    real = report.row("real").tables[0]
    for row in report.trained:
        for seed, table in zip(report.seeds, row.tables, strict=True):
            if not table.filter(names).equals(real.filter(names)):
                path = folder / f"{row.run}-{seed}" / "scores.csv"
                raise InputError(f"{path}: not the pairs of references/real.csv: {REMEDY}")


def tidy(reports: list[DatasetReport]) -> pd.DataFrame:
    """One line per data set, row and metric. std: over seeds; empty for a single one."""
    lines = []
    for report in reports:
        for row in report.rows:
            for metric, values in row.metrics.items():
                lines.append(
                    {
                        "dataset": report.name,
                        "split": _split(report, row),
                        "row": row.name,
                        "kind": row.kind,
                        "metric": metric,
                        "mean": np.mean(values),
                        "std": np.std(values, ddof=1) if len(values) > 1 else None,
                        "seeds": " ".join(map(str, report.seeds)) if row.training else None,
                        "pairs": row.pairs,
                    }
                )
    return pd.DataFrame(lines).astype({"pairs": "Int64"})


def _split(report: DatasetReport, row: Row) -> str:
    if row.kind == "published":
        return "official"
    validation = report.settings.evaluated == "validation"
    return report.settings.split + (", validation" if validation else "")
