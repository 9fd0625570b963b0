"""The figures of a report: grids of images, loss curves, scores against each other."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from PIL import Image, ImageDraw, ImageFont

from vdg.drawing import GAP, enlarge, grid, save_png, skeleton
from vdg.errors import InputError
from vdg.files import read_arrays, write_bytes
from vdg.report.comparisons import Comparison
from vdg.report.inputs import REMEDY, read_table
from vdg.report.rows import DatasetReport, Row
from vdg.report.tables import heading

matplotlib.use("Agg")
plt.rcParams["text.parse_math"] = False  # a name is no formula

BEFORE, AFTER = ("source", "pose"), ("target",)  # of what is generated, in a row of a grid
SHOWN = ("source", "target", "keypoints")
EXTREMES = ("best", "median", "worst")  # as `vdg.evaluate.extremes` orders them
TALL = 128  # pixels to which smaller images are enlarged
WIDE = 20  # columns of images that fit on a screen
BETWEEN = 16  # pixels between two halves of a grid
FONT = ImageFont.load_default(11)
NAMED = 8  # points whose names fit into a chart
LINE = 14  # pixels of a line of text


@dataclass
class Layout:
    """Where the images of a grid are, in pixels. origins: (x, y) of each pair's first image; step:
    from one column to the next; first, last: columns that a slider begins with."""

    columns: list[str]
    origins: list[tuple[int, int]]
    width: int
    height: int
    step: int
    first: int
    last: int


def draw(
    report: DatasetReport, ours: list[Comparison], scores: Path, losses: Path, folder: Path
) -> tuple[list[str], Layout]:
    """Write the figures of a data set to `folder`, from its first seed. ours: see `differences`.

    Returns the names of the figures, and the layout of the one that is named grid.
    Raises InputError that names the file where samples or losses are damaged.
    """
    scores, losses = scores / report.name, losses / report.name
    image, layout = sample_grid(report, scores)
    save_png(folder / "grid.png", image)
    save_png(folder / "extremes.png", extreme_grid(report, scores))
    _save(folder / "losses.png", loss_curves(report, losses))
    charts = charts_of(report)
    for name, (x, y) in charts.items():
        _save(folder / f"{name}.png", scatter(report, x, y))
    names = ["grid", "extremes", "losses", *charts]
    if ours:
        _save(folder / "differences.png", differences(report, ours))
        names.append("differences")
    return names, layout


# --- images --------------------------------------------------------------------------------------


def sample_grid(
    report: DatasetReport, scores: Path, trained: list[Row] | None = None
) -> tuple[Image.Image, Layout]:
    """A row per pair, a column per trained row; in two halves, if the screen is wide enough.

    trained: some of the report's trained rows; None: all.
    """
    trained = report.trained if trained is None else trained
    shown = _read(report, scores / "references" / "samples.safetensors", SHOWN)
    count = len(shown["source"])
    files = [_of(report, row, scores) / "samples.safetensors" for row in trained]
    generated = [_read(report, file, ("generated",), count)["generated"] for file in files]
    rows = [_cells(shown, i, [images[i] for images in generated]) for i in range(count)]
    titles = [*BEFORE, *(row.name for row in trained), *AFTER]
    half = -(-count // 2) if 2 * len(titles) <= WIDE else count
    parts = [titled(rows[i : i + half], titles) for i in range(0, count, half)]
    return _beside([image for image, _ in parts]), _layout(report, parts, rows, titles)


def _layout(report: DatasetReport, parts: list, rows: list, titles: list[str]) -> Layout:
    height, width = rows[0][0].shape[:2]
    origins, left = [], 0
    for image, top in parts:
        count = (image.height - top + GAP) // (height + GAP)
        origins += [(left, top + i * (height + GAP)) for i in range(count)]
        left += image.width + BETWEEN
    last = report.base or report.trained[-1]
    first, last = (_column(report, row) for row in (report.coarse_of(last), last))
    return Layout(titles, origins, width, height, width + GAP, first, last)


def _column(report: DatasetReport, row: Row | None) -> int:
    """The column of a row in the grid; without a row, that of the source."""
    return 0 if row is None else len(BEFORE) + report.trained.index(row)


def extreme_grid(report: DatasetReport, scores: Path) -> Image.Image:
    """The best, the median and the worst pair of each trained row, by mask-SSIM."""
    rows = []
    for row in report.trained:
        file = _of(report, row, scores) / "extremes.safetensors"
        examples = _read(report, file, (*SHOWN, "generated"), len(EXTREMES))
        cells = [_cells(examples, i, [examples["generated"][i]]) for i in range(len(EXTREMES))]
        name = _name(row.name, *cells[0][0].shape[:2])
        rows.append([name, *(cell for triple in cells for cell in triple)])
    return titled(rows, ["", *(t for name in EXTREMES for t in (*BEFORE, name, *AFTER))])[0]


def _of(report: DatasetReport, row: Row, folder: Path) -> Path:
    """Where the scores of a row's first seed are."""
    return folder / f"{row.run}-{report.seeds[0]}"


