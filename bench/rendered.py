"""The renderer of the open benchmark: a sheet to look at, its speed, and whether it draws people.

Run as `python -m bench.rendered [--first IDENTITY] [--people N] [--scale N] [--results]`. Draws
docs/rendered.png, the eight views of some people, and prints the milliseconds of CPU time that a
picture takes, of this renderer and of the small data set's at the same size. With MoveNet (`make
estimator`) also its PCK on 150 pictures, a sign from outside that they look like people.

`--results`, after `make rendered`, draws docs/rendered-results.png alone: the evenly spaced test
pairs of the report's grid, with some of its columns.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from bench.keypoints import HEIGHT, report
from vdg import cli
from vdg.data.rendered.render import render
from vdg.data.rendering.archive import Renderer
from vdg.data.synthetic.render import render as render_small
from vdg.drawing import enlarge, grid, save_png
from vdg.errors import InputError
from vdg.estimators import movenet_weights
from vdg.layout import REPORT_CONFIG, SCORES
from vdg.pose import TORSO
from vdg.report import pictures, rows
from vdg.report.inputs import read_config

OUTPUT, VIEWS = Path("docs/rendered.png"), 8
RESULTS, COLUMNS = Path("docs/rendered-results.png"), ("stage1-vdg", "full", "warp-both-long")


def milliseconds(draw: Renderer, people: int = 12) -> float:
    """CPU time of a picture, the fastest of some people: others may use the machine."""
    times = []
    for identity in range(people):
        start = time.process_time()
        for view in range(VIEWS):
            draw(identity, view, HEIGHT, 0)
        times.append((time.process_time() - start) / VIEWS)
    return 1000 * min(times)


def draw_results() -> None:
    """The README's picture. Raises InputError where `make rendered` has not run last."""
    reports = {report.name: report for report in rows.collect(read_config(REPORT_CONFIG), SCORES)}
    if "rendered" not in reports:
        raise InputError(f"{SCORES} holds no scores of rendered: make rendered")
    report = reports["rendered"]
    chosen = [row for row in report.trained if row.run in COLUMNS]
    save_png(RESULTS, pictures.sample_grid(report, SCORES / report.name, chosen)[0])
    print(RESULTS)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=2, help="identity; default: %(default)s")
    parser.add_argument("--people", type=int, default=6, help="default: %(default)s")
    parser.add_argument("--scale", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--results", action="store_true", help="draw what make rendered generated")
    args = parser.parse_args()
    if args.results:
        draw_results()
        return
    shown = range(args.first, args.first + 2 * args.people, 2)
    sheet = [[render(who, view, HEIGHT, 0).image for view in range(VIEWS)] for who in shown]
    save_png(OUTPUT, grid([[np.asarray(enlarge(x, args.scale)) for x in row] for row in sheet]))
    print(f"{OUTPUT}: people {', '.join(map(str, shown))}, all even: of the test split")
    print(f"rendered {milliseconds(render):.1f} ms, synthetic {milliseconds(render_small):.1f} ms")
    if not movenet_weights.weights_file().is_file():
        print("PCK: skipped, run make estimator first")
        return
    drawn = (render(who, view, HEIGHT, 0) for who in range(2, 201, 2) for view in range(VIEWS))
    whole = (picture for picture in drawn if (picture.keypoints[list(TORSO)] >= 0).all())
    chosen = [next(whole) for _ in range(150)]
    report("rendered", np.stack([x.image for x in chosen]), np.stack([x.keypoints for x in chosen]))


if __name__ == "__main__":
    cli.run(main)
