"""reports/results.md, results.csv and metrics.json from the scores of every run."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vdg import paper
from vdg.figures import grid, loss_curves, save_png, skeleton
from vdg.files import read_arrays, read_json, write_bytes, write_json

REFERENCES = {
    "real": "the target itself",
    "copy-source": "the source picture, unchanged",
    "mean-image": "the mean of the training pictures",
}
MAIN = ("ssim", "is", "mask_ssim", "mask_is", "fid", "sharpness")
HEADINGS = {
    "ssim": "SSIM ↑",
    "is": "IS{} ↑",
    "mask_ssim": "mask-SSIM ↑",
    "mask_is": "mask-IS{} ↑",
    "fid": "FID{} ↓",
    "sharpness": "sharpness → 1",
    "ssim_pg2": "SSIM (PG²)",
    "mask_ssim_pg2": "mask-SSIM (PG²)",
    "ssim_def_gan_script": "SSIM (Def-GAN script)",
    "ssim_176": "SSIM (middle 176 columns)",
}
CLASSIFIED = ("is", "mask_is", "fid")
DIGITS = {"is": 2, "mask_is": 2, "fid": 1}


@dataclass
class Row:
    """One row of a table: the same run with every seed.

    figures: metric -> values, one per seed. about: what the run's scores say of themselves.
    """

    name: str
    kind: str  # paper, reference or ours
    figures: dict[str, list[float]]
    pairs: int | None = None
    about: dict | None = None


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

    def of_kind(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row.kind == kind]


def collect(config: dict, scores: Path) -> list[DatasetReport]:
    """Read the scores of the runs that the configuration names, and of no others."""
    return [_dataset(name, config, scores / name) for name in config["datasets"]]


def _dataset(name: str, config: dict, scores: Path) -> DatasetReport:
    settings = config["datasets"][name]
    rows = []
    if settings["reader"] in paper.COLUMNS:
        for system in paper.TABLE:
            published = paper.row(system, settings["reader"])
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
    return Row(name, kind, figures, runs[0]["pairs"], runs[0]["about"])


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


def write(config: dict, scores: Path, losses: Path, output: Path) -> None:
    """Write the whole report. config: configs/report.json."""
    reports = collect(config, scores)
    table = tidy(reports, config["seeds"])
    text = table.to_csv(index=False, float_format="%.6f")
    write_bytes(output / "results.csv", text.encode())
    # the figures that an experiment can move, few enough for `dvc exp show`; the rest is in the CSV
    nested = {
        report.name: {
            row.name: {m: float(np.mean(row.figures[m])) for m in map(report.column, MAIN)}
            for row in report.of_kind("ours")
        }
        for report in reports
    }
    write_json(output / "metrics.json", nested)
    for report in reports:
        _figures(report, config, scores, losses, output / "figures" / report.name)
    write_bytes(output / "results.md", markdown(reports, config).encode())


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
    scale = max(1, 128 // shown["source"].shape[1])
    black = np.zeros_like(shown["source"][0])
    rows = []
    for i in range(len(shown["source"])):
        pictures = [shown["source"][i], *(images[i] for images in generated.values())]
        pictures.append(shown["target"][i])
        cells = [np.kron(p, np.ones((scale, scale, 1), np.uint8)) for p in pictures]
        cells.insert(1, skeleton(shown["keypoints"][i], black, scale))
        rows.append(cells)
    save_png(output / "grid.png", grid(rows, ["source", "pose", *generated, "target"]))

    curves: dict[str, dict] = {}
    for row, run in runs.items():
        log = pd.read_csv(losses / report.name / f"{run}.csv")
        stage = "stage I" if row.startswith("stage1") else "stage II"
        for loss in log.columns.drop("step"):
            panel = curves.setdefault(f"{stage}: {loss}", {})
            panel[row] = (log["step"].tolist(), log[loss].tolist())
    loss_curves(output / "losses.png", curves)


# --- text ----------------------------------------------------------------------------------------


def markdown(reports: list[DatasetReport], config: dict) -> str:
    """The report as a reader sees it."""
    text = io.StringIO()
    text.write("# Results\n\nWritten by `dvc repro`; do not edit. Rows of kind *ours* were trained")
    text.write(" and scored by this pipeline; *published* rows are quoted.\n")
    for report in reports:
        text.write("\n" + _dataset_text(report, config))
    text.write("\n" + _published_text())
    return text.getvalue()


def main_table(report: DatasetReport) -> str:
    """The data set's table: published, reference and our rows; our best per column in bold."""
    metrics = list(MAIN)
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


def _dataset_text(report: DatasetReport, config: dict) -> str:
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
            "> **Hold-out:** the test identities were held out of the training part, because this"
            " copy of the data set has no test pictures.\n> Near the published protocol, not equal"
            " to it.\n\n"
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
    text.write("\n### Other settings of SSIM\n\n" + _other_settings(report))
    text.write("\n### Pictures\n\n")
    text.write("Evenly spaced pairs of the test list, not chosen by hand; seed ")
    text.write(
        f"{config['seeds'][0]}.\n\n![source, pose, ours, target](figures/{name}/grid.png)\n\n"
    )
    text.write(f"![loss curves](figures/{name}/losses.png)\n\n")
    text.write("### How it was made\n\n" + _provenance(report, config))
    return text.getvalue()


def _differences(report: DatasetReport) -> str:
    ours = {row.name: row for row in report.of_kind("ours")}
    metrics = [
        m
        for m in paper.COLUMNS[report.settings["reader"]]
        if not (report.suffix and m in CLASSIFIED)
    ]
    lines = []
    for variant, published in paper.VARIANTS.items():
        if variant in ours:
            row = paper.row(published, report.settings["reader"])
            gaps = [f"{np.mean(ours[variant].figures[m]) - row[m]:+.3f}" for m in metrics]
            lines.append([variant, published, *gaps])
    return _table(["ours", "published", *(_heading(m, report) for m in metrics)], lines)


def _other_settings(report: DatasetReport) -> str:
    known = report.of_kind("reference")[0].figures
    metrics = [m for m in HEADINGS if m in known and m not in MAIN]
    rows = report.of_kind("reference") + report.of_kind("ours")
    lines = [[row.name, *(_number(row.figures[m], m) for m in metrics)] for row in rows]
    return _table(["row", *(HEADINGS[m] for m in metrics)], lines) + (
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
                run["precision"],
                run["versions"],
            ]
        )
    header = ["row", "steps × batch", "width / depth", "parameters", "loss"]
    table = _table([*header, "device", "precision", "versions"], lines)
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


def _heading(metric: str, report: DatasetReport) -> str:
    return HEADINGS[metric].format(f" ({report.classifier})" if report.suffix else "")


def _best(report: DatasetReport, metric: str) -> float:
    means = [np.mean(row.figures[report.column(metric)]) for row in report.of_kind("ours")]
    if metric == "sharpness":
        return min(means, key=lambda mean: abs(mean - 1))
    return min(means) if metric == "fid" else max(means)


def _number(values: list[float] | None, metric: str) -> str:
    if values is None:
        return "–"
    digits = DIGITS.get(metric, 3)
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"


def _table(header: list[str], lines: list[list[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
