"""Every run's scores, gathered into the rows of the results table."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from vdg.files import read_json
from vdg.report import published as paper

REFERENCES = {
    "real": "the target itself",
    "copy-source": "the source picture, unchanged",
    "mean-image": "the mean of the training pictures",
}
MAIN = ("ssim", "is", "mask_ssim", "mask_is", "fid", "sharpness")
OPTIONAL = ("pose_iou", "pck", "lpips")  # where a data set's evaluation asks for them
CLASSIFIED = ("is", "mask_is", "fid")


@dataclass
class Row:
    """One row of a table: the same run with every seed.

    figures: metric -> values, one per seed. about: what the run's scores say of themselves.
    files: the scores of each pair, one CSV per seed.
    """

    name: str
    kind: str  # paper, reference or ours
    figures: dict[str, list[float]]
    pairs: int | None = None
    about: dict | None = None
    files: list[Path] = field(default_factory=list)

    def per_pair(self, metric: str) -> np.ndarray:
        """(S, N): a metric of each of N test pairs with each of S seeds."""
        return np.stack([pd.read_csv(file, usecols=[metric])[metric] for file in self.files])


@dataclass
class DatasetReport:
    """Everything that the report says of one data set."""

    name: str
    settings: dict  # its part of configs/report.json
    rows: list[Row]
    classifier: str

    @property
    def suffix(self) -> str:
        """Marks the metrics of a stand-in classifier; empty for the published network."""
        ours = next(row for row in self.rows if row.kind == "reference")
        return next(m.removeprefix("fid") for m in ours.figures if m.startswith("fid"))

    def column(self, metric: str) -> str:
        return metric + self.suffix if metric in CLASSIFIED else metric

    @property
    def main(self) -> list[str]:
        """The columns of the main table."""
        known = self.of_kind("reference")[0].figures
        return [*MAIN, *(metric for metric in OPTIONAL if metric in known)]

    def of_kind(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row.kind == kind]


def collect(config: dict, scores: Path) -> list[DatasetReport]:
    """Read the scores of the runs that the configuration names, and of no others."""
    return [_dataset(name, config, scores / name) for name in config["datasets"]]


def _dataset(name: str, config: dict, scores: Path) -> DatasetReport:
    settings = config["datasets"][name]
    rows = []
    if settings["published"]:
        for system in paper.TABLE:
            published = paper.row(system, settings["published"])
            rows.append(Row(system, "paper", {m: [v] for m, v in published.items()}))
    for reference in REFERENCES:
        rows.append(_row(reference, "reference", [scores / "references" / f"{reference}.json"]))
    runs = {stage1_row(network): f"stage1-{network}" for network in config["networks"]}
    runs |= {variant: variant for variant in config["variants"]}
    for row, run in runs.items():
        files = [scores / f"{run}-{seed}" / "scores.json" for seed in config["seeds"]]
        rows.append(_row(row, "ours", files))
    classifier = read_json(scores / "references" / "real.json")["classifier"]
    return DatasetReport(name, settings, rows, classifier)


def stage1_row(network: str) -> str:
    """The row of a network's coarse predictions: `stage1` for the default network."""
    return "stage1" if network == "vdg" else f"stage1-{network}"


def _row(name: str, kind: str, files: list[Path]) -> Row:
    runs = [read_json(file) for file in files]
    figures = {m: [run["metrics"][m] for run in runs] for m in runs[0]["metrics"]}
    tables = [file.with_suffix(".csv") for file in files]
    return Row(name, kind, figures, runs[0]["pairs"], runs[0]["about"], tables)


def tidy(reports: list[DatasetReport], seeds: list[int]) -> pd.DataFrame:
    """One line per data set, row and metric. std: over seeds; empty for a single one."""
    lines = []
    for report in reports:
        for row in report.rows:
            for metric, values in row.figures.items():
                ours = row.kind == "ours"
                lines.append(
                    {
                        "dataset": report.name,
                        "split": "official" if row.kind == "paper" else report.settings["split"],
                        "row": row.name,
                        "kind": row.kind,
                        "metric": metric,
                        "mean": np.mean(values),
                        "std": np.std(values, ddof=1) if len(values) > 1 else None,
                        "seeds": " ".join(map(str, seeds)) if ours else None,
                        "pairs": row.pairs,
                    }
                )
    return pd.DataFrame(lines).astype({"pairs": "Int64"})
