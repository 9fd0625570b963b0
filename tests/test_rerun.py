"""What runs again after an edit, read from the real DVC in a throw-away repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from repositories import ROOT, contents, dvc, run, stages_run

from vdg import code, config, plan, resolve

VARIANTS = {"full", "pg2"}


def runs(stage, *names):
    return {f"{stage}@synthetic-{name}-0" for name in names}


SCORES = runs("evaluate", *VARIANTS) | runs("evaluate-stage1", "vdg", "pg2")
VDG2, PG = runs("train-stage2", "full"), runs("train-stage1", "pg2")
STAGE1 = runs("train-stage1", "vdg")
EDITS = {
    "a loss of VDG": ("systems/vdg/losses.py", VDG2 | runs("evaluate", "full")),
    "its discriminator": ("systems/vdg/stage2.py", VDG2 | runs("evaluate", "full")),
    "its stage I": (
        "systems/vdg/stage1.py",
        STAGE1 | VDG2 | runs("evaluate", "full") | runs("evaluate-stage1", "vdg"),
    ),
    "PG2": (
        "systems/pg2.py",
        PG | runs("train-stage2", "pg2") | runs("evaluate", "pg2") | runs("evaluate-stage1", "pg2"),
    ),
    "SSIM, which VDG's loss uses": (
        "metrics/ssim.py",
        SCORES | VDG2 | {"evaluate-references@synthetic"},
    ),
    "FID": ("metrics/fid.py", SCORES | {"evaluate-references@synthetic"}),
    "a table": ("report/tables.py", {"ablation-table"}),
    "a template": ("report/templates/results.md.jinja", {"ablation-table"}),
    "views, which no training uses": (
        "views.py",
        SCORES | {"evaluate-references@synthetic", "pose-heatmaps@synthetic"},
    ),
    "pose masks, which a training reads": ("masks.py", {"pose-heatmaps@synthetic"}),
    "a format of key points": ("keypoints/formats.py", {"download@synthetic"}),
    "a command": ("commands/score.py", set()),
    "an option of commands": ("commands/options.py", set()),
    "an error message": ("errors.py", set()),
}
READ = {"systems/vdg/losses.py", "systems/vdg/stage2.py", "systems/vdg/stage1.py", "systems/pg2.py"}
READ |= {"metrics/ssim.py", "views.py"}
"""What `resolve` itself reaches: it reads params.yaml anew after an edit of these."""


def edited(path):
    """The text of a file with a change that runs."""
    return path.read_text() + ("changed = 1\n" if path.suffix == ".py" else "{# changed #}\n")


def run_file(stage):
    """The file in configs/ that a stage depends on."""
    name, _, item = stage.partition("@synthetic-")
    row = item.removesuffix("-0")
    return {
        "download@synthetic": "synthetic/download.json",
        "train-stage1": f"synthetic/stage1-{row}.json",
        "train-stage2": f"synthetic/stage2-{row}.json",
        "evaluate-stage1": f"synthetic/evaluation-stage1-{row}.json",
        "evaluate": f"synthetic/evaluation-{row}.json",
        "evaluate-references@synthetic": "synthetic/references.json",
        "pose-heatmaps@synthetic": "synthetic/pose-heatmaps.json",
        "ablation-table": "report.json",
    }[name]


@pytest.mark.parametrize(("file", "stages"), EDITS.values(), ids=EDITS)
def test_an_edit_reaches_what_it_can_change(tmp_path, monkeypatch, file, stages):
    """In a copy of the project, by what `resolve` writes of each run."""
    for folder in ("src", "stages"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    path = ROOT / "params.yaml"
    raw = yaml.safe_load(path.read_text())
    raw |= {"networks": ["vdg", "pg2"], "variants": sorted(VARIANTS)}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    params = config.load(tmp_path / "params.yaml")
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    monkeypatch.chdir(tmp_path)
    lists = plan.Lists(params.datasets, params.networks, params.variants, params.seeds)
    plan.keep(lists, resolve.runs(params))
    before = resolve.resolve(params)
    changed = tmp_path / "src/vdg" / file
    changed.write_text(edited(changed))
    after = resolve.resolve(params)
    assert {name for name in before if before[name] != after[name]} == set(map(run_file, stages))

    kept = plan.kept()
    assert (kept is None) == (file in READ)
    assert kept is None or (kept[0] == lists and plan.hashed(kept[1]) == after)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw | {"alpha": 0.5}))
    assert plan.kept() is None


def test_alpha_reaches_the_variants_without_one_of_their_own():
    params = config.load(ROOT / "params.yaml")
    before = resolve.resolve(params)
    after = resolve.resolve(params.model_copy(update={"alpha": 0.5}))
    runs = {f"synthetic/stage2-{name}.json" for name in ("full", "weighted", "warp")}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == runs | {"report.json"}


def test_dvc_runs_what_an_edit_can_change(repository):
    """Stages whose own inputs change; DVC runs those downstream if their outputs change, too."""
    assert stages_run(dvc(repository, "repro").stdout) == []
    file, stages = EDITS["its stage I"]
    path = repository / "src/vdg" / file
    path.write_text(edited(path))
    dvc(repository, "repro", "resolve")
    assert set(yaml.safe_load(dvc(repository, "status", "--json").stdout)) == stages


def test_without_an_edit_that_concerns_it_resolve_needs_no_pytorch(repository, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('imported')\n")
    resolving = ("env", f"PYTHONPATH={tmp_path}", sys.executable, "-m", "stages.resolve")
    before = contents(repository, "configs")
    run(repository, *resolving)
    assert contents(repository, "configs") == before
    plan_file = repository / plan.FILE
    whole = plan_file.read_text()
    for damaged in ("", "{}", "[]", whole[:-9], whole.replace('"without"', '"with"')):
        plan_file.write_text(damaged)
        assert "imported" in run(repository, *resolving, check=False).stderr
    run(repository, *resolving[2:])
    assert plan_file.read_text() == whole
    assert contents(repository, "configs") == before


def test_a_file_that_is_saved_while_resolve_runs_is_refused(repository):
    """DVC would note the new file as the one that was resolved."""
    before = contents(repository, "configs", ".scratch")
    saving = "from pathlib import Path\nPath('params.yaml').touch()\n"
    system = repository / "src/vdg/systems/pg2.py"
    system.write_text(system.read_text() + saving)
    result = dvc(repository, "repro", check=False)
    assert "error: params.yaml was saved while this run began: run dvc repro again" in result.stderr
    assert contents(repository, "configs", ".scratch") == before


def test_a_plan_of_what_was_saved_meanwhile_is_not_kept(repository):
    """Between reading params.yaml and hashing it."""
    edit = """
