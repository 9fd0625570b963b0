"""The real DVC command line on a micro configuration, in temporary repositories."""

import re
import shutil
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT
from repositories import contents, dvc, lock, make_repository, run, set_params, stages_run

from stages import resolve
from vdg import cli, plan


def test_repro_runs_the_chain_in_order(order):
    names = list(dict.fromkeys(stage.split("@")[0] for stage in order))
    chain = ["download", "pose-heatmaps", "train-stage1", "train-stage2", "evaluate"]
    assert names[0] == "resolve"
    assert names[-1] == "ablation-table"
    assert [name for name in names if name in chain] == chain
    assert "train-stage2@synthetic-full-0" in order


def test_report_holds_every_row_and_metric(finished):
    table = pd.read_csv(finished / "reports/results.csv")
    assert ",".join(table.columns) == "dataset,split,row,kind,metric,mean,std,seeds,pairs"
    rows = list(table["row"].drop_duplicates())
    assert rows[:3] == ["real", "copy-source", "mean-image"]
    assert set(rows[3:]) == {"stage1", "stage1-pg2", "full", "pg2"}
    assert {"ssim", "mask_ssim", "sharpness", "fid_efficientnet_lite0"} <= set(table["metric"])
    figures = table.set_index(["row", "metric"])["mean"]
    assert figures["real", "ssim"] == 1
    assert figures["real", "fid_efficientnet_lite0"] == pytest.approx(0, abs=1e-3)
    text = (finished / "reports/results.md").read_text()
    assert "Stand-in" in text
    assert "| VDG_w | 0.266 |" in text  # the paper's table, whatever was run
    assert "(EfficientNet-Lite0)" in text
    for picture in re.findall(r"\]\((figures/[^)]+)\)", text):
        assert (finished / "reports" / picture).is_file()
    page = (finished / "reports/index.html").read_text()
    assert page.count('src="data:image/png') == text.count("](figures/") >= 4
    assert 'src="figures/' not in page


def test_nothing_is_left_for_git(finished):
    tracked = run(finished, "git", "ls-files").stdout.split()
    assert not [name for name in tracked if name.startswith(("data/", "models/", "scores/"))]
    assert set(contents(finished, ".scratch")) == {str(plan.FILE)}


def test_fresh_clone_is_in_step(finished, tmp_path):
    run(tmp_path, "git", "clone", "--quiet", str(finished), "clone")
    clone = tmp_path / "clone"
    check = ("repro", "--allow-missing", "--dry", "--quiet")
    dvc(clone, "repro", "resolve")
    assert not run(clone, "git", "status", "--porcelain").stdout
    dvc(clone, *check)
    with open(clone / "src/vdg/training/losses.py", "a") as file:
        file.write("changed = 1\n")
    dvc(clone, "repro", "resolve")
    assert "dvc.lock" in run(clone, "git", "status", "--porcelain").stdout
    assert dvc(clone, *check, check=False).returncode != 0


def test_alpha_retrains_only_what_uses_it(repository):
    result = dvc(repository, "exp", "run", "--set-param", "alpha=0.5")
    assert stages_run(result.stdout) == [
        "resolve",
        "train-stage2@synthetic-full-0",
        "evaluate@synthetic-full-0",
        "ablation-table",
    ]
    changed = dvc(repository, "metrics", "diff").stdout
    assert "synthetic.full.ssim" in changed
    assert "synthetic.pg2" not in changed


TOY = """
import torch
from torch import nn

from vdg.heat_maps import heat_maps
from vdg.settings import Count, TrainingSettings, Weight
from vdg.training.losses import adversarial_loss, discriminator_loss, l1
from vdg.training.task import ADVERSARIAL_BETA, Task, step


class Stage1Settings(TrainingSettings):
    width: Count = 4
    l1_weight: Weight = 10.0


class Generator(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(21, width, 3, 1, 1), nn.ReLU(), nn.Conv2d(width, 3, 3, 1, 1), nn.Tanh()
        )

    def forward(self, I_a, K_a, K_b):
        return self.layers(torch.cat([I_a, heat_maps(K_b, *I_a.shape[2:])], 1)).float()


class Adversarial(Task):
    def __init__(self, generator, settings):
        D = nn.Conv2d(3, 1, 4, stride=4)
        super().__init__(settings, ADVERSARIAL_BETA, generator=generator, discriminator=D)

    def update(self, batch):
        image = self.generator(batch.I_a, batch.K_a, batch.K_b)
        logits = self.discriminator(torch.cat([batch.I_b, image.detach()])).float()
        L_D = discriminator_loss(*logits.chunk(2))
        step(self.optimizers["discriminator"], L_D)
        L_1 = l1(image, batch.I_b)
        L_adv = adversarial_loss(self.modules["discriminator"](image).float())
        step(self.optimizers["generator"], L_adv + self.settings.l1_weight * L_1)
        return {"l1": L_1.detach(), "discriminator": L_D.detach()}


def build_stage1(settings):
    return Generator(settings.width)


stage1_task = Adversarial
"""


