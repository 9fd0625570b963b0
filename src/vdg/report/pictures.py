"""Charts of a report: loss curves, one metric against another."""

import io
from collections.abc import Sequence

import matplotlib
from matplotlib import pyplot as plt

from vdg.files import write_bytes

matplotlib.use("Agg")


def loss_curves(
    path, curves: dict[str, dict[str, tuple[list, list]]], order: Sequence[str]
) -> None:
    """Write one panel per loss. curves: loss -> run -> (steps, values).

    order: all runs, in the order of their colours: a run has one colour in every panel.
    """
    columns = 4
    lines = -(-len(curves) // columns)
    size = (3.2 * columns, 2.6 * lines)
    figure, axes = plt.subplots(lines, columns, figsize=size, squeeze=False)
    for axis in axes.flat[len(curves) :]:
        axis.set_axis_off()
    for axis, (loss, runs) in zip(axes.flat, curves.items(), strict=False):
        for run, (steps, values) in runs.items():
            axis.plot(steps, values, label=run, linewidth=1, color=f"C{order.index(run)}")
        axis.set_title(loss, fontsize=9)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=6)
    _save(path, figure)


def scatter(path, points: Sequence[tuple[str, str, float, float]], labels: tuple[str, str]) -> None:
    """One metric against another. points: (name, kind, x, y); labels: of both axes.

    A kind has one marker and a row one colour, named in a legend: rows of ours lie close together.
    """
    figure, axis = plt.subplots(figsize=(7, 4))
    kinds = list(dict.fromkeys(kind for _, kind, _, _ in points))
    colours = plt.get_cmap("tab20").colors
    for i, (name, kind, x, y) in enumerate(points):
        marker, colour = "so^D"[kinds.index(kind)], colours[i % len(colours)]
        axis.scatter(x, y, 40, color=colour, marker=marker, label=f"{name} ({kind})")
    axis.set_xlabel(labels[0], fontsize=9)
    axis.set_ylabel(labels[1], fontsize=9)
    axis.tick_params(labelsize=8)
    axis.margins(0.08)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    _save(path, figure)


def _save(path, figure) -> None:
    """Write a chart with no date in it, so that the same chart has the same bytes."""
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    write_bytes(path, buffer.getvalue())
