"""The tables, from scores that are known."""

import re

import numpy as np
import pandas as pd
import pytest

from vdg.files import write_json
from vdg.report import published as paper
from vdg.report import rows as results
from vdg.report import tables as report

PAIRS = 200
SUFFIX = "_efficientnet_lite0"
RUN = {"device": "cpu", "mode": "fp32, deterministic", "versions": "torch"}
ABOUT = {
    "stage1": {"steps": 5, "batch_size": 2, "width": 4, "depth": 2},
    "stage2": None,
    "parameters": 1000,
    "run": RUN,
    "mask_ssim_floor": 0.5,
}


def write_scores(folder, name, ssim, fid=100.0, sharpness=0.5):
    """Scores of one run. ssim: of each pair; mask-SSIM is 0.1 above it everywhere."""
    metrics = {"ssim": np.mean(ssim), "mask_ssim": np.mean(ssim) + 0.1, "sharpness": sharpness}
    metrics |= {f"{m}{SUFFIX}": 2.0 for m in ("is", "mask_is")} | {f"fid{SUFFIX}": fid}
    scores = {"metrics": metrics, "pairs": PAIRS, "classifier": "EfficientNet-Lite0"}
    write_json(folder / f"{name}.json", scores | {"about": ABOUT})
    table = pd.DataFrame({"ssim": ssim, "mask_ssim": np.add(ssim, 0.1)})
    table["views"] = ["front → back", "side → side"] * (PAIRS // 2)
    table["pose_distance"] = np.linspace(0, 0.398, PAIRS)
    table.to_csv(folder / f"{name}.csv", index=False)


@pytest.fixture
def make(tmp_path):
    """Write the scores of `variants` and collect them: {variant: one array of SSIM per seed}."""

    def collect(variants, reader="synthetic", split="official"):
        random = np.random.default_rng(0)
        folder = tmp_path / "data"
        for name in results.REFERENCES:
            write_scores(folder / "references", name, random.uniform(0.2, 0.3, PAIRS))
        seeds = list(range(len(next(iter(variants.values())))))
        for seed in seeds:
            write_scores(folder / f"stage1-vdg-{seed}", "scores", np.full(PAIRS, 0.4))
            for name, values in variants.items():
                write_scores(folder / f"{name}-{seed}", "scores", values[seed], 90.0, 0.9)
        settings = {"split": split, "reader": reader, "height": 64, "width": 32}
        settings["published"] = reader if reader in paper.COLUMNS else None
        config = {
            "datasets": {"data": settings},
            "networks": ["vdg"],
            "variants": list(variants),
            "about": dict.fromkeys(variants, "what it is"),
            "seeds": seeds,
        }
        return results.collect(config, tmp_path), config

    return collect


def line(text, start):
    return next(row for row in text.splitlines() if row.startswith(f"| {start} |"))


def differences(text):
    """The section with the intervals."""
    return text.split("### Which differences are real")[1].split("###")[0]


def test_one_seed_prints_no_spread(make):
    reports, config = make({"l1": [np.full(PAIRS, 0.5)]})
    text = report.markdown(reports, config, pictures=False)
    assert "±" not in line(text, "l1")
    assert "| 0.500 |" in line(text, "l1").replace("**", "")
    assert "One seed" in text


def test_several_seeds_print_mean_and_standard_deviation(make):
    reports, config = make({"l1": [np.full(PAIRS, 0.5), np.full(PAIRS, 0.52)]})
    text = report.markdown(reports, config, pictures=False)
    assert f"0.510 ± {np.std([0.5, 0.52], ddof=1):.3f}" in line(text, "l1")
    assert "One seed" not in text
    l1 = line(differences(text), "l1 − stage1")
    assert f"+0.110 [+0.110, +0.110]** ± {np.std([0.1, 0.12], ddof=1):.3f}" in l1
    assert results.tidy(reports, [0, 1]).query("row == 'l1' and metric == 'ssim'")["std"].item() > 0


def test_only_real_differences_are_bold(make):
    random = np.random.default_rng(1)
    base = random.uniform(0.4, 0.6, PAIRS)
    variants = {
        "l1": base,
        "full": base + random.normal(0.01, 0.02, PAIRS),
        "weighted": base + random.normal(0, 0.02, PAIRS) - 0.0,
    }
    variants["weighted"] += base.mean() - variants["weighted"].mean() + 1e-4
    reports, config = make({name: [values] for name, values in variants.items()})
    text = differences(report.markdown(reports, config, pictures=False))
    assert line(text, "full − l1").count("**") == 4  # SSIM and mask-SSIM
    assert "**" not in line(text, "weighted − l1")
    found = re.search(r"\*\*([+-][\d.]+) \[([+-][\d.]+), ([+-][\d.]+)\]", line(text, "full − l1"))
    mean, low, high = map(float, found.groups())
    assert low < mean < high
    assert mean == pytest.approx((variants["full"] - base).mean(), abs=6e-4)


def test_a_sweep_is_compared_with_full_alone(make):
    names = ["l1", "mask-l1", "full", "a", "b", "c"]
    reports, config = make({name: [np.full(PAIRS, 0.5)] for name in names})
    text = differences(report.markdown(reports, config, pictures=False))
    compared = re.findall(r"^\| (\S+) − (\S+) \|", text, re.MULTILINE)
    assert {base for _, base in compared} == {"full"}
    assert {row for row, _ in compared} == {"stage1", *names} - {"full"}


def test_published_rows_stand_beside_the_papers_data_sets_alone(make, tmp_path):
    reports, config = make({"full": [np.full(PAIRS, 0.5)]}, "market1501")
    assert reports[0].of_kind("paper")
    config["datasets"]["data"]["published"] = None  # another data set in that layout
    reports = results.collect(config, tmp_path)
    assert not reports[0].of_kind("paper")
    assert "Difference to the paper" not in report.markdown(reports, config)


@pytest.mark.parametrize("width", [11, 176])
def test_a_crop_has_a_column_of_its_width(width):
    text = report.score_table("theirs", {"ssim": 0.5, f"ssim_{width}": 0.25}, None)
    assert f"SSIM (middle {width} columns)" in text
    assert "0.250" in text


def test_text_to_keep_shows_no_picture(make):
    reports, config = make({"full": [np.full(PAIRS, 0.5)]}, "market1501", "hold-out")
    text = report.markdown(reports, config, "Made by `this command`.", pictures=False)
    assert "![" not in text
    assert "Made by `this command`." in text
    assert "**Hold-out:**" in text
    assert "| VDG_w | 0.266 |" in text
    assert "![" in report.markdown(reports, config)


def test_each_change_of_view_has_its_line(make):
    reports, config = make({"full": [np.tile([0.2, 0.6], PAIRS // 2)]})
    text = report.markdown(reports, config, pictures=False)
    assert line(text, "front → back").endswith("| 0.400 | 0.200 |")
    assert line(text, "side → side").endswith("| 0.400 | 0.600 |")
    assert f"| {PAIRS // 2} |" in line(text, "side → side")


def test_reading_counts_what_beats_the_references(make):
    reports, config = make({"l1": [np.full(PAIRS, 0.1)], "full": [np.full(PAIRS, 0.5)]})
    text = report.markdown(reports, config, pictures=False)
    assert "SSIM: 2 of our 3 rows are above" in text
    assert "0.500 (full) at sharpness 0.90 to 0.90" in text
    assert "FID: l1, full below stage I's 100.0 (a stand-in" in text
    assert "2 of our 3 rows are below the copied source (100.0)" in text
    assert "IS: " not in text


def test_reading_says_where_is_is_above_real(make):
    reports, config = make({"full": [np.full(PAIRS, 0.5)]})
    next(row for row in reports[0].rows if row.name == "full").figures[f"is{SUFFIX}"] = [2.5]
    text = report.markdown(reports, config, pictures=False)
    assert "IS: full above the real targets' 2.00." in text


def test_readings_of_vdg_w_are_set_beside_the_paper(make):
    variants = {"full": [np.full(PAIRS, 0.5)], "weighted": [np.full(PAIRS, 0.6)]}
    variants["shared"] = [np.full(PAIRS, 0.5004)]  # too little to count
    reports, config = make(variants, "market1501")
    text = report.markdown(reports, config, pictures=False).split("### Which reading")[1]
    assert line(text, "shared − full").endswith("| 0 of 4 |")
    assert line(text, "VDG_w − VDG, published").startswith("| VDG_w − VDG, published | +0.028 |")
    # SSIM and mask-SSIM rise as the paper's do, both IS stay where its fell
    assert line(text, "weighted − full").endswith("| +0.100 | +0.00 | +0.100 | +0.00 | 2 of 4 |")
    assert "Of IS only the direction compares" in text
    del variants["full"]
    assert "Which reading" not in report.markdown(*make(variants), pictures=False)


def test_each_quarter_of_pose_changes_has_its_line(make):
    reports, config = make({"full": [np.linspace(0, 1.99, PAIRS)]})
    text = report.markdown(reports, config, pictures=False).split("### By change of pose")[1]
    assert line(text, "0.000 to 0.098").startswith("| 0.000 to 0.098 | 50 |")
    assert line(text, "0.000 to 0.098").endswith("| 0.500 | 0.345 |")  # mask-SSIM is 0.1 above
    assert line(text, "0.300 to 0.398").endswith("| 0.500 | 1.845 |")


def test_the_paper_is_in_a_chart_only_where_its_classifier_is(make):
    reports, _ = make({"full": [np.full(PAIRS, 0.5)]}, "market1501")
    assert list(report.charts_of(reports[0])) == ["ssim-sharpness"]
    for row in reports[0].rows:
        row.figures = {name.removesuffix(SUFFIX): v for name, v in row.figures.items()}
    assert list(report.charts_of(reports[0])) == ["ssim-sharpness", "ssim-is"]