def _read(
    report: DatasetReport, path: Path, names: Sequence[str], count: int | None = None
) -> dict[str, np.ndarray]:
    """Named arrays of `count` pairs, or of as many as the first has: images (N, H, W, 3) uint8,
    keypoints (N, 18, 2). Raises InputError that names the file."""
    arrays = read_arrays(path)[0]
    first = arrays.get(names[0], np.zeros(0))
    count = count or max(1, len(first) if first.ndim else 0)
    image = (count, report.settings.height, report.settings.width, 3)
    for name in names:
        expected = (count, 18, 2) if name == "keypoints" else image
        if name not in arrays or arrays[name].shape != expected:
            raise InputError(f"{path}: no {name} of shape {expected}: {REMEDY}")
        if name != "keypoints" and arrays[name].dtype != np.uint8:
            raise InputError(f"{path}: {name} is not uint8: {REMEDY}")
    return arrays


def _cells(shown: dict[str, np.ndarray], i: int, generated: list[np.ndarray]) -> list[np.ndarray]:
    """One pair as a row of a grid, enlarged: BEFORE, what was generated, AFTER."""
    source, target, joints = (shown[key][i] for key in ("source", "target", "keypoints"))
    scale = max(1, TALL // len(source))
    images = [np.asarray(enlarge(x, scale)) for x in (source, *generated, target)]
    return [images[0], skeleton(joints, np.zeros_like(source), scale), *images[1:]]


def titled(rows: list[list[np.ndarray]], titles: list[str]) -> tuple[Image.Image, int]:
    """A grid with a title over each column, and the height of the titles."""
    width = rows[0][0].shape[1]
    wrapped = [_wrap(title, width) for title in titles]
    top = 2 + LINE * max(text.count("\n") + 1 for text in wrapped)
    images = grid(rows)
    image = Image.new("RGB", (images.width, top + images.height), "white")
    image.paste(images, (0, top))
    draw = ImageDraw.Draw(image)
    for j, text in enumerate(wrapped):
        middle = (j * (width + GAP) + width / 2, top - 3)
        draw.text(middle, text, "black", FONT, "md", spacing=2, align="center")
    return image, top


def _name(text: str, height: int, width: int) -> np.ndarray:
    """A name on white, to stand before a row: (height, width, 3)."""
    image = Image.new("RGB", (width, height), "white")
    middle = (width / 2, height / 2)
    ImageDraw.Draw(image).text(middle, _wrap(text, width), "black", FONT, "mm", align="center")
    return np.asarray(image)


def _wrap(text: str, width: int) -> str:
    """Break a name after hyphens where it is wider than `width` pixels."""
    lines = [""]
    for word in text.replace("-", "-\0").split("\0"):
        if lines[-1] and FONT.getlength(lines[-1] + word) > width:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _beside(images: list[Image.Image]) -> Image.Image:
    width = sum(image.width + BETWEEN for image in images) - BETWEEN
    whole = Image.new("RGB", (width, max(image.height for image in images)), "white")
    left = 0
    for image in images:
        whole.paste(image, (left, 0))
        left += image.width + BETWEEN
    return whole


# --- charts --------------------------------------------------------------------------------------


def loss_curves(report: DatasetReport, losses: Path) -> plt.Figure:
    """One panel per loss. A row has one colour in all panels."""
    curves = _curves(report, losses)
    columns = 4
    lines = -(-len(curves) // columns)
    size = (3.2 * columns, 2.5 * lines + 0.5)
    figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False)
    colours = _colours(report)
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    for axis, (loss, rows) in zip(axes.flat, curves.items(), strict=False):
        for name, (steps, values) in rows.items():
            axis.plot(steps, values, linewidth=1, color=colours[name])
        axis.set_title(loss, fontsize=9)
        axis.set_xlabel("step", fontsize=8)
        _plain(axis)
    handles = [plt.Line2D([], [], color=colours[r.name], label=r.name) for r in report.trained]
    figure.legend(handles=handles, loc="upper center", ncols=8, fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.4 / size[1]))
    return figure


def _curves(report: DatasetReport, losses: Path) -> dict[str, dict[str, tuple[list, list]]]:
    """Loss -> row -> (steps, values)."""
    curves: dict[str, dict] = {}
    for row in report.trained:
        training = row.training[0]
        stage = "stage I" if training.stage2 is None else "stage II"
        settings = training.stage2 or training.stage1
        log = _log(losses / f"{row.run}-{report.seeds[0]}.csv", settings.get("steps"))
        for loss in log.columns.drop("step"):
            known = log[["step", loss]].dropna()
            panel = curves.setdefault(f"{stage}: {loss.replace('_', ' ')}", {})
            panel[row.name] = (known["step"].tolist(), known[loss].tolist())
    return curves


