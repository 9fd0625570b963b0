"""reports/: results.md, results.csv, metrics.json, index.html, from the scores of every run."""

import io
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from vdg.drawing import enlarge, grid, save_png, skeleton
from vdg.files import read_arrays, replacing_folder, write_bytes, write_json
from vdg.metrics.bootstrap import paired_interval
from vdg.report import published as paper
from vdg.report.page import html
from vdg.report.pictures import loss_curves, scatter
from vdg.report.rows import CLASSIFIED, REFERENCES, DatasetReport, Row, collect, stage1_row, tidy

COMPARED = ("ssim", "mask_ssim", "pose_iou", "pck", "lpips")  # figures that each pair has
HEADINGS = {
    "ssim": "SSIM ↑",
    "is": "IS{} ↑",
    "mask_ssim": "mask-SSIM ↑",
    "mask_is": "mask-IS{} ↑",
    "fid": "FID{} ↓",
    "sharpness": "sharpness → 1",
    "pose_iou": "pose IoU ↑",
    "pck": "PCK@0.1 ↑",
    "lpips": "LPIPS ↓",
    "ssim_pg2": "SSIM (PG²)",
    "mask_ssim_pg2": "mask-SSIM (PG²)",
    "ssim_def_gan_script": "SSIM (Def-GAN script)",
}
BEFORE, AFTER = ("source", "pose"), ("target",)  # of what is generated, in a row of a grid
EXTREMES = ("best", "median", "worst")  # as `vdg.evaluate.extremes` orders them
DIGITS = {"is": 2, "mask_is": 2, "fid": 1}


def write(config: dict, scores: Path, losses: Path, output: Path) -> None:
    """Write the whole report. config: configs/report.json."""
    reports = collect(config, scores)
    table = tidy(reports, config["seeds"])
    text = table.to_csv(index=False, float_format="%.6f")
    write_bytes(output / "results.csv", text.encode())
    # the figures that an experiment can move, few enough for `dvc exp show`; the rest is in the CSV
    nested = {
        report.name: {
            row.name: {m: float(np.mean(row.figures[m])) for m in map(report.column, report.main)}
            for row in report.of_kind("ours")
        }
        for report in reports
    }
    write_json(output / "metrics.json", nested)
    with replacing_folder(output / "figures") as figures:
        for report in reports:
            _figures(report, config, scores, losses, figures / report.name)
    text = markdown(reports, config)
    write_bytes(output / "results.md", text.encode())
    # pictures of real people stay where git does not see them: the page then points to them
    embedded = [r.name for r in reports if r.settings["reader"] == "synthetic"]
    columns = [*BEFORE, *(row.name for row in reports[0].of_kind("ours")), *AFTER]
    aspects = {r.name: r.settings["height"] / r.settings["width"] for r in reports}
    page = html(text, output, embedded, columns, aspects)
    write_bytes(output / "index.html", page.encode())


# --- pictures ------------------------------------------------------------------------------------


def _figures(report: DatasetReport, config: dict, scores: Path, losses: Path, output: Path):
    folder, seed = scores / report.name, config["seeds"][0]
    runs = {stage1_row(n): f"stage1-{n}-{seed}" for n in config["networks"]}
    runs |= {v: f"{v}-{seed}" for v in config["variants"]}

    shown = read_arrays(folder / "references" / "samples.safetensors")[0]
    generated = {
        row: read_arrays(folder / run / "samples.safetensors")[0]["generated"]
        for row, run in runs.items()
    }
    rows = [
        _cells(shown, i, [images[i] for images in generated.values()])
        for i in range(len(shown["source"]))
    ]
    save_png(output / "grid.png", grid(rows, [*BEFORE, *generated, *AFTER]))

    extremes = {
        row: read_arrays(folder / run / "extremes.safetensors")[0] for row, run in runs.items()
    }
    rows = [
        [cell for i in range(len(EXTREMES)) for cell in _cells(found, i, [found["generated"][i]])]
        for found in extremes.values()
    ]
    titles = [title for name in EXTREMES for title in (*BEFORE, name, *AFTER)]
    save_png(output / "extremes.png", grid(rows, titles))

    curves: dict[str, dict] = {}
    for row, run in runs.items():
        log = pd.read_csv(losses / report.name / f"{run}.csv")
        stage = "stage I" if row.startswith("stage1") else "stage II"
        for loss in log.columns.drop("step"):
            panel = curves.setdefault(f"{stage}: {loss}", {})
            known = log[["step", loss]].dropna()
            panel[row] = (known["step"].tolist(), known[loss].tolist())
    loss_curves(output / "losses.png", curves, list(runs))

    for name, (x, y) in charts_of(report).items():
        points = [
            (row.name, row.kind, *(float(np.mean(row.figures[report.column(m)])) for m in (x, y)))
            for row in report.rows
            if {report.column(x), report.column(y)} <= row.figures.keys()
        ]
        points = [point for point in points if point[0] != "real"]  # far from all others
        scatter(output / f"{name}.png", points, (_heading(x, report), _heading(y, report)))


