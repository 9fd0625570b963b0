"""The report of known scores."""

import copy
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from scored import PAIRS, STAND_IN, SUFFIX, Scored, coarse, row

from stages import ablation_table
from vdg import published as paper
from vdg.errors import InputError
from vdg.files import write_arrays
from vdg.report import page, publish, rows, tables
from vdg.report.inputs import read_config

ROOT = Path(__file__).parents[1]
INCEPTION = "Inception-2015"


@pytest.fixture
def make(tmp_path):
    """Scores of rows of configs/report.json: make([row("full")], split="hold-out") -> Scored."""
    return lambda entries, **keys: Scored(tmp_path, entries, **keys)


def collect(scored, **changes):
    return rows.collect(scored.configure(**changes), scored.scores)


def text_of(scored, note="", **changes):
    return page.markdown([page.chapter(r) for r in collect(scored, **changes)], note)


def write(scored):
    publish.write(scored.configure(), scored.scores, scored.losses, scored.root / "reports")
    return scored.root / "reports"


def line(text, start):
    return next(row for row in text.splitlines() if row.startswith(f"| {start} |"))


def folded(text, title):
    """The section under a summary."""
    return text.split(f"<summary>{title}</summary>")[1].split("</details>")[0]


def minute(text):
    return text.split("### In one minute")[1].split("###")[0]


def constant(value):
    return np.full(PAIRS, value)


# --- the main table ------------------------------------------------------------------------------


def test_one_seed_prints_no_spread(make):
    scored = make([row("l1")])
    scored.run("l1", 0, constant(0.5))
    text = text_of(scored)
    assert "±" not in line(text, "l1")
    assert "| **0.500** |" in line(text, "l1")
    assert "how much another training would differ (one seed)" in minute(text)


def test_several_seeds_print_mean_and_standard_deviation(make):
    scored = make([row("l1")], seeds=[0, 1])
    for seed, value in enumerate((0.5, 0.52)):
        scored.run("l1", seed, constant(value))
    text = text_of(scored)
    assert f"0.510 ± {np.std([0.5, 0.52], ddof=1):.3f}" in line(text, "l1")
    assert "one seed" not in text
    assert "seeds 0, 1" in text
    table = rows.tidy(collect(scored)).query("row == 'l1' and metric == 'ssim'")
    assert table["std"].item() == pytest.approx(np.std([0.5, 0.52], ddof=1))


def test_published_and_our_inception_scores_have_as_many_digits(make):
    scored = make([row("full", paper="VDG")], published="market1501", classifier=INCEPTION)
    scored.run("full", 0, constant(0.5), **{"is": 3.98765})
    text = text_of(scored)
    assert "| 4.015 |" in line(text, "PG²")
    assert "| **3.988** |" in line(text, "full")


def test_kinds_stand_in_their_order(make):
    entries = [row("full"), row("def-gan", kind="compared")]
    report = collect(make(entries, published="market1501"))[0]
    kinds = [cells[1] for cells in tables.main_table(report).rows]
    assert list(dict.fromkeys(kinds)) == ["published", "reference", "compared", "ours"]


def test_compared_rows_are_neither_bold_nor_counted_as_ours(make):
    scored = make([row("full"), row("def-gan", kind="compared")])
    scored.run("def-gan", 0, constant(0.9), fid=1.0)
    text = text_of(scored)
    assert "**" not in line(text, "def-gan")
    assert line(text, "full").count("**") == 2 * 6
    assert "in SSIM 1 of our 1 row is above" in minute(text)


def test_rows_that_are_printed_alike_are_bold_alike(make):
    scored = make([row("one"), row("two"), row("three")])
    for name, value in {"one": 0.40012, "two": 0.40041, "three": 0.3994}.items():
        scored.run(name, 0, constant(value))
    text = text_of(scored)
    bold = {name: "**0.400**" in line(text, name) for name in ("one", "two", "three")}
    assert bold == {"one": True, "two": True, "three": False}


def test_the_pairs_and_the_people_are_counted(make):
    assert f"{PAIRS} test pairs of {PAIRS} identities, 64×32 pixels" in text_of(make([row("l1")]))


def test_a_stand_in_classifier_hides_published_inception_scores(make):
    text = text_of(make([row("full")], published="market1501"))
    assert "4.015" not in text.split("own table, as published")[0]
    assert "IS (EfficientNet-Lite0) ↑" in text
    assert f"**Stand-in classifier:** IS and FID come from {STAND_IN}" in text


