"""The tables of the report, as values; templates say what they mean."""

import html
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vdg import published as paper
from vdg.evaluation.names import CAMERAS, cameras
from vdg.metrics.sharpness import sharpness
from vdg.report.comparisons import Comparison, Difference, Ranking, published_ssim
from vdg.report.inputs import Training
from vdg.report.rows import CLASSIFIED, LOWER_IS_BETTER, DatasetReport, Row
from vdg.report.spread import Spread, movements

HEADINGS = {
    "ssim": "SSIM ↑",
    "is": "IS{} ↑",
    "mask_ssim": "mask-SSIM ↑",
    "mask_is": "mask-IS{} ↑",
    "fid": "FID{} ↓",
    "train_fid": "FID{} to training images ↓",
    "sharpness": "sharpness → 1",
    "pose_iou": "pose IoU ↑",
    "pck": "PCK@0.1 ↑",
    "lpips": "LPIPS ↓",
    "psnr": "PSNR ↑",
    "ssim_pg2": "SSIM (PG²)",
    "mask_ssim_pg2": "mask-SSIM (PG²)",
    "ssim_def_gan_script": "SSIM (Def-GAN script)",
    "ssim_51": "SSIM (window of 51)",
}
ABOUT = {
    "real": "the target itself",
    "copy-source": "the source image, unchanged",
    "mean-image": "the mean of the training images",
    "published": "quoted from the paper",
}
DIGITS = {
    "fid": 1,
    "train_fid": 1,
    "psnr": 2,
}  # decimals; 3 of all other metrics, as the paper prints them
QUARTERS = 4


class Bold(str):
    """A cell that is printed bold."""

    bold = True


@dataclass
class Table:
    """Plain text in cells; what prints it escapes it."""

    header: Sequence[str]
    rows: list[list[str]]


def inline(text: str) -> str:
    """Text for one line of Markdown: nothing in it acts as HTML, link, image, code or column."""
    text = html.escape(re.sub(r"\s+", " ", str(text)).strip(), quote=False)
    return re.sub(r"([\\`*|]|\](?=[(\[]))", r"\\\1", text)


def markdown(table: Table) -> str:
    """A table as GitHub's Markdown writes it."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cells) + " |\n"

    def cell(value: str) -> str:
        return f"**{inline(value)}**" if isinstance(value, Bold) else inline(value)

    rows = [
        map(inline, table.header),
        ["---"] * len(table.header),
        *(map(cell, r) for r in table.rows),
    ]
    return "".join(map(line, rows))


def score_table(name: str, metrics: dict[str, float], classifier: str | None) -> str:
    """One row, of another system's images, with the columns of the main table that it has."""
    suffix = next((m.removeprefix("fid") for m in metrics if m.startswith("fid")), "")
    headings = _headings(metrics)
    keys = {m: m + suffix if m in CLASSIFIED else m for m in headings}
    keys = {m: key for m, key in keys.items() if key in metrics}
    label = f" ({classifier})" if suffix else ""
    header = ["row", "kind", *(headings[m].format(label) for m in keys)]
    cells = [name, "scored", *(number([metrics[key]], m) for m, key in keys.items())]
    return markdown(Table(header, [cells]))


def scores_by_camera(names: Sequence[str], table: pd.DataFrame) -> Table | None:
    """The metrics of each pair and sharpness, by what the cameras of the two images share.

    names: of the generated images. None unless they hold two names of Market-1501's form, and
    where all pairs share the same.
    """
    groups = _camera_groups(names)
    if len(groups) < 2:
        return None
    metrics = [m for m in ("ssim", "mask_ssim", "psnr") if m in table]
    lines = []
    for name, group in groups:
        pairs = table.iloc[group]
        sharp = sharpness(pairs["gradient"].to_numpy(), pairs["target_gradient"].to_numpy())
        cells = [number([pairs[m].mean()], m) for m in metrics]
        lines.append([name, str(len(group)), *cells, number([sharp], "sharpness")])
    return Table(["cameras", "pairs", *(HEADINGS[m] for m in (*metrics, "sharpness"))], lines)


def _camera_groups(names: Iterable[str]) -> list[tuple[str, np.ndarray]]:
    """The places of the pairs of each of `CAMERAS` that there is; empty without such names."""
    cameras_of = np.array(cameras(names) or [])
    groups = [(name, np.flatnonzero(cameras_of == name)) for name in CAMERAS]
    return [(name, group) for name, group in groups if len(group)]


# --- the main table ------------------------------------------------------------------------------


