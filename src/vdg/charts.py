"""Charts of a report: loss curves."""

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
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    write_bytes(path, buffer.getvalue())