def test_anybodys_system_is_one_file_and_one_section(repository):
    """A one-stage GAN that nothing else names: trained, scored, printed, and no other row again."""
    before = lock(repository)
    (repository / "src/vdg/systems/toy_gan.py").write_text(TOY)
    settings = {"steps": 4, "batch_size": 4, "learning_rate": 1e-3, "l1_weight": 5}
    section = {
        "system": "toy_gan",
        "kind": "compared",
        "about": "a toy",
        "stage1": {"default": settings},
    }
    set_params(repository, {"network.toy": section, "networks": ["vdg", "pg2", "toy"]})
    stages = stages_run(dvc(repository, "repro").stdout)
    trained = [name for name in stages if name.startswith(("train", "evaluate"))]
    assert trained == ["train-stage1@synthetic-toy-0", "evaluate-stage1@synthetic-toy-0"]
    text = (repository / "reports/results.md").read_text()
    assert re.search(r"^\| toy \| compared \| 0\.\d{3}", text, re.MULTILINE)
    losses = pd.read_csv(repository / "losses/synthetic/stage1-toy-0.csv")
    assert {"step", "l1", "discriminator"} < set(losses.columns)

    place = "network.toy.stage1.default"
    set_params(repository, {f"{place}.widht": 4})
    result = dvc(repository, "repro", check=False)
    said = f"params.yaml: {place}.widht = 4: unknown key; did you mean width?"
    assert said in result.stdout + result.stderr
    assert stages_run(result.stdout) == ["resolve"]

    (repository / "src/vdg/systems/toy_gan.py").unlink()
    run(repository, "git", "checkout", "params.yaml")
    assert not {name for name in stages_run(dvc(repository, "repro").stdout) if "train" in name}
    assert not list(repository.glob("models/synthetic/stage1-0/toy"))
    assert lock(repository) == before


def test_two_processes_train_a_second_seed(repository):
    changes = ("--set-param", "processes=2", "--set-param", "seeds=[0,1]")
    result = dvc(repository, "exp", "run", *changes, "train-stage1@synthetic-vdg-1")
    assert stages_run(result.stdout) == ["resolve", "train-stage1@synthetic-vdg-1"]
    losses = pd.read_csv(repository / "losses/synthetic/stage1-vdg-1.csv")
    assert list(losses["step"]) == [4]
    assert 0 < losses["validation_ssim"].item() < losses["validation_mask_ssim"].item() < 1


KILLS = (
    "both data/synthetic/download",
    "dvc step-",  # a checkpoint, after which the training stops
    "both step-",
    "stage full-0/model.safetensors",
    "dvc scores/synthetic/full-0",  # the evaluation may end before it notices
    "both reports/results.csv",  # half of the report is in place
)


def test_a_clone_that_is_killed_everywhere_makes_the_same_bytes(repository, tmp_path, monkeypatch):
    """Those of a repository in which other rows were run before, which leave no trace."""
    fewer = {"networks": ["vdg"], "variants": ["full"]}
    set_params(repository, fewer)
    ran = ["resolve", "assign-stage1@synthetic-full-0", "ablation-table"]  # no training, no score
    assert stages_run(dvc(repository, "repro").stdout) == ran
    assert (repository / ".scratch/unused/scores/synthetic/pg2-0/scores.json").is_file()

    other = make_repository(tmp_path / "other")
    set_params(other, fewer)
    (tmp_path / "hook").mkdir()
    shutil.copy(ROOT / "tests/kill_at.py", tmp_path / "hook/sitecustomize.py")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hook"))
    ends = []
    for kill in KILLS:
        monkeypatch.setenv("KILL", kill)
        ends.append(dvc(other, "repro", check=False).returncode)
        assert not list(other.glob(f"{kill.split()[1]}*")) or kill.startswith("dvc")
    assert ends == [255 if kill.startswith("stage") else -signal.SIGKILL for kill in KILLS]
    monkeypatch.delenv("KILL")
    dvc(other, "repro")
    assert (other / "dvc.lock").read_bytes() == (repository / "dvc.lock").read_bytes()
    assert contents(other, "reports") == contents(repository, "reports")
    left = set(contents(other, ".scratch")) - {str(plan.FILE)}
    assert all(path.startswith(".scratch/tmp/") for path in left)
    assert lock(other)["stages"].keys() == set(
        dvc(other, "stage", "list", "--name-only").stdout.split()
    )


