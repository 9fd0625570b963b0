"""What runs again after an edit, read from the real DVC in a throw-away repository."""

import subprocess
import sys

import pytest
import yaml
from test_pipeline import commit, dvc, make_repository, run, set_params, stages_run

VARIANTS = {"full", "l1", "pg2"}
PG2 = {"steps": 2, "batch_size": 4, "width": 4, "learning_rate": 0.001}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """VDG and PG2 on the micro configuration, finished."""
    folder = make_repository(tmp_path_factory.mktemp("rerun"))
    changes = {"networks": ["vdg", "pg2"], "variants": sorted(VARIANTS)}
    changes |= {f"network.pg2.{stage}.synthetic": dict(PG2) for stage in ("stage1", "stage2")}
    set_params(folder, changes)
    commit(folder)
    dvc(folder, "repro")
    commit(folder)
    return folder


def runs(stage, *names):
    return {f"{stage}@synthetic-{name}-0" for name in names}


SCORES = runs("evaluate", *VARIANTS) | runs("evaluate-stage1", "vdg", "pg2")
VDG2, PG = runs("train-stage2", "full", "l1"), runs("train-stage1", "pg2")
STAGE1 = runs("train-stage1", "vdg")
EDITS = {
    "a loss of VDG": ("systems/vdg/losses.py", VDG2 | runs("evaluate", "full", "l1")),
    "its discriminator": ("systems/vdg/stage2.py", VDG2 | runs("evaluate", "full", "l1")),
    "its stage I": (
        "systems/vdg/stage1.py",
        STAGE1 | VDG2 | runs("evaluate", "full", "l1") | runs("evaluate-stage1", "vdg"),
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
    "views, which only tables use": ("views.py", SCORES | {"evaluate-references@synthetic"}),
    "a command": ("commands/score.py", set()),
    "an error message": ("errors.py", set()),
}


@pytest.mark.parametrize(("file", "stages"), EDITS.values(), ids=EDITS)
def test_an_edit_runs_what_it_can_change(repository, file, stages):
    """Stages whose own inputs change; DVC runs those downstream if their outputs change, too."""
    path = repository / "src/vdg" / file
    before = path.read_text()
    path.write_text(before + ("changed = 1\n" if file.endswith(".py") else "{# changed #}\n"))
    try:
        dvc(repository, "repro", "resolve")
        status = yaml.safe_load(dvc(repository, "status", "--json").stdout)
        assert set(status) - {"pose-heatmaps@synthetic"} == stages
    finally:
        path.write_text(before)


def test_prose_runs_nothing(repository):
    path = repository / "src/vdg/systems/vdg/losses.py"
    before = path.read_text()
    path.write_text(before.replace('"""', '"""In other words. ', 1) + "\n# and more\n")
    try:
        assert stages_run(dvc(repository, "repro").stdout) == ["resolve"]
    finally:
        path.write_text(before)


def test_code_that_changes_while_a_stage_runs_is_refused(repository):
    """The edited loss must not stand under the hash of the old one."""
    path = repository / "src/vdg/systems/vdg/losses.py"
    before = path.read_text()
    path.write_text(before.replace("return 1 - ssim(", "return 1.5 - ssim("))
    command = [sys.executable, "-m", "dvc", "repro"]
    with subprocess.Popen(
        command, cwd=repository, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
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
    path = repository / "src/vdg/systems/vdg/stage2.py"
    before = path.read_text()
    path.write_text(before + "changed = 1\n")
    arguments = ("--dataset", "synthetic", "--variant", "full", "--seed", "0")
    try:
        for stage in ("train_stage2", "evaluate"):
            model = repository / "models/synthetic/full-0/model.safetensors"
            bytes_ = model.read_bytes()
            command = (sys.executable, "-m", f"stages.{stage}", *arguments)
            done = run(repository, *command, check=False)
            assert done.returncode == 1
            assert done.stderr.endswith("nothing was written; run dvc repro again\n")
            assert model.read_bytes() == bytes_
    finally:
        path.write_text(before)