def main_table(report: DatasetReport) -> Table:
    """Published, reference, compared and our rows; our best per column is bold."""
    metrics = report.main
    best = {m: _decimals(_best(report, m), m) for m in metrics}
    rows = []
    for row in report.rows:
        cells = [_main_cell(report, row, m, best[m]) for m in metrics]
        about = row.about or ABOUT.get(row.name) or ABOUT.get(row.kind, "")
        rows.append([row.name, row.kind, *cells, about])
    name = "row" if report.settings.evaluated == "test" else "row, validation pairs"
    return Table([name, "kind", *(heading(m, report) for m in metrics), "what it is"], rows)


def _main_cell(report: DatasetReport, row: Row, metric: str, best: str) -> str:
    # a published IS is of another network than the stand-in, so it stands in its own table
    hidden = row.kind == "published" and report.suffix and metric in CLASSIFIED
    values = None if hidden else row.metrics.get(report.column(metric))
    text = number(values, metric)
    # what is printed alike is bold alike
    return Bold(text) if row.kind == "ours" and _decimals(np.mean(values), metric) == best else text


def _best(report: DatasetReport, metric: str) -> float | None:
    means = [report.value(row, metric) for row in report.of_kind("ours")]
    if not means:
        return None
    if metric == "sharpness":
        return min(means, key=lambda mean: abs(mean - 1))
    return min(means) if metric in LOWER_IS_BETTER else max(means)


def number(values: list[float] | None, metric: str) -> str:
    """The mean, and with several seeds the standard deviation."""
    if values is None:
        return "–"
    spread = f" ± {_decimals(np.std(values, ddof=1), metric)}" if len(values) > 1 else ""
    return _decimals(np.mean(values), metric) + spread


def _decimals(value: float | None, metric: str) -> str:
    return "–" if value is None else f"{value:.{DIGITS.get(metric, 3)}f}"


def heading(metric: str, report: DatasetReport) -> str:
    if metric == "fid" and report.settings.fid_reference == "train":
        metric = "train_fid"
    return HEADINGS[metric].format(f" ({report.classifier})" if report.suffix else "")


def label(metric: str) -> str:
    """The name of a metric, without arrow and classifier."""
    return HEADINGS[metric].format("").split(" ", 1)[0]


# --- beside the paper ----------------------------------------------------------------------------


def to_the_paper(report: DatasetReport) -> Table | None:
    """Each row less the published row that it stands beside."""
    rows = [row for row in report.trained if row.paper and not row.coarse]
    if not (report.settings.published and rows):
        return None
    lines = []
    for row in rows:
        published = paper.row(row.paper, report.published)
        gaps = [f"{report.value(row, m) - published[m]:+.3f}" for m in report.comparable]
        lines.append([row.name, row.paper, *gaps])
    return Table(["row", "published", *(heading(m, report) for m in report.comparable)], lines)


def variant_steps(report: DatasetReport) -> Table | None:
    """From variant to variant, in the order of the paper's table: the paper's scores, and ours."""
    ours = report.final("ours")
    known = [next((r for r in ours if r.paper == name), None) for name in paper.TABLE]
    lines = []
    for one, other in itertools.pairwise(row for row in known if row):
        theirs, here = _published_step(report, one, other), _step(report, one, other)
        cells = [f"{side[m]:+.3f}" for m in report.comparable for side in (theirs, here)]
        lines.append([f"{other.name} − {one.name}", *cells])
    columns = ((f"{heading(m, report)}, paper", "ours") for m in report.comparable)
    return Table(["step", *itertools.chain(*columns)], lines) if lines else None


def readings_of_vdg_w(report: DatasetReport) -> Table | None:
    """Our interpretations of the undefined row, each less the whole method, beside the paper's."""
    ours = report.final("ours")
    full = next((row for row in ours if row.paper == paper.FULL), None)
    readings = [row for row in ours if row.paper == paper.WEIGHTED]
    if not (full and readings):
        return None
    theirs = _published_step(report, full, readings[0])
    lines = [
        [f"{paper.WEIGHTED} − {paper.FULL}, published", *map("{:+.3f}".format, theirs.values()), ""]
    ]
    for row in readings:
        cells = [f"{moved:+.3f}" for moved in _step(report, full, row).values()]
        # what is printed as zero went neither way
        agree = sum(float(c) * moved > 0 for c, moved in zip(cells, theirs.values(), strict=True))
        lines.append([f"{row.name} − {full.name}", *cells, f"{agree} of {len(cells)}"])
    return Table(["step", *(HEADINGS[m].format("") for m in theirs), "same direction"], lines)