def charts_of(report: DatasetReport) -> dict[str, tuple[str, str]]:
    """The data set's charts of one metric against another: file name -> (x, y)."""
    charts = {"ssim-sharpness": ("ssim", "sharpness")}
    if report.of_kind("paper") and not report.suffix:  # a stand-in's IS is on another scale
        charts["ssim-is"] = ("ssim", "is")
    return charts


def _cells(shown: dict[str, np.ndarray], i: int, generated: list[np.ndarray]) -> list[np.ndarray]:
    """One pair as a row of a grid, enlarged to be seen: BEFORE, what was generated, AFTER."""
    source, target, joints = (shown[key][i] for key in ("source", "target", "keypoints"))
    scale = max(1, 128 // len(source))
    pictures = [np.asarray(enlarge(p, scale)) for p in (source, *generated, target)]
    return [pictures[0], skeleton(joints, np.zeros_like(source), scale), *pictures[1:]]


# --- text ----------------------------------------------------------------------------------------


def markdown(reports: list[DatasetReport], config: dict, note: str = "", pictures=True) -> str:
    """The report as a reader sees it. note: first lines of it; pictures: whether to show them."""
    text = io.StringIO()
    text.write("# Results\n\nWritten by the pipeline; do not edit. Rows of kind *ours* were")
    text.write(" trained and scored by it; *published* rows are quoted.\n")
    text.write(f"\n{note}\n" if note else "")
    for report in reports:
        text.write("\n" + _dataset_text(report, config, pictures))
    text.write("\n" + _published_text())
    return text.getvalue()


def main_table(report: DatasetReport) -> str:
    """The data set's table: published, reference and our rows; our best per column in bold."""
    metrics = report.main
    labels = {"paper": "published", "reference": "reference", "ours": "ours"}
    header = ["row", "kind", *(_heading(m, report) for m in metrics)]
    best = {m: _best(report, m) for m in metrics}
    lines = []
    for row in report.rows:
        cells = []
        for metric in metrics:
            key = report.column(metric)
            # a published IS is of another network than the stand-in, so it stands in its own table
            hidden = row.kind == "paper" and report.suffix and metric in CLASSIFIED
            values = None if hidden else row.figures.get(key)
            cell = _number(values, metric)
            bold = row.kind == "ours" and values and np.isclose(np.mean(values), best[metric])
            cells.append(f"**{cell}**" if bold else cell)
        lines.append([row.name, labels[row.kind], *cells])
    return _table(header, lines)


def score_table(name: str, figures: dict[str, float], classifier: str | None) -> str:
    """One row, of another system's pictures, with the columns of the main table that it has."""
    suffix = next((m.removeprefix("fid") for m in figures if m.startswith("fid")), "")
    headings = _headings(figures)
    keys = {m: m + suffix if m in CLASSIFIED else m for m in headings}
    keys = {m: key for m, key in keys.items() if key in figures}
    label = f" ({classifier})" if suffix else ""
    header = ["row", "kind", *(headings[m].format(label) for m in keys)]
    return _table(header, [[name, "scored", *(_number([figures[k]], m) for m, k in keys.items())]])


def _dataset_text(report: DatasetReport, config: dict, pictures: bool) -> str:
    text = io.StringIO()
    name, settings = report.name, report.settings
    split = settings["split"]
    text.write(f"## {name} ({split} split)\n\n")
    if settings["reader"] == "synthetic":
        text.write(
            "> **Stand-in data:** rendered people, embedded in the project so that everything runs"
            " anywhere.\n> These figures show that the pipeline works and how the variants compare"
            " on it; they say nothing about photographs.\n\n"
        )
    if split == "hold-out":
        text.write(
            "> **Hold-out:** the test identities were held out of the training part. Near a"
            " published protocol, not equal to it.\n\n"
        )
    if report.suffix:
        text.write(
            f"> **Stand-in classifier:** IS and FID come from {report.classifier}, not from the"
            " Inception network of published figures; never set them beside those.\n\n"
        )
    text.write(main_table(report) + "\n")
    floor = report.of_kind("reference")[0].about["mask_ssim_floor"]
    seeds = config["seeds"]
    spread = (
        f"mean ± standard deviation over seeds {seeds}" if len(seeds) > 1 else f"seed {seeds[0]}"
    )
    text.write(
        f"Ours: {spread}, {report.rows[-1].pairs} test pairs; bold is our best per column. "
        f"mask-SSIM begins at {floor:.3f}, noise against noise. "
        "Sharpness is the mean gradient magnitude over that of the targets: SSIM rewards blur.\n\n"
    )
    text.write("| row | what it is |\n|---|---|\n")
    for reference, about in REFERENCES.items():
        text.write(f"| {reference} | {about} |\n")
    for network in config["networks"]:
        text.write(f"| {stage1_row(network)} | coarse prediction of `{network}`, L1 |\n")
    for variant in config["variants"]:
        text.write(f"| {variant} | {config['about'][variant]} |\n")
    if report.of_kind("paper"):
        text.write("\n### Difference to the paper (ours − published)\n\n" + _differences(report))
    text.write("\n" + _steps(report) + _readings_of_vdg_w(report))
    text.write("### Which differences are real\n\n" + _comparisons(report, len(seeds)))
    text.write("\n### By change of view\n\n" + _by_view(report))
    text.write("\n### By change of pose\n\n" + _by_distance(report))
    text.write("\n### Other settings of SSIM\n\n" + _other_settings(report))
    if pictures:
        text.write("\n" + _pictures_text(report, seeds[0]))
    text.write("\n### How it was made\n\n" + _provenance(report, config))
    text.write("\n### What the figures show, and what they do not\n\n")
    text.write(_reading(report, seeds))
    return text.getvalue()


def _pictures_text(report: DatasetReport, seed: int) -> str:
    rows = ", ".join(row.name for row in report.of_kind("ours"))
    figures = {
        "grid": f"Evenly spaced pairs of the test list, not chosen by hand; seed {seed}.",
        "extremes": "The best, the median and the worst pair of each row of ours by mask-SSIM; from"
        f" top to bottom {rows}.",
        "losses": "Losses against steps, and SSIM and mask-SSIM of 64 test pairs as training went"
        " on. No checkpoint was chosen by them.",
        "ssim-sharpness": "SSIM against sharpness: what is sharp and wrong loses SSIM, what is"
        " blurred gains it.",
        "ssim-is": "SSIM against IS, ours and the published.",
    }
    shown = ["grid", "extremes", "losses", *charts_of(report)]
    text = [f"{figures[n]}\n\n![{n}](figures/{report.name}/{n}.png)\n" for n in shown]
    return "### Pictures\n\n" + "\n".join(text)


def _differences(report: DatasetReport) -> str:
    ours = {row.name: row for row in report.of_kind("ours")}
    metrics = [
        m
        for m in paper.COLUMNS[report.settings["published"]]
        if not (report.suffix and m in CLASSIFIED)
    ]
    lines = []
    for variant, published in paper.VARIANTS.items():
        if variant in ours:
            row = paper.row(published, report.settings["published"])
            gaps = [f"{np.mean(ours[variant].figures[m]) - row[m]:+.3f}" for m in metrics]
            lines.append([variant, published, *gaps])
    return _table(["ours", "published", *(_heading(m, report) for m in metrics)], lines)


def _comparisons(report: DatasetReport, seeds: int) -> str:
    metrics = [m for m in COMPARED if m in report.main]
    lines = []
    rows = report.of_kind("ours")
    pairs = list(itertools.combinations(rows, 2))
    if len(rows) > 6:  # of a sweep: every row against one
        base = next((row for row in rows if row.name == "full"), rows[0])
        pairs = [(base, row) for row in rows if row is not base]
    for one, other in pairs:
        cells = []
        for metric in metrics:
            differences = other.per_pair(metric) - one.per_pair(metric)
            low, high = paired_interval(differences)
            cell = f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
            cell = f"**{cell}**" if low > 0 or high < 0 else cell
            spread = f" ± {differences.mean(1).std(ddof=1):.3f}" if seeds > 1 else ""
            cells.append(cell + spread)
        lines.append([f"{other.name} − {one.name}", *cells])
    pooled, trainings = "", "several seeds would tell how much trainings vary"
    if seeds > 1:
        pooled = f", its {seeds} seeds taken together"
        trainings = (
            "± is the standard deviation of the difference over the seeds, and where it is as large"
            " as the difference, another training may turn it round"
        )
    return _table(["difference", *(_heading(m, report) for m in metrics)], lines) + (
        f"\nIn brackets the 95 % interval of a paired bootstrap over the test pairs{pooled}; bold"
        f" where it excludes zero. It speaks of these trainings: {trainings}.\n"
    )


def _steps(report: DatasetReport) -> str:
    """From variant to variant: which way the paper's figures move, and which way ours."""
    names = {row.name for row in report.of_kind("ours")}
    source = _published_for(report)
    metrics = [m for m in paper.COLUMNS[source] if not (report.suffix and m in CLASSIFIED)]
    lines = []
    known = [variant for variant in paper.VARIANTS if variant in names]
    for one, other in itertools.pairwise(known):
        before, after = (paper.row(paper.VARIANTS[v], source) for v in (one, other))
        moved, cells = _moved(report, one, other), []
        for metric in metrics:
            digits = DIGITS.get(metric, 3)
            cells += [f"{after[metric] - before[metric]:+.{digits}f}"]
            cells += [f"{moved[metric]:+.{digits}f}"]
        lines.append([f"{other} − {one}", *cells])
    if not lines:
        return ""
    header = [side for m in metrics for side in (f"{_heading(m, report)}, paper", "ours")]
    return (
        f"### From variant to variant\n\nThe paper's figures are those of {source}.\n\n"
        + _table(["step", *header], lines)
        + "\n"
    )


def _published_for(report: DatasetReport) -> str:
    """The data set whose published figures stand beside ours: its own, if the paper has it."""
    return report.settings["published"] or "market1501"


def _moved(report: DatasetReport, one: str, other: str) -> dict[str, float]:
    """By how much each figure of the paper's table changes from one of our rows to another."""
    rows = {row.name: row.figures for row in report.of_kind("ours")}
    keys = {m: report.column(m) for m in paper.COLUMNS[_published_for(report)]}
    return {m: np.mean(rows[other][key]) - np.mean(rows[one][key]) for m, key in keys.items()}


def _readings_of_vdg_w(report: DatasetReport) -> str:
    """Which reading of the undefined VDG_w moves the figures as the paper's row moved."""
    names = {row.name for row in report.of_kind("ours")}
    known = [name for name in paper.READINGS_OF_VDG_W if {name, "full"} <= names]
    if not known:
        return ""
    source = _published_for(report)
    metrics = paper.COLUMNS[source]
    before, after = (paper.row(name, source) for name in ("VDG", "VDG_w"))
    published = {m: after[m] - before[m] for m in metrics}
    lines = [["VDG_w − VDG, published", *(f"{moved:+.3f}" for moved in published.values()), ""]]
    for name in known:
        moved = _moved(report, "full", name)
        cells = [f"{moved[m]:+.{DIGITS.get(m, 3)}f}" for m in metrics]
        # what is printed as zero went neither way
        agree = sum(float(c) * published[m] > 0 for c, m in zip(cells, metrics, strict=True))
        lines.append([f"{name} − full", *cells, f"{agree} of {len(metrics)}"])
    header = ["step", *(HEADINGS[m].format("") for m in metrics), "the paper's way"]
    scale = f" Of IS only the direction compares: ours is of {report.classifier}."
    return (
        "### Which reading of VDG_w\n\nThe paper does not define its weighted row. Our readings of"
        f" it, beside the way in which its own figures ({source}) moved from VDG's."
        + (scale if report.suffix else "")
        + "\n\n"
        + _table(header, lines)
        + "\n"
    )


def _reading(report: DatasetReport, seeds: list[int]) -> str:
    """What the figures show and what they do not, in sentences made from the figures."""

    def mean(row: Row, metric: str) -> float:
        return float(np.mean(row.figures[metric]))

    rows = {row.name: row for row in report.rows if row.kind != "paper"}
    ours = report.of_kind("ours")
    text = []
    for metric in ("ssim", "mask_ssim"):
        floor = max(mean(rows[name], metric) for name in ("copy-source", "mean-image"))
        above = [row.name for row in ours if mean(row, metric) > floor]
        label = HEADINGS[metric].split()[0]
        text.append(
            f"{label}: {len(above)} of our {len(ours)} rows are above both rows that need no"
            f" network (the better has {floor:.3f})."
        )
    coarse = [row for row in ours if row.name.startswith("stage1")]
    refined = [row for row in ours if row not in coarse]
    sharp = [mean(row, "sharpness") for row in refined]
    best = max(refined, key=lambda row: mean(row, "ssim"))
    blurred = coarse[0]
    text.append(
        f"Stage I has SSIM {mean(blurred, 'ssim'):.3f} at sharpness"
        f" {mean(blurred, 'sharpness'):.2f}; the variants have at most"
        f" {mean(best, 'ssim'):.3f} ({best.name}) at sharpness"
        f" {min(sharp):.2f} to {max(sharp):.2f}. SSIM rewards blur: read the two columns together."
    )
    fid, coarse_fid = report.column("fid"), mean(blurred, report.column("fid"))
    closer = [row.name for row in refined if mean(row, fid) < coarse_fid]
    copied, blank = (mean(rows[name], fid) for name in ("copy-source", "mean-image"))
    nearer = [sum(mean(row, fid) < other for row in ours) for other in (copied, blank)]
    text.append(
        f"FID: {', '.join(closer) or 'no variant'} below stage I's {coarse_fid:.1f}"
        + (" (a stand-in network's features)." if report.suffix else ".")
        + f" {nearer[0]} of our {len(ours)} rows are below the copied source ({copied:.1f}), whose"
        f" pictures are real if not of the pose, {nearer[1]} below the mean image ({blank:.1f})."
    )
    inception = report.column("is")
    real = mean(rows["real"], inception)
    beyond = [row.name for row in ours if mean(row, inception) > real]
    if beyond:
        text.append(
            f"IS: {', '.join(beyond)} above the real targets' {real:.2f}. Nothing drawn is better"
            " than real: what IS rewards is that a classifier is sure, and of many things."
        )
    if report.settings["reader"] == "synthetic":
        text.append("Rendered people say nothing about photographs, nor about the paper's figures.")
    if report.settings["split"] == "hold-out":
        text.append("A hold-out of the training part is near the published test, not equal to it.")
    if len(seeds) == 1:
        text.append("One seed: how much another training would differ is not known from this.")
    text.append(
        "The test pairs share identities, so the intervals above are narrower than those over new"
        " people would be."
    )
    return "".join(f"- {line}\n" for line in text)


def _by_view(report: DatasetReport) -> str:
    """SSIM of each change of view."""
    changes = _of_pairs(report, "views")
    groups = {change: np.flatnonzero(changes == change) for change in sorted(set(changes))}
    return _by_group(report, "source → target", groups, "ssim") + (
        "\nSSIM. A side view has the shoulders closer together than a quarter of the torso's length"
        " (`src/vdg/views.py`).\n"
    )


def _by_distance(report: DatasetReport) -> str:
    """mask-SSIM of each quarter of the pairs, by how far the pose moves."""
    distance = _of_pairs(report, "pose_distance")
    order = np.argsort(distance, kind="stable")  # pairs without a common joint, nan, come last
    quarters = np.array_split(order[: np.isfinite(distance).sum()], 4)
    spans = [f"{distance[q].min():.3f} to {distance[q].max():.3f}" for q in quarters]
    groups = dict(zip(spans, quarters, strict=True))
    return _by_group(report, "joints move", groups, "mask_ssim") + (
        "\nmask-SSIM. How far the joints that both poses have move on average, as a share of the"
        " picture's height.\n"
    )


def _of_pairs(report: DatasetReport, column: str) -> np.ndarray:
    """(N,): what is known of the test pairs whoever draws them."""
    return pd.read_csv(report.of_kind("reference")[0].files[0])[column].to_numpy()


def _by_group(report: DatasetReport, label: str, groups: dict[str, np.ndarray], metric) -> str:
    """A table of a metric: a line per group of test pairs, the seeds of a row taken together."""
    copied = next(row for row in report.of_kind("reference") if row.name == "copy-source")
    rows = [copied, *report.of_kind("ours")]
    figures = {row.name: row.per_pair(metric).mean(0) for row in rows}
    lines = [
        [name, str(len(group)), *(f"{values[group].mean():.3f}" for values in figures.values())]
        for name, group in groups.items()
    ]
    return _table([label, "pairs", *figures], lines)


def _other_settings(report: DatasetReport) -> str:
    known = report.of_kind("reference")[0].figures
    headings = _headings(known)
    metrics = [m for m in headings if m in known and m not in report.main]
    rows = report.of_kind("reference") + report.of_kind("ours")
    lines = [[row.name, *(_number(row.figures[m], m) for m in metrics)] for row in rows]
    return _table(["row", *(headings[m] for m in metrics)], lines) + (
        "\nThe main column is Def-GAN's setting (Gaussian window, σ 1.5, population covariance)"
        " with the data range fixed at 255; Def-GAN's script takes that of the generated image."
        " PG²'s setting is a 7×7 uniform window with sample covariance.\n"
    )


def _provenance(report: DatasetReport, config: dict) -> str:
    lines = []
    for row in report.of_kind("ours"):
        about = row.about
        settings = about["stage2"] or about["stage1"]
        run = about["run"]
        lines.append(
            [
                row.name,
                f"{settings['steps']} × {settings['batch_size']}",
                f"{settings['width']} / {settings['depth']}",
                f"{about['parameters'] / 1e6:.2f} M",
                ", ".join(f"{k} {v}" for k, v in about.get("loss", {"terms": "l1"}).items()),
                run["device"],
                run["mode"],
                run["versions"],
            ]
        )
    header = ["row", "steps × batch", "width / depth", "parameters", "loss"]
    table = _table([*header, "device", "mode", "versions"], lines)
    sizes = report.settings
    return (
        table
        + f"\n{sizes['height']}×{sizes['width']} pixels; seeds {config['seeds']}; IS and FID by "
        f"{report.classifier}. Every setting is in `params.yaml`.\n"
    )


def _published_text() -> str:
    lines = []
    for name, row in paper.TABLE.items():
        numbers = [*row["market1501"], *row["deepfashion"]]
        lines.append([name, *(f"{n:.3f}" for n in numbers)])
    header = ["row", "SSIM", "IS", "mask-SSIM", "mask-IS", "DeepFashion SSIM", "DeepFashion IS"]
    return (
        "## The paper's own table, as published\n\nLakhal, Lanz, Cavallaro, ECCV 2018 workshops;"
        " first four columns Market-1501. The paper's scoring script is not public, so which"
        " setting of SSIM it used cannot be proven.\n\n" + _table(header, lines)
    )


def _headings(figures: Iterable[str]) -> dict[str, str]:
    """HEADINGS, and one for the crop's SSIM where it is among the figures."""
    crops = (m.removeprefix("ssim_") for m in figures if re.fullmatch(r"ssim_\d+", m))
    return HEADINGS | {f"ssim_{width}": f"SSIM (middle {width} columns)" for width in crops}


def _heading(metric: str, report: DatasetReport) -> str:
    return HEADINGS[metric].format(f" ({report.classifier})" if report.suffix else "")


def _best(report: DatasetReport, metric: str) -> float:
    means = [np.mean(row.figures[report.column(metric)]) for row in report.of_kind("ours")]
    if metric == "sharpness":
        return min(means, key=lambda mean: abs(mean - 1))
    return min(means) if metric in ("fid", "lpips") else max(means)


def _number(values: list[float] | None, metric: str) -> str:
    if values is None:
        return "–"
    digits = DIGITS.get(metric, 3)
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def _table(header: list[str], lines: list[list[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