def _log(path: Path, steps: int | None):
    """The losses of a training, which end with its last step."""
    log = read_table(path)
    last = log["step"].iloc[-1] if "step" in log and len(log) else "none"
    if last == "none" or steps not in (None, last):
        raise InputError(f"{path}: the last step is {last}, not {steps}: {REMEDY}")
    return log


def charts_of(report: DatasetReport) -> dict[str, tuple[str, str]]:
    """The charts of one metric against another: file name -> (x, y)."""
    charts = {"ssim-sharpness": ("ssim", "sharpness")}
    if report.of_kind("published") and not report.suffix:  # a stand-in's IS is on another scale
        charts["ssim-is"] = ("ssim", "is")
    return charts


def scatter(report: DatasetReport, x: str, y: str) -> plt.Figure:
    """One metric against another: of all rows, and of the trained ones enlarged. With several
    seeds, bars are standard deviations."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4))
    keys = report.column(x), report.column(y)
    # of the real targets every score is far from all others
    rows = [r for r in report.rows if {*keys} <= r.metrics.keys() and r.name != "real"]
    for axis, shown in zip(axes, (rows, report.trained), strict=True):
        for row in shown:
            axis.errorbar(
                *map(row.mean, keys),
                xerr=_spread(row.metrics[keys[0]]),
                yerr=_spread(row.metrics[keys[1]]),
                fmt=MARKERS[row.kind],
                color=_colours(report)[row.name],
                label=f"{row.name} ({row.kind})",
            )
        axis.set_xlabel(heading(x, report), fontsize=9)
        axis.set_ylabel(heading(y, report), fontsize=9)
        axis.margins(0.15)
        _plain(axis)
    axes[0].set_title("all rows", fontsize=9)
    axes[1].set_title("trained rows, enlarged", fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    axes[1].legend(handles, labels, fontsize=7, loc="center left", bbox_to_anchor=(1.02, 0.5))
    figure.tight_layout()
    if len(report.trained) <= NAMED:
        _label(axes[1], {row.name: tuple(map(row.mean, keys)) for row in report.trained})
    return figure


def _label(axis: plt.Axes, places: dict[str, tuple[float, float]]) -> None:
    """Write a name above each point, or below it where another point is close above."""
    pixels = axis.transData.transform(list(places.values()))
    for (name, place), (x, y) in zip(places.items(), pixels, strict=True):
        crowded = any(abs(x - a) < 50 and 0 < b - y < 25 for a, b in pixels)
        offset, side = (-6, "top") if crowded else (6, "bottom")
        axis.annotate(
            name, place, (0, offset), textcoords="offset points", ha="center", va=side, fontsize=8
        )


def differences(report: DatasetReport, comparisons: list[Comparison]) -> plt.Figure:
    """Differences of SSIM and mask-SSIM with their intervals: thick over the identities, thin
    over the seeds. What survives is black."""
    metrics = ("ssim", "mask_ssim")
    size = (11, 0.3 * len(comparisons) + 1)
    figure, axes = plt.subplots(1, len(metrics), figsize=size, sharey=True)
    for axis, metric in zip(axes, metrics, strict=True):
        for i, comparison in enumerate(comparisons):
            gap = comparison.differences[metric]
            colour = "black" if gap.survives else "darkgrey"
            axis.plot(gap.mean, -i, "o", color=colour, markersize=4)
            axis.plot(gap.people, [-i, -i], color=colour, linewidth=3)
            if gap.seeds:
                axis.plot(gap.seeds, [-i, -i], color=colour, linewidth=1)
        axis.axvline(0, color="red", linewidth=0.8)
        axis.set_xlabel(f"difference in {heading(metric, report)}", fontsize=9)
        _plain(axis)
    names = [f"{c.other.name} − {c.one.name}" for c in comparisons]
    axes[0].set_yticks([-i for i in range(len(names))], names)
    figure.tight_layout()
    return figure


MARKERS = {"published": "D", "reference": "s", "compared": "^", "ours": "o"}


def _colours(report: DatasetReport) -> dict[str, tuple]:
    """One colour per row in all charts. Trained rows come first: there are more rows than
    colours."""
    colours = [*plt.get_cmap("tab10").colors, *plt.get_cmap("tab20b").colors]
    names = [row.name for row in (*report.trained, *report.rows) if row.name]
    names = list(dict.fromkeys(names))
    return {name: colours[i % len(colours)] for i, name in enumerate(names)}


def _spread(values: list[float]) -> float | None:
    return np.std(values, ddof=1) if len(values) > 1 else None


def _plain(axis: plt.Axes) -> None:
    axis.tick_params(labelsize=8)
    axis.locator_params(axis="x", nbins=6)
    axis.grid(alpha=0.3)


def _save(path: Path, figure: plt.Figure) -> None:
    """Write a chart with no date in it, so that the same chart has the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    write_bytes(path, buffer.getvalue())