def _published_step(report: DatasetReport, one: Row, other: Row) -> dict[str, float]:
    before, after = (paper.row(row.paper, report.published) for row in (one, other))
    return {m: after[m] - before[m] for m in before}


def _step(report: DatasetReport, one: Row, other: Row) -> dict[str, float]:
    metrics = paper.COLUMNS[report.published]
    return {m: report.value(other, m) - report.value(one, m) for m in metrics}


def ranking_table(report: DatasetReport, ranking: Ranking) -> Table:
    """Whole systems in their published order, and their scores here."""
    metrics = ("ssim", "mask_ssim", "fid", "sharpness")
    lines = []
    for row in ranking.published:
        here = [number(row.metrics[report.column(m)], m) for m in metrics]
        lines.append([row.paper, f"{published_ssim(report, row):.3f}", row.name, *here])
    header = ["published row", "published SSIM", "row here", *(heading(m, report) for m in metrics)]
    return Table(header, lines)


def published_table() -> Table:
    """The paper's own table."""
    header = ["row"]
    for dataset, metrics in paper.COLUMNS.items():
        header += [f"{dataset} {label(m)}" for m in metrics]
    lines = [
        [name, *(f"{value:.3f}" for values in row.values() for value in values)]
        for name, row in paper.TABLE.items()
    ]
    return Table(header, lines)


# --- differences ---------------------------------------------------------------------------------


def comparison_table(report: DatasetReport, comparisons: list[Comparison]) -> Table | None:
    """Differences with their intervals; bold are those that survive."""
    lines = [
        [f"{c.other.name} − {c.one.name}", *map(_interval, c.differences.values())]
        for c in comparisons
    ]
    header = ["difference", *(heading(m, report) for m in report.per_pair)]
    return Table(header, lines) if lines else None


def _interval(gap: Difference) -> str:
    text = f"{gap.mean:+.3f} [{gap.people[0]:+.3f}, {gap.people[1]:+.3f}]"
    if gap.seeds:
        text += f", seeds [{gap.seeds[0]:+.3f}, {gap.seeds[1]:+.3f}]"
    return Bold(text) if gap.survives else text


def spread_table(report: DatasetReport, comparisons: list[Comparison], spread: Spread) -> Table:
    """How far each metric moves with seeds, threads and instruction sets, and which differences are
    larger."""
    lines = []
    for movement in movements(report, comparisons, spread):
        ranges = (number([value], movement.metric) for value in (movement.seeds, movement.settings))
        larger = f"{len(movement.larger)} of {movement.compared}"
        larger += f": {', '.join(movement.larger)}" if movement.larger else ""
        lines.append([heading(movement.metric, report), *ranges, larger])
    header = ["metric", "seeds", "threads and instruction sets", "differences larger than both"]
    return Table(header, lines)


# --- groups of pairs -----------------------------------------------------------------------------


def by_view(report: DatasetReport) -> Table:
    """SSIM of each change of view."""
    changes = report.row("real").column("views").astype(str)
    groups = [(change, np.flatnonzero(changes == change)) for change in sorted(set(changes))]
    return _by_group(report, "source → target", groups, "ssim")


def by_camera(report: DatasetReport) -> Table | None:
    """SSIM by what the cameras share, on data with Market-1501's names and several such groups."""
    groups = camera_groups(report)
    return _by_group(report, "cameras", groups, "ssim") if len(groups) > 1 else None


def camera_groups(report: DatasetReport) -> list[tuple[str, np.ndarray]]:
    """The places of the pairs of each of `CAMERAS` that there is; empty without such names."""
    table = report.row("real").tables[0]
    if not {"from", "to"} <= set(table):
        return []
    return _camera_groups((table["from"].astype(str) + " " + table["to"].astype(str)).to_list())


def by_distance(report: DatasetReport) -> Table | None:
    """mask-SSIM of each quarter of the pairs, by how far the pose moves."""
    distance = report.row("real").column("pose_distance")
    order = np.argsort(distance, kind="stable")  # pairs without a common joint, nan, come last
    known = order[: np.isfinite(distance).sum()]
    if len(known) < QUARTERS:
        return None
    quarters = np.array_split(known, QUARTERS)
    spans = [f"{distance[q].min():.3f} to {distance[q].max():.3f}" for q in quarters]
    return _by_group(report, "joints move", list(zip(spans, quarters, strict=True)), "mask_ssim")


