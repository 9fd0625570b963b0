"""Scores of equal trainings with other threads and instruction sets, which bench.spread wrote."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vdg.errors import InputError
from vdg.report.comparisons import Comparison
from vdg.report.inputs import Training, read_table
from vdg.report.rows import DatasetReport, Row

COLUMNS = ("dataset", "run", "training", "metric", "setting", "value")


@dataclass
class Spread:
    """values: of each (run, training, metric), a series by setting; training: its fingerprint."""

    settings: list[str]
    values: dict[tuple[str, str, str], pd.Series]

    def of(self, row: Row, key: str) -> pd.Series | None:
        """A metric of a row with each setting; None if unknown, or measured of another training."""
        return self.values.get((row.run, fingerprint(row.training[0]), key))

    def difference(self, one: Row, other: Row, key: str) -> pd.Series | None:
        """A metric of one row less that of another with each setting; None if unknown."""
        value, reference = self.of(other, key), self.of(one, key)
        return None if value is None or reference is None else value - reference


def fingerprint(training: Training) -> str:
    """12 hexadecimal digits that tell one system and its settings from others.

    Settings that have their default are left out, so that a system may gain one.
    """
    stages = {"stage1": training.stage1, "stage2": training.stage2 or {}}
    changed = [_changed(training.system, stage, s) for stage, s in stages.items() if s]
    content = [training.system, *changed]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _changed(system: str, stage: str, settings: dict[str, Any]) -> dict[str, Any]:
    from vdg import systems  # here, because it imports torch: 2 s of every table

    fields = systems.settings_class(system, stage).model_fields
    defaults = {field.alias or key: field.default for key, field in fields.items()}
    return {k: v for k, v in settings.items() if k not in defaults or v != defaults[k]}


@dataclass
class Movement:
    """How far a metric moves.

    seeds, settings: the largest range (maximum minus minimum) of a row over the seeds and over the
    settings. compared: differences that are known with all of them; larger: those whose mean over
    the seeds is larger than their own two ranges.
    """

    metric: str
    seeds: float
    settings: float
    compared: int
    larger: list[str]


def read(path: Path) -> dict[str, Spread]:
    """The spread of each data set; empty without a file. Raises InputError."""
    if not path.is_file():
        return {}
    table = read_table(path, ["value"])
    missing = [column for column in COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path}: no column {missing[0]!r}: run python -m bench.spread again")
    return {
        str(dataset): Spread(
            sorted(lines["setting"].unique()),
            {
                tuple(map(str, name)): group.set_index("setting")["value"]
                for name, group in lines.groupby(["run", "training", "metric"])
            },
        )
        for dataset, lines in table.groupby("dataset")
    }


def movements(
    report: DatasetReport, comparisons: list[Comparison], spread: Spread
) -> list[Movement]:
    """Of each metric of the main table, where there are several seeds."""
    moved = []
    for metric in report.main:
        key = report.column(metric)
        known = [(row, spread.of(row, key)) for row in report.of_kind("ours")]
        rows = [(row, by_setting) for row, by_setting in known if by_setting is not None]
        if not rows or len(report.seeds) < 2:
            continue
        compared, larger = 0, []
        for comparison in comparisons:
            one, other = comparison.one, comparison.other
            by_setting = spread.difference(one, other, key)
            if by_setting is None:
                continue
            by_seed = pd.Series(other.metrics[key]) - pd.Series(one.metrics[key])
            compared += 1
            if abs(by_seed.mean()) > max(_range(by_seed), _range(by_setting)):
                larger.append(f"{other.name} − {one.name}")
        seeds = max(_range(pd.Series(row.metrics[key])) for row, _ in rows)
        settings = max(_range(by_setting) for _, by_setting in rows)
        moved.append(Movement(metric, seeds, settings, compared, larger))
    return moved


def unmeasured(report: DatasetReport, spread: Spread) -> list[str]:
    """The rows of ours whose training is not in the spread."""
    key = report.column("ssim")
    return [row.name for row in report.of_kind("ours") if spread.of(row, key) is None]


def _range(values: pd.Series) -> float:
    return float(values.max() - values.min())