def test_published_rows_stand_beside_the_papers_data_sets_alone(make):
    scored = make([row("full", paper="VDG")], published="market1501")
    assert "Difference to the paper" in text_of(scored)
    scored.settings["published"] = None  # another data set in that layout
    text = text_of(scored)
    assert "| published |" not in text
    assert "Difference to the paper" not in text


@pytest.mark.parametrize("width", [11, 176])
def test_a_crop_has_a_column_of_its_width(width):
    text = tables.score_table("theirs", {"ssim": 0.5, f"ssim_{width}": 0.25}, None)
    assert f"SSIM (middle {width} columns)" in text
    assert "0.250" in text


def test_validation_is_labelled_in_title_table_and_banner(make):
    text = text_of(make([row("full")], evaluated="validation"))
    assert "# Validation results" in text
    assert "> **Validation pairs, not test pairs.**" in text
    assert line(text, "row, validation pairs")
    assert f"{PAIRS} validation pairs" in text
    assert "how the test pairs would score" in minute(text)
    assert "alidation" not in text_of(make([row("full")]))


# --- by camera -----------------------------------------------------------------------------------


def with_cameras(scored, shots):
    """Give the pairs Market-1501's names: the target of camera and sequence `shots`, in turn, the
    source of c1s1."""
    for path in scored.scores.rglob("*.csv"):
        table = pd.read_csv(path)
        table["from"] = [f"{i:04d}_c1s1_{i:06d}_00.jpg" for i in range(PAIRS)]
        table["to"] = [f"{i:04d}_{shots[i % len(shots)]}_{i:06d}_01.jpg" for i in range(PAIRS)]
        table.to_csv(path, index=False)


def test_rows_are_split_by_camera(make):
    scored = make([row("full")])
    ssim = np.where(np.arange(PAIRS) % 4 == 0, 0.6, np.where(np.arange(PAIRS) % 4 == 1, 0.5, 0.3))
    scored.run("full", 0, ssim)
    with_cameras(scored, ["c1s1", "c1s2", "c2s1", "c3s1"])
    text = text_of(scored).split("<summary>By camera</summary>")[1]
    for group, value in {"one sequence": 0.6, "one camera": 0.5, "two cameras": 0.3}.items():
        assert re.search(
            rf"\| {group} \| {100 if value == 0.3 else 50} \| .* \| {value:.3f} \|", text
        )
    said = minute(text_of(scored))
    assert "In 25 % of the pairs both images are of one camera sequence" in said
    assert "0.600 and 0.367 of full." in said


@pytest.mark.parametrize("shots", [["c1s1"], ["c2s1"], ["c2s1", "c1s2"], None])
def test_without_several_sequences_the_minute_says_nothing_of_them(make, shots):
    scored = make([row("full")])
    if shots:
        with_cameras(scored, shots)
    assert "camera sequence" not in minute(text_of(scored))
    several = shots is not None and len(shots) > 1
    assert ("By camera" in text_of(scored)) == several


# --- in one minute -------------------------------------------------------------------------------


def test_a_minute_has_at_most_five_points_whatever_there_is(make):
    entries = [coarse(), row("full", paper="VDG"), row("l1", paper="VDG^L1")]
    entries += [row("def-gan", kind="compared", paper="Def-GAN"), row("patn", kind="compared")]
    more = {"split": "hold-out", "evaluated": "validation", "published": "market1501"}
    text = minute(text_of(make(entries, **more)))
    assert len(re.findall(r"^- ", text, re.MULTILINE)) == 5
    assert len([x for x in text.splitlines() if x]) == 5


def test_a_minute_names_the_rows_that_copying_beats(make):
    scored = make([row("l1"), row("full")])
    scored.run("l1", 0, constant(0.1))
    scored.run("full", 0, constant(0.5))
    text = minute(text_of(scored))
    assert "in SSIM 1 of our 2 rows is above both a copy of the source" in text
    assert re.search(r"\(0\.100 to 0\.500 against 0\.2\d\d; not l1\), in mask-SSIM 1 of 2", text)