def _by_group(report: DatasetReport, title: str, groups: list[tuple], metric: str) -> Table:
    """A metric: a line per group of pairs, a column per row, the seeds of a row taken together."""
    rows = [report.row("copy-source"), *report.trained]
    values = [row.per_pair(metric).mean(0) for row in rows]
    lines = [
        [name, str(len(group)), *(f"{column[group].mean():.3f}" for column in values)]
        for name, group in groups
    ]
    return Table([title, "pairs", *(row.name for row in rows)], lines)


def other_settings(report: DatasetReport) -> Table:
    """Both FIDs, SSIM with the settings of other code bases, and whatever else was scored."""
    known = report.row("real").metrics
    headings = _headings(known) | {"fid": "FID{} to targets ↓"}
    keys = {m: m + report.suffix if m in CLASSIFIED else m for m in headings}
    shown = ("fid", "train_fid", *(m for m in headings if m not in report.main))
    metrics = [m for m in dict.fromkeys(shown) if keys[m] in known]
    rows = report.of_kind("reference", "compared", "ours")
    lines = [[row.name, *(number(row.metrics[keys[m]], m) for m in metrics)] for row in rows]
    return Table(["row", *(headings[m].format("") for m in metrics)], lines)


def _headings(metrics: Iterable[str]) -> dict[str, str]:
    """HEADINGS, and those of the crop's and the padded images' SSIM where they are present."""
    headings = dict(HEADINGS)
    for metric in metrics:
        margin = re.fullmatch(r"ssim_(padded_)?(\d+)", metric)
        if margin and metric not in HEADINGS:
            form = "white margins, {} columns" if margin[1] else "middle {} columns"
            headings[metric] = f"SSIM ({form.format(margin[2])})"
    return headings


# --- how it was made -----------------------------------------------------------------------------

STAGES = {"stage1": "stage I", "stage2": "stage II"}
BUDGET = ("steps", "batch_size")  # in columns of their own
MACHINE = ("device", "mode", "versions")


def provenance(report: DatasetReport) -> Table:
    """How each row was trained. Settings and machines that all rows share are left out."""
    differing = _differing_settings(report.trained)
    columns = {
        "row": lambda row: row.name,
        "system": lambda row: row.training[0].system,
        **{f"{name}, steps × batch": _budget(stage) for stage, name in STAGES.items()},
        "images seen": _optional("images_seen", "{:,.0f}"),
        "parameters": lambda row: f"{row.training[0].parameters / 1e6:.2f} M",
        "training TMAC": _optional("training_tmac", "{:.1f}"),
        "settings that differ": lambda row: _settings_text(row.training[0], differing),
        **{key: _machine(key) for key in MACHINE if key not in shared_machine(report)},
    }
    cells = {name: [cell(row) for row in report.trained] for name, cell in columns.items()}
    cells = {name: column for name, column in cells.items() if any(c != "–" for c in column)}
    return Table(list(cells), [list(line) for line in zip(*cells.values(), strict=True)])


def shared_machine(report: DatasetReport) -> dict[str, str]:
    """Device, mode and versions, where one holds for all rows and seeds."""
    runs = [training.run for row in report.trained for training in row.training]
    texts = {key: {getattr(run, key) for run in runs} for key in MACHINE}
    return {key: min(forms) for key, forms in texts.items() if len(forms) == 1}


def _budget(stage: str):
    def cell(row: Row) -> str:
        settings = getattr(row.training[0], stage) or {}
        known = [str(settings[key]) for key in BUDGET if key in settings]
        return " × ".join(known) or "–"

    return cell


def _optional(key: str, form: str):
    def cell(row: Row) -> str:
        value = getattr(row.training[0], key)
        return "–" if value is None else form.format(value)

    return cell


def _machine(key: str):
    def cell(row: Row) -> str:
        return "; ".join(dict.fromkeys(getattr(training.run, key) for training in row.training))

    return cell


def _differing_settings(rows: list[Row]) -> set[tuple[str, str]]:
    """(stage, key) of the settings that are not the same in all rows that have the stage."""
    differing = set()
    for stage in STAGES:
        known = [s for row in rows if (s := getattr(row.training[0], stage))]
        for key in {key for settings in known for key in settings} - set(BUDGET):
            if len({repr(settings.get(key)) for settings in known}) > 1:
                differing.add((stage, key))
    return differing


def _settings_text(training: Training, differing: set[tuple[str, str]]) -> str:
    texts = []
    for stage, name in STAGES.items():
        settings = getattr(training, stage) or {}
        known = [f"{k} {settings[k]}" for k in sorted(settings) if (stage, k) in differing]
        texts += [f"{name}: {', '.join(known)}"] if known else []
    return "; ".join(texts) or "–"
