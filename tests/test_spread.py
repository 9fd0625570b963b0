"""The spread of threads and instruction sets: how it is measured, and how it is reported."""

import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scored import PAIRS, Scored, row

from bench import spread as bench
from vdg.errors import InputError
from vdg.files import read_json, write_json
from vdg.report import inputs, page, rows, spread

RUNS = ("l1", "full", "warp")


@pytest.fixture
def scored(tmp_path):
    """Three rows with three seeds: full is .02 above l1 in SSIM, warp .1."""
    found = Scored(tmp_path, [row(name) for name in RUNS], seeds=(0, 1, 2))
    for seed, shift in enumerate((-0.01, 0, 0.01)):
        for name, ssim in zip(RUNS, (0.5, 0.52, 0.6), strict=True):
            # the seeds of full go the other way, so that its difference to l1 varies by .04
            own = -shift if name == "full" else shift
            found.run(name, seed, np.full(PAIRS, ssim + own))
    return found


def write_spread(path, scored, values):
    """values: {run: SSIM of each setting}."""
    lines = []
    for run, series in values.items():
        found = inputs.read(scored.scores / f"data/{run}-0/scores.json", inputs.RunScores)
        line = {"dataset": "data", "run": run, "training": spread.fingerprint(found.about)}
        lines += [
            line | {"metric": "ssim", "setting": str(i), "value": value}
            for i, value in enumerate(series)
        ]
    pd.DataFrame(lines).to_csv(path, index=False)
    return path


def movements(scored, path):
    (report,) = rows.collect(scored.configure(), scored.scores)
    chapter = page.chapter(report, spread.read(path)["data"])
    return {m.metric: m for m in spread.movements(report, chapter.ours, chapter.spread)}


def test_a_difference_has_to_be_larger_than_both_ranges(scored, tmp_path):
    path = tmp_path / "spread.csv"
    write_spread(path, scored, {"l1": [0.5, 0.5], "full": [0.52, 0.523], "warp": [0.6, 0.61]})
    found = movements(scored, path)
    assert found.keys() == {"ssim"}
    assert found["ssim"].seeds == pytest.approx(0.02)
    assert found["ssim"].settings == pytest.approx(0.01)
    assert found["ssim"].compared == 3
    assert found["ssim"].larger == [
        "warp − l1",
        "warp − full",
    ]  # .02 < .04 of the seeds
    write_spread(path, scored, {"l1": [0.5, 0.5], "full": [0.52, 0.52], "warp": [0.6, 0.69]})
    assert movements(scored, path)["ssim"].larger == ["warp − l1"]  # .1 > .09, but .08 < .09


def test_the_kept_report_prints_it_and_others_do_not(scored, tmp_path):
    path = write_spread(tmp_path / "spread.csv", scored, {name: [0.5, 0.503] for name in RUNS})
    (report,) = rows.collect(scored.configure(), scored.scores)
    assert spread.unmeasured(report, spread.read(path)["data"]) == []
    title = "<summary>Seeds, threads and instruction sets</summary>"
    text = page.markdown([page.chapter(report, spread.read(path)["data"])])
    assert title in text
    assert "| SSIM ↑ | 0.020 | 0.003 | 2 of 3: warp − l1, warp − full |" in text
    assert title not in page.markdown([page.chapter(report)])
    assert spread.read(tmp_path / "nothing.csv") == {}


def test_runs_that_were_trained_otherwise_are_left_out(scored, tmp_path):
    path = write_spread(tmp_path / "spread.csv", scored, {name: [0.5, 0.503] for name in RUNS})
    for seed in (0, 1, 2):
        scored.run("full", seed, np.full(PAIRS, 0.52), stage2={"steps": 7})
    assert movements(scored, path)["ssim"].compared == 1  # warp with l1
    (report,) = rows.collect(scored.configure(), scored.scores)
    text = page.markdown([page.chapter(report, spread.read(path)["data"])])
    assert "the largest of the rows that were measured, without full. A difference" in text
    for run in ("l1", "warp"):
        scored.run(run, 0, np.full(PAIRS, 0.52), stage1={"steps": 7})
    assert movements(scored, path) == {}


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "dataset,run,metric,value\nx,y,z,1\n"])
def test_a_damaged_file_is_named(tmp_path, text):
    path = tmp_path / "spread.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"spread\.csv"):
        spread.read(path)


@pytest.fixture
def stages(monkeypatch, tmp_path):
    """The commands of bench.spread, whose stages write their last file and nothing else; the one
    named in `stopped` fails, once."""
    scored = Scored(tmp_path / "example", [row("full")])
    example = read_json(scored.scores / "data/full-0/scores.json")
    monkeypatch.chdir(tmp_path)
    for name in ("data/drawn/poses", "stages"):
        Path(name).mkdir(parents=True)
    Path("params.yaml").write_text("threads: null\n")
    params = type("Params", (), {"datasets": ["drawn"], "seeds": [3], "networks": ["vdg"]})
    params.variants = ["full"]
    monkeypatch.setattr(bench.config, "load", lambda _: params)
    monkeypatch.setattr("sys.argv", ["spread"])
    ran, stopped = [], []

    def run(command, cwd, env, **_):
        arguments = [command[2].removeprefix("stages."), *command[3:]]
        ran.append((cwd.name, arguments, env.get("ONEDNN_MAX_CPU_ISA")))
        if arguments[0] in stopped:
            stopped.remove(arguments[0])
            return subprocess.CompletedProcess(command, 1)
        outputs = {tuple(step): output for step, output in bench.steps(params, "drawn")}
        if arguments == ["resolve"]:
            write_json(cwd / "configs/run.json", (cwd / "params.yaml").read_text())
        else:
            metrics = {"metrics": {"ssim": 0.1 * len(cwd.name)}}
            write_json(cwd / outputs[tuple(arguments)], example | metrics)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bench.subprocess, "run", run)
    return ran, stopped


def test_each_setting_trains_and_scores_every_run(stages):
    bench.main()
    ran, _ = stages
    table = pd.read_csv(bench.OUTPUT)
    assert list(table["setting"].unique()) == list(bench.SETTINGS)
    assert set(table["run"]) == {"stage1-vdg", "full"}
    assert len({folder for folder, *_ in ran}) == 3
    assert {isa for folder, _, isa in ran if "AVX2" in folder and _ != ["resolve"]} == {"AVX2"}
    assert not bench.FOLDER.exists()


def test_an_interrupted_measurement_goes_on(stages):
    ran, stopped = stages
    stopped.append("train_stage2")
    with pytest.raises(InputError, match="run the same command again"):
        bench.main()
    assert not bench.OUTPUT.exists()
    before = [step for step in ran if step[1] != ["resolve"]]
    bench.main()
    assert bench.OUTPUT.is_file()
    every = [(folder, tuple(step)) for folder, step, _ in ran if step != ["resolve"]]
    again = {step for step in every if every.count(step) > 1}
    assert again == {(before[-1][0], tuple(before[-1][1]))}  # the one that was stopped


def test_other_settings_start_anew(stages):
    ran, stopped = stages
    stopped.append("train_stage2")
    with pytest.raises(InputError):
        bench.main()
    Path("params.yaml").write_text("threads: null\nalpha: 0.5\n")
    count = len(ran)
    bench.main()
    assert ran[count + 1][1][0] == "evaluate"  # the references of the first setting once more