def test_a_minute_says_what_stage_two_changes(make):
    scored = make([coarse(), row("l1"), row("full")])
    scored.run("stage1-vdg", 0, constant(0.6), stage2=False, sharpness=0.7, fid=120)
    scored.run("l1", 0, constant(0.5), sharpness=0.9, fid=130)
    scored.run("full", 0, constant(0.55), sharpness=1.1, fid=110)
    text = minute(text_of(scored))
    assert "**What stage II changes** in 2 variants:" in text
    assert "sharpness 0.700 → 0.900 to 1.100 (better in 2)," in text
    assert "FID 120.0 → 110.0 to 130.0 (better in 1)," in text
    assert "SSIM 0.600 → 0.500 to 0.550 (better in 0)." in text


def test_stage_two_is_set_beside_the_stage_one_of_its_own_network(make):
    shared = {"shared_encoders": True}
    scored = make([coarse(), coarse("stage1-b", run="stage1-b"), row("b")])
    scored.run("stage1-vdg", 0, constant(0.6), stage2=False)
    scored.run("stage1-b", 0, constant(0.3), stage1=shared, stage2=False)
    scored.run("b", 0, constant(0.4), stage1=shared)
    assert "SSIM 0.300 → 0.400 (better in 1)." in minute(text_of(scored))


def test_a_report_of_compared_systems_alone_can_be_written(make):
    folder = write(make([row("def-gan", kind="compared", paper="Def-GAN")]))
    assert "def-gan" in (folder / "results.md").read_text()
    assert (folder / "figures" / "data" / "grid.png").is_file()


# --- differences ---------------------------------------------------------------------------------


def noisy(base, mean, seed):
    """`base` with noise, and with a mean that is exactly `mean` above it."""
    noise = np.random.default_rng(seed).normal(0, 0.02, PAIRS)
    return base + noise - noise.mean() + mean


def test_only_differences_beyond_the_pairs_are_bold(make):
    base = np.random.default_rng(1).uniform(0.4, 0.6, PAIRS)
    scored = make([row("l1"), row("full"), row("weighted")])
    values = {"l1": base, "full": noisy(base, 0.01, 2), "weighted": noisy(base, 1e-4, 3)}
    for name, ssim in values.items():
        scored.run(name, 0, ssim)
    text = text_of(scored)
    table = folded(text, "Which differences exceed chance")
    assert line(table, "full − l1").count("**") == 4  # SSIM and mask-SSIM
    assert "**" not in line(table, "weighted − l1")
    found = re.search(r"\*\*([+-][\d.]+) \[([+-][\d.]+), ([+-][\d.]+)\]", line(table, "full − l1"))
    mean, low, high = map(float, found.groups())
    half = 1.96 * np.std(values["full"] - base) / np.sqrt(PAIRS)  # by the central limit theorem
    assert (mean, low, high) == pytest.approx((0.01, 0.01 - half, 0.01 + half), abs=1e-3)
    assert "SSIM 2 of 3 (full > l1, weighted), mask-SSIM 2 of 3" in minute(text)


def test_with_seeds_a_difference_must_survive_these_too(make):
    base = np.random.default_rng(1).uniform(0.4, 0.6, PAIRS)
    scored = make([row("l1"), row("steady"), row("lucky")], seeds=[0, 1, 2])
    for seed in range(3):
        scored.run("l1", seed, base)
        scored.run("steady", seed, noisy(base, [0.019, 0.02, 0.021][seed], seed))
        scored.run("lucky", seed, noisy(base, [0.001, 0.002, 0.057][seed], seed + 3))
    text = text_of(scored)
    table = folded(text, "Which differences exceed chance")
    assert "**" in line(table, "steady − l1")
    assert "**" not in line(table, "lucky − l1")  # of the same mean, over the same pairs
    for name in ("steady", "lucky"):
        assert f"| {name} − l1 | " + "**" * (name == "steady") + "+0.020 [+0.01" in table
    found = minute(text)
    assert "survive both the test identities and the seeds: SSIM 1 of 3 (steady > l1)" in found


def test_a_sweep_is_compared_with_the_whole_method_alone(make):
    names = ["l1", "mask-l1", "a", "b", "c"]
    scored = make([coarse(), *map(row, names), row("whole", paper="VDG")])
    for name, value in {"a": 0.3, "b": 0.5, "c": 0.6}.items():
        scored.run(name, 0, constant(value))
    text = text_of(scored)
    assert "SSIM 3 of 5 (whole > a; b, c > whole)" in minute(text)
    table = folded(text, "Which differences exceed chance")
    compared = re.findall(r"^\| (\S+) − (\S+) \|", table, re.MULTILINE)
    assert {base for _, base in compared} == {"whole"}
    assert {name for name, _ in compared} == {"stage1", *names}