import sys
sys.argv[0] = "-m"
import stages.resolve
from pathlib import Path
from vdg import cli, plan
keep, file = plan.keep, Path("params.yaml")
plan.keep = lambda *made: (file.write_text(file.read_text() + "# more\\n"), keep(*made))
cli.run(stages.resolve.main)
"""
    kept = repository / plan.FILE
    kept.unlink()
    result = run(repository, sys.executable, "-c", edit, check=False)
    assert "error: params.yaml was saved while this run began" in result.stderr
    assert not kept.exists()


def test_prose_runs_nothing(repository):
    path = repository / "src/vdg/systems/vdg/losses.py"
    prose = path.read_text().replace('"""', '"""In other words. ', 1) + "\n# and more\n"
    path.write_text(prose)
    assert stages_run(dvc(repository, "repro").stdout) == ["resolve"]


def test_code_that_changes_while_a_stage_runs_is_refused(repository):
    """The edited loss must not stand under the hash of the old one."""
    path = repository / "src/vdg/systems/vdg/losses.py"
    before = path.read_text()
    path.write_text(before.replace("return 1 - ssim(", "return 1.5 - ssim("))
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"],
        cwd=repository,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        said = ""
        for line in process.stdout:
            said += line
            if "Running stage 'train-stage2@synthetic-full" in line:
                path.write_text(before.replace("(1 + w * M_b)", "(1 + 9 * M_b)"))
    assert process.returncode != 0
    assert "src/vdg/systems/vdg/losses.py is no longer the file" in said
    assert "Traceback" not in said
    path.write_text(before)
    assert stages_run(dvc(repository, "repro").stdout) == ["resolve"]  # as it was: from the cache
    assert not run(repository, "git", "status", "--porcelain").stdout


def test_by_hand_a_stage_of_other_code_is_refused(repository):
    with open(repository / "src/vdg/systems/vdg/stage2.py", "a") as file:
        file.write("changed = 1\n")
    model = repository / "models/synthetic/full-0/model.safetensors"
    before = model.read_bytes()
    arguments = ("--dataset", "synthetic", "--variant", "full", "--seed", "0")
    for stage in ("train_stage2", "evaluate"):
        command = (sys.executable, "-m", f"stages.{stage}", *arguments)
        done = run(repository, *command, check=False)
        assert done.returncode == 1
        assert "nothing was written; run dvc repro again, and" in done.stderr
        assert model.read_bytes() == before