def test_a_failed_repro_leaves_what_was_there(repository):
    before = contents(repository, "configs", "reports")
    result = dvc(repository, "exp", "run", "--set-param", "alpha=1.5", check=False)
    assert result.returncode != 0
    assert "params.yaml: alpha = 1.5" in result.stdout + result.stderr
    assert stages_run(result.stdout) == ["resolve"]
    assert contents(repository, "configs", "reports") == before

    run(repository, "git", "checkout", "params.yaml")
    (repository / "scores/synthetic/full-0/scores.json").write_text("{")
    result = dvc(repository, "repro", "--single-item", "ablation-table", check=False)
    assert result.returncode != 0
    assert "error: scores/synthetic/full-0/scores.json is not valid JSON" in result.stderr
    assert contents(repository, "configs", "reports") == before
    assert "ablation-table" not in stages_run(dvc(repository, "repro").stdout)  # from the cache


def test_make_repro_explains_what_dvc_would_not(tmp_path):
    """DVC reads the lists of params.yaml before any stage does, and its own error is a riddle."""
    folder = make_repository(tmp_path)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.lock", "pyproject.toml"):
        (folder / name).write_text("")
    (folder / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (folder / ".venv/installed").write_text("")
    set_params(folder, {"datasets": "synthetic"})
    result = run(folder, "make", "repro", check=False)
    assert result.returncode != 0
    assert "error: params.yaml: datasets = 'synthetic': should be a valid list" in result.stderr
    assert stages_run(result.stdout) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("evaluation.pose", "keypoints", "evaluation.pose = keypoints"),
        ("source.annotations", {"train": None, "test": None}, "source.annotations names no file"),
    ],
)
def test_a_missing_estimator_is_told_before_any_work(tmp_path, monkeypatch, key, value, words):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    section = "dataset.market1501"
    changes = {"datasets": ["market1501"], f"{section}.evaluation.pose": None}
    set_params(tmp_path, changes | {f"{section}.{key}": value})
    with pytest.raises(SystemExit) as refused:
        cli.run(resolve.main)
    said = str(refused.value)
    assert f"{section}.{words}: no estimator of key points" in said
    assert "run make estimator" in said
    assert not (tmp_path / "configs").exists()


def test_missing_archive_says_where_to_get_it(repository):
    rows = {"networks": ["vdg"], "variants": ["full"]}
    dataset = {"datasets": ["market1501"], "dataset.market1501.evaluation.pose": None}
    set_params(repository, rows | dataset)
    result = dvc(repository, "repro", check=False)
    text = result.stdout + result.stderr
    assert "raw/market1501/Market-1501-v15.09.15.zip does not exist" in text
    assert "may be used for research" in text
    assert "Traceback" not in text
    assert stages_run(result.stdout) == ["resolve", "download@market1501"]


def test_a_stage_by_hand_before_the_one_it_needs(tmp_path):
    for folder in ("src", "stages"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "configs/synthetic").mkdir(parents=True)
    (tmp_path / "configs/synthetic/network-full.json").write_text('{"network": "vdg"}')
    arguments = ("--dataset", "synthetic", "--variant", "full", "--seed", "0")
    command = (sys.executable, "-m", "stages.assign_stage1", *arguments)
    result = run(tmp_path, *command, check=False)
    assert result.returncode == 1
    missing = "models/synthetic/stage1-0/vdg/model.safetensors is missing: run the stage"
    assert missing in result.stderr


def typed(page, beginning):
    """The commands of the first block of a page of docs/ below a line with this beginning."""
    text = (ROOT / "docs" / page).read_text()
    block = re.search(rf"^{beginning}.*?```sh\n(.*?)```", text, re.MULTILINE | re.DOTALL)[1]
    return [line.split("  #")[0].strip() for line in block.splitlines()]


def test_sharing_what_was_trained_works_as_typed(repository, tmp_path):
    server, other = tmp_path / "vdg.git", tmp_path / "vdg"
    run(repository, "git", "reset", "--quiet", "HEAD~1")  # the results are not committed yet
    run(repository, "git", "branch", "--move", "main")
    run(repository, "git", "init", "--quiet", "--bare", "--initial-branch", "main", str(server))
    run(repository, "git", "remote", "add", "origin", str(server))
    run(repository, "git", "push", "--quiet", "--set-upstream", "origin", "main")

    def enter(line, folder):
        line = line.replace("/mnt/shared/vdg", str(tmp_path / "storage"))
        return run(folder, "bash", "-ec", line.replace("SERVER", str(server)))

    for line in typed("many-machines.md", "Whoever trains"):
        enter(line, repository)
    clone, *others = typed("many-machines.md", "Everybody else")
    enter(clone, tmp_path)
    said = [enter(line, other).stdout for line in others]
    assert others[-1] == "dvc repro"
    assert stages_run(said[-1]) == []
    assert contents(other, "reports", "models") == contents(repository, "reports", "models")
    assert not run(other, "git", "status", "--porcelain").stdout