# --- beside the paper ----------------------------------------------------------------------------


def test_difference_to_the_paper_is_that_of_the_row_named(make):
    scored = make([row("any-name", paper="VDG_w")], published="market1501", classifier=INCEPTION)
    scored.run("any-name", 0, constant(0.5), **{"is": 3.0, "mask_is": 3.2})
    cells = line(folded(text_of(scored), "Difference to the paper"), "any-name")
    assert cells == "| any-name | VDG_w | +0.234 | -0.453 | -0.183 | -0.027 |"


def test_steps_follow_the_order_of_the_papers_table(make):
    scored = make([row("w", paper="VDG_w"), row("plain", paper="VDG^L1"), row("f", paper="VDG")])
    for name, value in {"w": 0.6, "plain": 0.5, "f": 0.58}.items():
        scored.run(name, 0, constant(value))
    table = folded(text_of(scored), "From variant to variant")
    assert re.findall(r"^\| (\S+ − \S+) \|", table, re.MULTILINE) == ["f − plain", "w − f"]
    assert line(table, "f − plain").startswith("| f − plain | +0.014 | +0.080 |")
    assert line(table, "w − f").startswith("| w − f | +0.028 | +0.020 |")


def test_readings_of_vdg_w_are_set_beside_the_paper(make):
    entries = [row("f", paper="VDG"), row("one", paper="VDG_w"), row("two", paper="VDG_w")]
    scored = make(entries, published="market1501")
    for name, value in {"f": 0.5, "one": 0.6, "two": 0.5004}.items():
        scored.run(name, 0, constant(value))
    text = folded(text_of(scored), "Which reading of VDG_w")
    assert line(text, "two − f").endswith("| 0 of 4 |")  # too little to count
    published = "| VDG_w − VDG, published | +0.028 | -0.554 | +0.008 | -0.127 |"
    assert line(text, "VDG_w − VDG, published").startswith(published)
    # SSIM and mask-SSIM rise as the paper's do, both IS stay where its fell
    expected = "| one − f | +0.100 | +0.000 | +0.100 | +0.000 | 2 of 4 |"
    assert line(text, "one − f") == expected
    assert "Of IS only the direction compares" in text
    assert "Which reading" not in text_of(scored, rows=entries[1:])


def ranked(make, values, costs=(), **more):
    """Whole systems with a given SSIM: {published row: SSIM}; costs: their training TMAC."""
    kinds = {name: "ours" if name.startswith("VDG") else "compared" for name in values}
    runs = {name: f"run-{i}" for i, name in enumerate(values)}
    scored = make([row(runs[n], kind=kinds[n], paper=n) for n in values], **more)
    for (name, value), cost in itertools.zip_longest(values.items(), costs):
        about = {"training_tmac": cost}
        scored.run(runs[name], 0, constant(value) if np.isscalar(value) else value, about=about)
    return text_of(scored)


PAPER_ORDER = {"Def-GAN": 0.5, "VDG_w": 0.49, "PG²": 0.48, "VDG": 0.47, "PDIG": 0.3}


def test_the_published_ranking_holds(make):
    text = ranked(make, dict(reversed(PAPER_ORDER.items())))
    section = text.split("### Does the published ranking hold?")[1]
    assert "Published order: Def-GAN > VDG_w > PG² > VDG > PDIG." in section
    assert "the ranking holds: 10 of 10 pairs of rows in the published order" in section
    assert "With these trainings, the published ranking holds" in minute(text)


def test_a_ranking_says_what_its_trainings_cost(make):
    text = ranked(make, {"VDG": 0.5, "PG²": 0.4}, [5.41, 5.38])
    assert "on the same pairs, with 5.4 to 5.4 × 10¹² multiply-adds per training." in text
    assert "Does the published ranking hold at equal compute?" in text
    assert "- **Against 1 compared system** at equal compute:" in minute(text)
    unequal = ranked(make, {"VDG": 0.5, "PG²": 0.4}, [5.41, 54])
    assert "with 5.4 to 54.0 ×" in unequal
    assert "equal compute" not in unequal
    weighted = ranked(make, {"VDG": 0.5, "PG²": 0.4, "VDG_w": 0.45}, [5.41, 5.38, 54])
    assert "Does the published ranking hold?" in weighted
    assert "- **Against 1 compared system** at equal compute:" in minute(weighted)
    assert "multiply-adds per" not in ranked(make, {"VDG": 0.5, "PG²": 0.4}, [5.41])


def test_the_published_ranking_does_not_hold(make):
    text = ranked(make, PAPER_ORDER | {"VDG": 0.6})
    assert "Order here: run-3 > run-0 > run-1 > run-2 > run-4." in text
    assert "does not hold: 3 of 10 pairs of rows reversed, 3 beyond chance" in text


def test_a_ranking_within_chance_is_undecided(make):
    random = np.random.default_rng(0)
    # reversed on average, by far less than the pairs scatter
    values = {"Def-GAN": random.normal(0.4, 0.2, PAIRS), "VDG": constant(0.4)}
    values["Def-GAN"] += 0.399 - values["Def-GAN"].mean()
    text = ranked(make, values)
    assert "is undecided: 1 of 1 pair of rows reversed, none beyond chance" in text


def test_a_ranking_needs_a_compared_system_of_the_paper(make):
    entries = [row("f", paper="VDG"), row("w", paper="VDG_w"), row("patn", kind="compared")]
    text = text_of(make(entries))
    assert "ranking" not in text
    alike = [row(name, kind="compared", paper="Def-GAN") for name in ("one", "two")]
    assert "ranking" not in text_of(make([row("l1", paper="VDG^L1"), *alike]))
    assert line(folded(text, "The compared systems, pair by pair"), "f − patn")


def test_the_whole_method_is_set_against_each_compared_system(make):
    entries = [row("l1", paper="VDG^L1"), row("f", paper="VDG")]
    entries += [row(name, kind="compared") for name in ("one", "two")]
    entries += [coarse("stage1-two", run="stage1-two", kind="compared")]
    scored = make(entries)
    scored.run("f", 0, constant(0.5))
    table = folded(text_of(scored), "The compared systems, pair by pair")
    assert re.findall(r"^\| (\S+ − \S+) \|", table, re.MULTILINE) == ["f − one", "f − two"]
    assert "| **+0.100 [+0.100, +0.100]** |" in line(table, "f − one")


# --- other sections ------------------------------------------------------------------------------


def test_each_change_of_view_has_its_line(make):
    scored = make([coarse(), row("full")])
    scored.run("full", 0, np.tile([0.2, 0.6], PAIRS // 2))
    text = folded(text_of(scored), "By change of view")
    assert line(text, "front → back").endswith("| 0.400 | 0.200 |")
    assert line(text, "side → side").endswith("| 0.400 | 0.600 |")
    assert f"| {PAIRS // 2} |" in line(text, "side → side")


def test_each_quarter_of_pose_changes_has_its_line(make):
    scored = make([row("full")])
    scored.run("full", 0, np.linspace(0, 1.99, PAIRS))
    text = folded(text_of(scored), "By change of pose")
    assert line(text, "0.000 to 0.098").startswith("| 0.000 to 0.098 | 50 |")
    assert line(text, "0.000 to 0.098").endswith("| 0.345 |")  # mask-SSIM is 0.1 above
    assert line(text, "0.300 to 0.398").endswith("| 1.845 |")


def test_how_to_read_says_what_is_nearer_than_copying_or_above_real(make):
    scored = make([row("l1"), row("full")])
    scored.run("full", 0, constant(0.5), fid=90, **{"is": 2.5})
    text = folded(text_of(scored), "How to read the scores")
    assert "FID: 1 of our 2 rows is below copy-source" in text
    assert "IS: full above the real targets" in text


def test_the_main_table_shows_the_fid_that_is_chosen_and_the_details_both(make):
    scored = make([row("full")])
    scored.run("full", 0, constant(0.5), fid=90, train_fid=170)
    for chosen, heading, score in (
        ("test", f"FID ({STAND_IN}) ↓", "90.0"),
        ("train", f"FID ({STAND_IN}) to training images ↓", "170.0"),
    ):
        settings = scored.settings | {"fid_reference": chosen}
        (report,) = collect(scored, datasets={"data": settings})
        table = tables.main_table(report)
        place = table.header.index(heading)
        assert [cells[place] for cells in table.rows if cells[0] == "full"] == [score]
        details = tables.other_settings(report)
        shown = dict(zip(details.header, details.rows[-1], strict=True))
        assert shown["FID to targets ↓"] == "90.0"
        assert shown["FID to training images ↓"] == "170.0"


def test_provenance_prints_what_differs_and_what_a_system_adds(make):
    scored = make([coarse(), row("l1"), row("full"), row("def-gan", kind="compared")])
    for name, weight in {"l1": 0.0, "full": 4.0}.items():
        scored.run(name, 0, constant(0.5), stage2={"mask_weight": weight})
    about = {"parameters": 2_500_000, "images_seen": 84800, "training_tmac": 168.72}
    warp = {"warp": "nearest", "steps": 10600, "batch_size": 8}
    scored.run("def-gan", 0, constant(0.5), warp, None, "def_gan", about)
    (scored.losses / "data" / "def-gan-0.csv").unlink()  # tables do not need it
    text = folded(text_of(scored), "How it was made")
    made = line(text, "def-gan")
    for expected in (
        "| def_gan |",
        "10600 × 8",
        "2.50 M",
        "84,800",
        "168.7",
        "stage I: warp nearest",
    ):
        assert expected in made
    assert "stage II: mask_weight 4.0" in line(text, "full")
    assert "learning_rate" not in text  # the same everywhere
    assert text.count("fp32, deterministic") == 1  # said once, for all rows


def test_another_machine_gets_a_column(make):
    scored = make([row("l1"), row("full")])
    machine = {"device": "NVIDIA H100", "mode": "fp32, deterministic", "versions": "torch"}
    scored.run("full", 0, constant(0.5), about={"run": machine})
    text = folded(text_of(scored), "How it was made")
    assert line(text, "full").endswith("| NVIDIA H100 |")
    assert line(text, "l1").endswith("| cpu |")


def test_the_paper_is_in_a_chart_only_where_its_classifier_is(make, tmp_path):
    entries = [row("full", paper="VDG")]
    folder = write(Scored(tmp_path / "a", entries, published="market1501"))
    assert not (folder / "figures/data/ssim-is.png").exists()
    folder = write(Scored(tmp_path / "b", entries, published="market1501", classifier=INCEPTION))
    assert (folder / "figures/data/ssim-is.png").is_file()


def test_details_are_folded_so_that_github_renders_them(make):
    entries = [coarse(), row("l1", paper="VDG^L1"), row("full", paper="VDG")]
    entries += [row("w", paper="VDG_w"), row("def-gan", kind="compared", paper="Def-GAN")]
    text = text_of(make(entries, published="market1501"))
    assert text.count("<details>") == text.count("</details>") == 11
    assert len(re.findall(r"<details>\n<summary>[^\n]+</summary>\n\n", text)) == 11
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert html.count("<table>") == len(re.findall(r"^\| --- ", text, re.MULTILINE)) == 12
    assert text.index("| row |") < text.index("<details>")  # the main table is open


# --- files ---------------------------------------------------------------------------------------


def snapshot(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_report_is_written_with_all_its_files(make):
    scored = make([coarse(), row("full", paper="VDG")])
    folder = write(scored)
    text = (folder / "results.md").read_text()
    shown = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert {*shown} == {str(p) for p in snapshot(folder) if p.suffix == ".png"}
    assert text.index("grid.png") < text.index("<details>")  # under the main table
    table = pd.read_csv(folder / "results.csv")
    assert table.query("row == 'full' and metric == 'ssim'")["mean"].item() == 0.4
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["data"]["full"][f"fid{SUFFIX}"] == 100
    assert metrics["data"].keys() == {"stage1", "full"}


def test_the_same_scores_give_the_same_bytes(make):
    scored = make([coarse(), row("full", paper="VDG")])
    before = snapshot(write(scored))
    assert snapshot(write(scored)) == before


def test_a_failure_leaves_the_old_report_whole(make, monkeypatch):
    scored = make([coarse(), row("full")])
    folder = write(scored)
    (folder / "three-seeds.md").write_text("kept by hand")
    before = snapshot(folder)
    scored.run("full", 0, constant(0.7))
    with monkeypatch.context() as broken:
        broken.setattr(page, "html", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write(scored)
    assert snapshot(folder) == before
    calls = []

    def full_disk(source, target):
        calls.append(source)
        if len(calls) == 6:
            raise OSError(28, "No space left on device")
        Path(source).rename(target)

    with monkeypatch.context() as broken:
        broken.setattr(publish.os, "replace", full_disk)
        broken.setattr(publish, "write_bytes", lambda path, data: path.write_bytes(data))
        broken.setattr(publish, "write_json", lambda path, value: path.write_text("{}"))
        broken.setattr(publish.pictures, "draw", lambda *_: ([], None))
        broken.setattr(publish.page, "html", lambda *_: "new")
        (folder / "figures" / "data" / "extra.png").write_bytes(b"")
        before = snapshot(folder)
        with pytest.raises(InputError, match="nothing was changed"):
            write(scored)
    assert snapshot(folder) == before


def test_a_new_report_keeps_what_else_lies_there(make):
    scored = make([row("full")])
    folder = scored.root / "reports"
    (folder / "figures" / "gone").mkdir(parents=True)
    (folder / "figures" / "gone" / "old.png").write_bytes(b"of a data set no longer run")
    (folder / "three-seeds.md").write_text("kept by hand")
    write(scored)
    assert (folder / "three-seeds.md").read_text() == "kept by hand"
    assert [path.name for path in (folder / "figures").iterdir()] == ["data"]
    written = {*publish.WRITTEN, "three-seeds.md"}
    assert {path.name for path in folder.iterdir()} == written


@pytest.fixture
def write_report(stage, monkeypatch, any_code):
    """Run stages.ablation_table in the folder of the scores."""

    def run(scored, *arguments):
        monkeypatch.chdir(scored.root)
        return stage(ablation_table, *arguments)

    return run


def test_text_to_keep_has_its_note_and_no_figure(make, write_report):
    scored = make([row("full", paper="VDG")], published="market1501", split="hold-out")
    done = write_report(scored, "--keep", "reports/kept.md", "--note", "Made by `this command`.")
    assert done.returncode == 0, done.stderr
    text = (scored.root / "reports/kept.md").read_text()
    assert "![" not in text
    assert "Made by `this command`." in text
    assert "hold-out split" in text
    assert "| VDG_w | 0.266 |" in text
    assert {path.name for path in (scored.root / "reports").iterdir()} == {"kept.md"}


def test_what_estimated_key_points_is_named(make, write_report):
    scored = make([row("full")], estimator="MoveNet Thunder 01234567", judge="Another 8")
    assert write_report(scored, "--keep", "reports/kept.md").returncode == 0
    text = (scored.root / "reports/kept.md").read_text()
    assert "key points estimated by MoveNet Thunder 01234567, PCK by Another 8, seed 0" in text


@pytest.mark.parametrize(
    "file",
    [
        "kept.md",
        "reports/../kept.md",
        "/tmp/kept.md",
        "reports/kept.txt",
        "reports/results.md",
        "reports/figures/kept.md",
        "reports/link.md",
    ],
)
def test_text_is_kept_in_reports_alone(make, file):
    scored = make([row("full")])
    (scored.root / "reports").mkdir()
    (scored.root / "reports/link.md").symlink_to(scored.root / "outside.md")
    config, path = scored.configure(), scored.root / file
    with pytest.raises(InputError, match="--keep"):
        publish.keep(config, scored.scores, path, scored.root / "reports")
    assert not [p for p in scored.root.rglob("*.md") if p.is_file()]


def test_show_prints_the_main_table_and_writes_nothing(make, write_report):
    scored = make([row("full")])
    done = write_report(scored, "--show")
    assert "| full | ours |" in done.stdout
    assert not (scored.root / "reports").exists()


# --- damaged files -------------------------------------------------------------------------------


def cut(path, share=0.5):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def edit(path, **keys):
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def other_shape(path):
    write_arrays(path, {"generated": np.zeros((10, 8, 8, 3), np.uint8)})


DAMAGES = [
    ("scores/data/full-0/scores.json", Path.unlink),
    ("scores/data/full-0/scores.json", cut),
    ("scores/data/full-0/scores.json", lambda p: p.write_bytes(b"\xff\xfe")),
    ("scores/data/full-0/scores.json", lambda p: edit(p, metrics={"ssim": 0.5})),
    ("scores/data/full-0/scores.json", lambda p: edit(p, pairs=PAIRS + 1)),
    ("scores/data/full-0/scores.json", lambda p: edit(p, classifier=INCEPTION)),
    ("scores/data/full-0/scores.json", lambda p: edit(p, about={"system": "vdg"})),
    ("scores/data/references/mean-image.json", lambda p: edit(p, about={})),
    ("scores/data/full-0/scores.csv", Path.unlink),
    ("scores/data/full-0/scores.csv", cut),
    ("scores/data/full-0/scores.csv", lambda p: cut(p, 0.0)),
    ("scores/data/full-0/scores.csv", lambda p: p.write_text(p.read_text().replace("0-a", "1-a"))),
    ("scores/data/full-0/scores.csv", lambda p: p.write_text(p.read_text().replace("0.4", "x"))),
    ("scores/data/full-0/samples.safetensors", cut),
    ("scores/data/full-0/samples.safetensors", other_shape),
    ("scores/data/full-0/extremes.safetensors", Path.unlink),
    ("losses/data/full-0.csv", Path.unlink),
    ("losses/data/full-0.csv", cut),
    ("losses/data/full-0.csv", lambda p: p.write_text("step,l1\n")),
    ("losses/data/full-0.csv", lambda p: p.write_text("step,l1\n40,none\n")),
]


@pytest.mark.parametrize(("file", "damage"), DAMAGES)
def test_a_damaged_file_is_named_in_one_line(make, file, damage):
    scored = make([coarse(), row("full")])
    scored.run("full", 0, np.random.default_rng(0).uniform(0.3, 0.5, PAIRS))
    if "replace" in damage.__code__.co_names:
        scored.run("full", 0, constant(0.4))
    damage(scored.root / file)
    with pytest.raises(InputError) as caught:
        write(scored)
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any((scored.root / "reports").glob("*"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasets", {}),
        ("datasets", {"../data": {}}),
        ("rows", [row("full", run="../../elsewhere")]),
        ("rows", [row("full", kind="theirs")]),
        ("rows", [row("full", paper="PATN")]),
        ("rows", [row("full"), row("full")]),
        ("rows", [row("real")]),
        ("rows", [{"name": "full"}]),
        ("seeds", []),
        ("seeds", ["0"]),
        ("seeds", [0, 0]),
    ],
)
def test_a_damaged_configuration_is_named_in_one_line(make, key, value):
    with pytest.raises(InputError, match=r"configs/report\.json: \w") as caught:
        make([row("full")]).configure(**{key: value})
    assert "\n" not in str(caught.value)


def test_the_stage_ends_with_one_line(make, write_report):
    scored = make([row("full")])
    (scored.root / "configs/report.json").write_text("{}")
    done = write_report(scored)
    assert done.returncode == 1
    assert re.fullmatch(r"error: configs/report\.json: .*\n", done.stderr)


def mutations(value, path=()):
    """Every JSON value that differs from `value` in one place: (path, changed value)."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key), {k: v for k, v in value.items() if k != key}
            for place, changed in mutations(inner, (*path, key)):
                yield place, value | {key: changed}
    for other in (None, [], {}, "x", -1, float("nan")):
        yield path, copy.copy(other)


@pytest.mark.parametrize("file", ["configs/report.json", "scores/data/full-0/scores.json"])
def test_no_change_of_a_json_file_is_a_crash(make, file):
    """A file with one changed value is either accepted or refused in one line."""
    scored = make([row("full", paper="VDG")], published="market1501")
    whole = json.loads((scored.root / file).read_text())
    refused = []
    for place, changed in mutations(whole):
        (scored.root / file).write_text(json.dumps(changed))
        try:
            config = read_config(scored.root / "configs" / "report.json")
            page.markdown([page.chapter(r) for r in rows.collect(config, scored.scores)])
        except InputError as error:
            refused.append((place, str(error)))
    assert len(refused) > 20
    assert not [(place, message) for place, message in refused if "\n" in message]


def test_the_paper_has_the_columns_it_names():
    for name in paper.TABLE:
        assert paper.row(name, "market1501").keys() == {"ssim", "is", "mask_ssim", "mask_is"}
        assert paper.row(name, "deepfashion").keys() == {"ssim", "is"}
